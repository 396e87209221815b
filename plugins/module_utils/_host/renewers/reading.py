# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the readers of renewers give, and how they read."""

import os
import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import files

MOST_FILES = 2000
_MOST_BYTES = 1 << 20
_HOST = re.compile(rb"^(?:[a-z]+://)?(?:[^/@\s]*@)?([A-Za-z0-9.:\[\]-]+)")


class Kept(t.NamedTuple):
    """One certificate that a renewer keeps."""

    kind: str
    name: bytes
    paths: t.List[bytes]  # as the renewer names them
    configuration: bytes
    facts: t.Dict[str, t.Any]  # words without secrets
    alias: t.Optional[bytes] = None  # in a store


def listed(folder: bytes) -> t.List[bytes]:
    """Return the names in a folder, as many as are looked at; none where it cannot be read."""
    try:
        return sorted(os.listdir(folder))[:MOST_FILES]
    except OSError:
        return []


def content(path: bytes) -> bytes:
    """Return the content of a regular file, nothing of one that cannot be read or is too large to be a renewer's own."""
    try:
        return files.read(path, _MOST_BYTES)
    except (OSError, ValueError):
        return b""


def server(text: t.Optional[bytes]) -> t.Optional[str]:
    """Return the host of a URL or the short name of a CA: a URL may hold a user and a password."""
    found = _HOST.match(text or b"")
    return path_text(found.group(1)[:253]) if found else None


def word(text: t.Optional[bytes]) -> t.Optional[str]:
    """Return one word such as the name of a plugin, None where the text is anything else."""
    return path_text(text) if text and text != b"None" and re.match(rb"^[A-Za-z0-9_.:-]{1,100}\Z", text) else None
