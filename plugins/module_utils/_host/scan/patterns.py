# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns of paths_table.py and of the user's `exclude`, compiled."""

import re
import typing as t


class Patterns:
    """A list of patterns, asked which of them fits a path."""

    def __init__(self, patterns: t.Iterable[bytes], *, below: bool = False) -> None:
        """With `below` a pattern also fits whatever lies below the path it describes."""
        listed = list(patterns)
        self._size = len(listed)
        end = rb"(?:/.*)?" if below else b""
        alternatives = b"|".join(b"(" + _expression(pattern) + end + b")" for pattern in listed)
        self._search = re.compile(alternatives or b"(?!)", re.DOTALL).fullmatch

    def index(self, path: bytes) -> t.Optional[int]:
        """Return the index of the first pattern that fits an absolute path, None when none does."""
        match = self._search(path)
        return None if match is None or match.lastindex is None else match.lastindex - 1

    def __bool__(self) -> bool:
        return self._size > 0


def _expression(pattern: bytes) -> bytes:
    """Return the regular expression of one pattern, without groups that are counted."""
    parts = (_part(part) for part in pattern.split(b"**"))
    return (b"" if pattern.startswith((b"/", b"**")) else b"(?:.*/)?") + b".*".join(parts)


def _part(part: bytes) -> bytes:
    return b"[^/]*".join(re.escape(piece) for piece in part.split(b"*"))
