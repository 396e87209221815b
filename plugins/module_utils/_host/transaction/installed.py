# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What our last committed transaction for a certificate put in place."""

import hashlib
import os
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import journal


def installed(state: bytes, name: str) -> t.Optional[t.Dict[str, t.Any]]:
    """Return the record of the certificate of that name, None where there is none."""
    return journal.read_json(_path(state, name))


def remember(state: bytes, name: str, record: t.Dict[str, t.Any]) -> None:
    """Keep the record."""
    path = _path(state, name)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    journal.write_json(path, record)


def _path(state: bytes, name: str) -> bytes:
    return os.path.join(state, b"certificates", hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest().encode("ascii") + b".json")
