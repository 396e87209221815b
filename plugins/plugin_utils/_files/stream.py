# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Large text files of the controller: written part by part, and put in place in one step."""

from __future__ import annotations

import collections
import os
import stat
import tempfile
import typing as t


def put_parts(path: str, parts: t.Iterable[str], *, mode: int = 0o600, write: bool = True) -> bool:
    """Whether the file was, or without C(write) would be, changed to exactly this; it is there whole, or as it was before. Raises OSError."""
    folder, name = os.path.split(path)
    if not write:
        os.stat(folder)
        rest = iter(parts)
        changed = not _holds(path, rest, mode)
        collections.deque(rest, maxlen=0)  # what reads them may count
        return changed
    handle, staged = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
    try:
        with open(handle, "w+", encoding="utf-8", newline="") as file:
            file.writelines(parts)
            file.seek(0)
            if _holds(path, file, mode):
                os.unlink(staged)
                return False
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(staged, path)
    except BaseException:
        os.unlink(staged)
        raise
    return True


def _holds(path: str, parts: t.Iterable[str], mode: int) -> bool:
    """Whether a file is there with this content and mode."""
    try:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
            same = stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == mode
            return same and all(file.read(len(octets)) == octets for octets in (part.encode() for part in parts)) and not file.read(1)
    except FileNotFoundError:
        return False
