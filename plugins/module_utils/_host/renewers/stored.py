# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renewers whose folders say all that is needed: lego and caddy."""

import os
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.renewers.reading import Kept, listed


def lego(folder: bytes) -> t.Iterator[Kept]:
    """Yield `<folder>/certificates/<domain>.crt` with the key beside it."""
    certificates = os.path.join(folder, b"certificates")
    for name in listed(certificates):
        if name.endswith(b".json"):
            stem = os.path.join(certificates, name[: -len(b".json")])
            paths = [stem + ending for ending in (b".crt", b".key", b".issuer.crt", b".pem") if os.path.lexists(stem + ending)]
            yield Kept("lego", name[: -len(b".json")], paths, stem + b".json", {})


def caddy(folder: bytes) -> t.Iterator[Kept]:
    """Yield `<folder>/<authority>/<domain>/<domain>.crt` with the key beside it."""
    for authority in listed(folder):
        for name in listed(os.path.join(folder, authority)):
            stem = os.path.join(folder, authority, name, name)
            if os.path.lexists(stem + b".crt"):
                yield Kept("caddy", name, [stem + b".crt", stem + b".key"], stem + b".json", {})


KINDS = {"lego": lego, "caddy": caddy}  # type: t.Dict[str, t.Callable[[bytes], t.Iterator[Kept]]]
