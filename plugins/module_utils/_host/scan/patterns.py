# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns of paths_table.py and of the user's `exclude`."""

import re
import typing as t

_MOST_FOLDERS = 10000  # that are remembered


class Patterns:
    """A list of patterns, asked which of them fits a path.

    Most are plain paths, names, or ends of names, which are looked up: to compile them all costs more than a scan.
    """

    def __init__(self, patterns: t.Iterable[bytes], *, below: bool = False) -> None:
        """With `below` a pattern also fits whatever lies below the path it describes."""
        listed = list(enumerate(patterns))
        self._size = len(listed)
        self._below = below
        self._folders: t.Dict[bytes, int] = {}
        self._plain = _first((number, pattern) for number, pattern in listed if b"*" not in pattern)
        self._longest = max((pattern.count(b"/") + 1 for pattern in self._plain if not pattern.startswith(b"/")), default=0)
        self._endings = _first((number, pattern[1:]) for number, pattern in listed if _is_ending(pattern))
        self._any_ending = tuple(self._endings)
        self._others = [(number, pattern) for number, pattern in listed if b"*" in pattern and not _is_ending(pattern)]
        self._search: t.Optional[t.Callable[[bytes], t.Optional[t.Match[bytes]]]] = None

    def index(self, path: bytes) -> t.Optional[int]:
        """Return the index of the first pattern that fits an absolute path, None when none does."""
        index = self._own(path)
        if self._below:
            index = min(index, self._of_folder(path.rpartition(b"/")[0]))
        return None if index == self._size else index

    def __bool__(self) -> bool:
        return self._size > 0

    def _own(self, path: bytes) -> int:
        """Return the index of the first pattern that describes the path itself, or their number."""
        found, at = self._plain.get(path, self._size), len(path)
        for _name in range(self._longest):
            at = path.rfind(b"/", 0, at)
            if at < 0:
                break
            found = min(found, self._plain.get(path[at + 1 :], found))
        if path.endswith(self._any_ending):
            found = min(found, *(number for ending, number in self._endings.items() if path.endswith(ending)))
        return min(found, self._searched(path)) if self._others else found

    def _searched(self, path: bytes) -> int:
        if self._search is None:
            alternatives = b"|".join(b"(" + _expression(pattern) + b")" for _number, pattern in self._others)
            self._search = re.compile(alternatives, re.DOTALL).fullmatch
        match = self._search(path)
        return self._others[match.lastindex - 1][0] if match and match.lastindex else self._size

    def _of_folder(self, folder: bytes) -> int:
        """Return the index of the first pattern that describes a folder or one above it, or their number."""
        known = self._folders.get(folder)
        if known is not None:
            return known
        found, end = self._size, len(folder)
        while end > 0:
            found = min(found, self._own(folder[:end]))
            end = folder.rfind(b"/", 0, end)
        if len(self._folders) >= _MOST_FOLDERS:
            self._folders.clear()
        self._folders[folder] = found
        return found


class Table:
    """Rows of a pattern and a word."""

    def __init__(self, rows: t.Sequence[t.Tuple[bytes, str]], *, below: bool) -> None:
        """With `below` a pattern also fits whatever lies below the path it describes."""
        self._words = [word for _pattern, word in rows]
        self._patterns = Patterns((pattern for pattern, _word in rows), below=below)

    def word(self, path: bytes) -> t.Optional[str]:
        """Return the word of the first row that fits an absolute path."""
        index = self._patterns.index(path)
        return None if index is None else self._words[index]


def _first(pairs: t.Iterable[t.Tuple[int, bytes]]) -> t.Dict[bytes, int]:
    """Return the least number of each text."""
    found: t.Dict[bytes, int] = {}
    for number, text in pairs:
        found.setdefault(text, number)
    return found


def _is_ending(pattern: bytes) -> bool:
    return pattern.startswith(b"*") and pattern.count(b"*") == 1 and b"/" not in pattern


def _expression(pattern: bytes) -> bytes:
    """Return the regular expression of one pattern, without groups that are counted."""
    parts = (_part(part) for part in pattern.split(b"**"))
    return (b"" if pattern.startswith((b"/", b"**")) else b"(?:.*/)?") + b".*".join(parts)


def _part(part: bytes) -> bytes:
    return b"[^/]*".join(re.escape(piece) for piece in part.split(b"*"))
