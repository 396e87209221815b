# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns of paths_table.py and of the user's `exclude`, compiled."""

import re
import typing as t

_MOST_FOLDERS = 10000  # that are remembered


class Patterns:
    """A list of patterns, asked which of them fits a path; those without a star are looked up, which most are."""

    def __init__(self, patterns: t.Iterable[bytes], *, below: bool = False) -> None:
        """With `below` a pattern also fits whatever lies below the path it describes."""
        listed = list(patterns)
        self._size = len(listed)
        self._below = below
        self._folders: t.Dict[bytes, int] = {}
        plain = [(number, pattern) for number, pattern in enumerate(listed) if b"*" not in pattern]
        stars = [(number, pattern) for number, pattern in enumerate(listed) if b"*" in pattern]
        self._paths = _first((number, pattern) for number, pattern in plain if pattern.startswith(b"/"))
        self._names = _first((number, pattern) for number, pattern in plain if b"/" not in pattern)
        self._search_name, self._of_name = _compiled([(number, pattern) for number, pattern in stars if b"/" not in pattern and b"**" not in pattern])
        rest = [pair for pair in stars if b"/" in pair[1] or b"**" in pair[1]] + [pair for pair in plain if b"/" in pair[1] and not pair[1].startswith(b"/")]
        self._search_path, self._of_path = _compiled(sorted(rest))

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
        name, none = path.rpartition(b"/")[2], self._size
        found = min(self._paths.get(path, none), self._names.get(name, none))
        match = self._search_name(name) if self._of_name else None
        if match and match.lastindex:
            found = min(found, self._of_name[match.lastindex - 1])
        match = self._search_path(path) if self._of_path else None
        if match and match.lastindex:
            found = min(found, self._of_path[match.lastindex - 1])
        return found

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


def _first(pairs: t.Iterable[t.Tuple[int, bytes]]) -> t.Dict[bytes, int]:
    found: t.Dict[bytes, int] = {}
    for number, pattern in pairs:
        found.setdefault(pattern, number)
    return found


def _compiled(pairs: t.Sequence[t.Tuple[int, bytes]]) -> t.Tuple[t.Callable[[bytes], t.Optional[t.Match[bytes]]], t.List[int]]:
    """Return one expression of these patterns, a group for each, and the index of each."""
    alternatives = b"|".join(b"(" + _expression(pattern) + b")" for _number, pattern in pairs)
    return re.compile(alternatives, re.DOTALL).fullmatch, [number for number, _pattern in pairs]


class Table:
    """Rows of a pattern and a word. Most patterns are plain paths, names, or ends of names, which are looked up: to compile them all costs more than a scan."""

    def __init__(self, rows: t.Sequence[t.Tuple[bytes, str]], *, below: bool) -> None:
        """With `below` a pattern also fits whatever lies below the path it describes."""
        self._words = [word for _pattern, word in rows]
        self._below = below
        listed = [pattern for pattern, _word in rows]
        backwards = list(enumerate(listed))[::-1]  # of equal ones the first row counts
        self._plain = {pattern: index for index, pattern in backwards if b"*" not in pattern}
        self._longest = max((pattern.count(b"/") + 1 for pattern in self._plain if not pattern.startswith(b"/")), default=1)
        self._endings = {pattern[1:]: index for index, pattern in backwards if _is_ending(pattern)}
        self._any_ending = tuple(self._endings)
        self._others = [index for index, pattern in enumerate(listed) if b"*" in pattern and not _is_ending(pattern)]
        self._listed = listed
        self._compiled: t.Optional[Patterns] = None

    def word(self, path: bytes) -> t.Optional[str]:
        """Return the word of the first row that fits an absolute path."""
        index = min((*self._looked_up(path.split(b"/")), *self._matched(path)), default=None)
        return None if index is None else self._words[index]

    def _looked_up(self, parts: t.List[bytes]) -> t.Iterator[int]:
        for stop in range(len(parts), 1, -1) if self._below else (len(parts),):
            for start in {0, *range(max(0, stop - self._longest), stop)}:
                index = self._plain.get(b"/".join(parts[start:stop]))
                if index is not None:
                    yield index
            if parts[stop - 1].endswith(self._any_ending):
                yield min(index for ending, index in self._endings.items() if parts[stop - 1].endswith(ending))

    def _matched(self, path: bytes) -> t.Iterator[int]:
        if self._others:
            if self._compiled is None:
                self._compiled = Patterns([self._listed[index] for index in self._others], below=self._below)
            index = self._compiled.index(path)
            if index is not None:
                yield self._others[index]


def _is_ending(pattern: bytes) -> bool:
    return pattern.startswith(b"*") and pattern.count(b"*") == 1 and b"/" not in pattern


def _expression(pattern: bytes) -> bytes:
    """Return the regular expression of one pattern, without groups that are counted."""
    parts = (_part(part) for part in pattern.split(b"**"))
    return (b"" if pattern.startswith((b"/", b"**")) else b"(?:.*/)?") + b".*".join(parts)


def _part(part: bytes) -> bytes:
    return b"[^/]*".join(re.escape(piece) for piece in part.split(b"*"))
