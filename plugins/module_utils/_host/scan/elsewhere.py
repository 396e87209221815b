# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that another process reads (crew.py): what it is asked, what it tells of each, and how that is taken as if they had been read here.

Told is only what is the same whoever reads it. A file of which there is anything to note, that needs openssl or more than one look is read here again.
"""

import functools
import os
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.scan import cache, crew, findings, mounts, reading, walk
from ansible_collections.certops.fleet.plugins.module_utils._host.stores import items

_HERE, _REFUSED, _HOLDS = range(3)  # what a row says of a file
Row = t.List[t.Any]


class _Kept:
    """Takes the place of the cache: what would be remembered of the file that is being read."""

    knows = False

    def __init__(self) -> None:
        self.keys: t.List[bytes] = []  # of files that hold nothing
        self.held: t.Optional[cache.Held] = None

    def remember(self, status: os.stat_result, held: cache.Held) -> None:
        """Keep it until it is told."""
        self.held = held
        if not held:
            self.keys.append(cache.key_of(status))


class Helper:
    """The other process's side: reads files and tells what they hold."""

    def __init__(self, max_file_size: int, passwords: t.Sequence[str], sought: findings.Sought) -> None:
        self._kept = _Kept()
        self._reader = reading.Reader(max_file_size, t.cast(t.Any, self._kept))
        self._ledger = walk.Ledger()
        self._tools = items.Tools(_not_here, passwords)
        self._sought = sought
        self._room = findings.MOST_CERTIFICATE_BYTES
        self._sent: t.Set[str] = set()

    def answer(self, head: t.Any, content: bytes) -> t.Iterator[t.Optional[crew.Message]]:
        """Yield what there is to be said of the files of a folder that are asked for, nothing where it is another folder by now."""
        path = head[0].encode("latin-1")
        try:
            folder = reading.open_folder(path)
        except OSError:
            yield {}, b""
            return
        try:
            if list(_identity(os.fstat(folder))) == head[1]:
                yield from self._files(path, folder, content.split(b"\0"))
            else:
                yield {}, b""
        finally:
            os.close(folder)

    def _files(self, path: bytes, folder: int, names: t.Sequence[bytes]) -> t.Iterator[t.Optional[crew.Message]]:
        rows: t.List[Row] = []
        contents: t.List[bytes] = []
        self._reader.files = self._reader.bytes = 0
        self._kept.keys = []
        for number, name in enumerate(names):
            before = len(self._kept.keys)
            row = self._file(path, name, folder, contents)
            if row is not None:
                rows.append([number, before, *row])
            yield None
        counts = {"files": self._reader.files, "bytes": self._reader.bytes, "keys": len(self._kept.keys)}
        yield dict(counts, rows=rows), b"".join((*self._kept.keys, *contents))

    def _file(self, path: bytes, name: bytes, folder: int, contents: t.List[bytes]) -> t.Optional[Row]:
        """Return a row of one file, None where there is nothing to be said of it; `contents` takes the certificates whose bytes go with it."""
        files, size, noted = self._reader.files, self._reader.bytes, self._ledger.noted
        try:
            seen = self._reader.look(name, folder)
        except reading.UnusableError as exc:
            return [_REFUSED, exc.reason, exc.failure]
        except OSError as exc:
            return [_REFUSED, walk.VANISHED if isinstance(exc, FileNotFoundError) else mounts.reason_of(exc), True]
        if seen is None:
            return None
        self._kept.held = None
        found = findings.Findings(self._reader, self._ledger, _not_here, self._tools, t.cast(t.Any, self._kept), sought=self._sought)
        if seen.content is not None:
            found.read(path + b"/" + name, seen)
        held = t.cast(t.Optional[cache.Held], self._kept.held)
        if held is None or self._ledger.noted != noted:
            self._reader.files, self._reader.bytes = files, size
            return [_HERE]
        return [_HOLDS, seen.status.__reduce__()[1], held, self._certificates(found, contents)] if held else None

    def _certificates(self, found: findings.Findings, contents: t.List[bytes]) -> t.List[Row]:
        """Tell of each certificate that is asked for and was not told before how long it is, and whether its bytes go with it."""
        told = []
        for digest, content in found.certificates.items():
            if digest in self._sent:
                continue
            fits = len(content) <= self._room
            if fits:
                self._room -= len(content)
                self._sent.add(digest)
                contents.append(content)
            told.append([digest, len(content), fits])
        return told


class Elsewhere:
    """This process's side: has files read, and takes what is told of them in the order of the walk."""

    def __init__(self, walker: walk.Walker, reader: reading.Reader, processes: crew.Crew) -> None:
        self._walker = walker
        self._reader = reader
        self._crew = processes
        self.then = processes.then
        self.finish = processes.finish
        self.close = processes.close

    def __len__(self) -> int:
        return len(self._crew)

    def look(self, path: bytes, status: os.stat_result, top: bytes, names: t.Sequence[bytes]) -> None:
        """Have these files of a folder read."""
        head = [path.decode("latin-1"), _identity(status)]
        take = functools.partial(self._take, path, top, names)
        lost = functools.partial(self._walker.give_up, path)
        here = functools.partial(self._walker.read, path, top, names)
        self._crew.ask(crew.Question(head, b"\0".join(names), len(names), take, lost, here))

    def _take(self, path: bytes, top: bytes, names: t.Sequence[bytes], head: t.Any, content: bytes) -> None:
        if not head:
            self._walker.read(path, top, names)
            return
        self._reader.files += head["files"]
        self._reader.bytes += head["bytes"]
        done, at = 0, head["keys"] * cache.KEY_SIZE
        for number, before, kind, *told in head["rows"]:
            self._reader.nothing_in(content[done : before * cache.KEY_SIZE])
            done = before * cache.KEY_SIZE
            if kind == _HERE:
                self._walker.read(path, top, names[number : number + 1])
            elif kind == _REFUSED:
                self._walker.met(path, names[number], reading.UnusableError(told[0], failure=told[1]), top)
            else:
                certificates = []
                for digest, length, fits in told[2]:
                    certificates.append((digest, length, content[at : at + length] if fits else None))
                    at += length if fits else 0
                seen = reading.Seen(os.stat_result(*told[0]), None, None, reading.Told(told[1], certificates))
                self._walker.met(path, names[number], seen, top)
        self._reader.nothing_in(content[done : head["keys"] * cache.KEY_SIZE])

    def drop(self) -> None:
        """Give up what nobody has told yet."""
        for question in self._crew.drop():
            question.lost("")


def started(number: int, helper: Helper, walker: walk.Walker, reader: reading.Reader) -> Elsewhere:
    """Start so many processes; OSError where the system does not let us."""
    return Elsewhere(walker, reader, crew.Crew(number, helper.answer, walker.left))


def _identity(status: os.stat_result) -> t.Tuple[int, int]:
    return status.st_dev, status.st_ino


def _not_here(*_command: t.Any, **_given: t.Any) -> t.NoReturn:
    raise reading.UnusableError("a command is run by one process alone", failure=True)
