# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What files held at the last scan, so that the next one reads only what has changed since.

A file is known by device, inode, size and both times of change, to the nanosecond: whatever is done to it changes one of them. Folders are known by device
and inode, and keep the five numbers of their files in the order of their listing: of a folder in which nothing happened they are compared all at once.
Of the few files that hold something is kept what was found in them, without any secret, as JSON that is not looked into before the file is met again.

The cache is one file in the state folder that nobody but root may read or write; what is not exactly as it was written is thrown away whole.
"""

import contextlib
import json
import operator
import os
import struct
import typing as t
import zlib
from array import array
from itertools import chain

from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import files

NAME = b"scan.cache"
MOST_FILES = 800000  # 40 bytes each
MOST_BYTES = 64 << 20  # of what all files that hold something hold
_MARK = b"certops scan cache 2\n"
_SETTLED = 2.0  # seconds; a file that was changed just now may be changed again without its times telling
_KEY = struct.Struct("=QQQqq")
KEY_SIZE = _KEY.size
_NUMBERS = operator.attrgetter("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
_FOLDER = struct.Struct("=QQIII")  # device, inode, how many files, how many of them hold something, bytes of that
_HELD = struct.Struct("=II")  # which file of the folder, bytes of JSON
_LENGTH = struct.Struct("=II")  # CRC-32 of what follows, bytes of the head
_ALONE = struct.pack("=QQ", 0, 0)  # the folder of the files that are looked at by their names alone
Held = t.Dict[str, t.Any]  # what a file held; empty for nothing


def key_of(status: os.stat_result) -> bytes:
    """Return what a file is known by as long as nobody changes it."""
    return _KEY.pack(*_NUMBERS(status))


def keys_of(statuses: t.Sequence[os.stat_result]) -> bytes:
    """Return the keys of several files, one behind the other."""
    try:
        return array("q", chain.from_iterable(map(_NUMBERS, statuses))).tobytes()
    except OverflowError:  # some file systems use the last bit of an inode
        return b"".join(map(key_of, statuses))


def identity_of(status: os.stat_result) -> bytes:
    """Return what a folder is known by."""
    return struct.pack("=QQ", status.st_dev, status.st_ino)


class Folder(t.NamedTuple):
    """The keys of files, and what some of them hold, as JSON by their number."""

    keys: bytes
    held: t.Dict[int, bytes]


class _Visit:
    """A folder that is being looked at: what was known of its files, and what the next scan is to know."""

    def __init__(self, identity: bytes, known: Folder) -> None:
        self.identity = identity
        self.known = known
        self.at = 0  # in the known keys
        self.keys: t.List[bytes] = []
        self.held: t.Dict[int, bytes] = {}
        self.count = 0
        self._by_key: t.Optional[t.Dict[bytes, bytes]] = None

    def add(self, keys: bytes, held: t.Iterable[t.Tuple[int, bytes]]) -> None:
        """Take files that follow those that are there; `held` counts from the first of them."""
        self.held.update((self.count + number, content) for number, content in held)
        self.keys.append(keys)
        self.count += len(keys) // _KEY.size

    def by_key(self) -> t.Dict[bytes, bytes]:
        """What each known file holds, empty for nothing."""
        if self._by_key is None:
            self._by_key = dict(_each(self.known))
        return self._by_key

    def folder(self, *, whole: bool) -> Folder:
        """Return what is known now; of a folder that was not seen to its end, also what was known of the rest."""
        if not whole:
            done = set(chain.from_iterable((keys[at : at + _KEY.size] for at in range(0, len(keys), _KEY.size)) for keys in self.keys))
            for key, held in _each(self.known):
                if key not in done:
                    self.add(key, ((0, held),) if held else ())
        return Folder(b"".join(self.keys), self.held)


class Cache:
    """What is known of files, and what this scan adds to it."""

    def __init__(self, program: str, now: float) -> None:
        """`program` names the code that reads files: what another version found is of no use."""
        self.left_over: t.List[str] = []  # what the last scan had no time for
        self._left_over = self.left_over
        self._program = program
        self._began = now
        self._now = now
        self._content = b""  # of the file
        self._places: t.Dict[bytes, t.Tuple[int, int]] = {}  # where in it a folder begins and ends
        self._folders: t.Dict[bytes, Folder] = {}  # those that this scan found otherwise
        self._files = 0
        self._bytes = 0
        self._new = 0
        self._forgotten: t.Optional[str] = None
        self._elsewhere: t.Dict[bytes, bytes] = {}  # what files hold that will be met in a folder, or in another one
        self._alone = self._current = _Visit(_ALONE, Folder(b"", {}))

    def forget(self, part: str) -> None:
        """Forget the files of which this part is known."""
        self._forgotten = part

    def has(self, identity: bytes) -> bool:
        """Whether anything is known of the files of this folder."""
        return identity in self._places

    def enter(self, identity: bytes) -> None:
        """From now on the files of this folder are looked at."""
        self._current = _Visit(identity, self._known(identity))

    def leave(self, *, whole: bool) -> None:
        """The folder has been looked at, to its end or not."""
        visit, self._current = self._current, self._alone
        folder = visit.folder(whole=whole)
        if folder != visit.known:
            self._folders[visit.identity] = folder

    @property
    def knows(self) -> bool:
        """Whether anything is known of the files of the folder."""
        return bool(self._current.known.keys)

    def unchanged(self, statuses: t.Sequence[os.stat_result]) -> t.Optional[t.List[t.Tuple[int, Held]]]:
        """Return what these files of the folder, the next in its order, hold, by their number; None where it is not known of all of them."""
        visit, keys = self._current, keys_of(statuses)
        first, known, start = visit.at // _KEY.size, visit.known, visit.at
        visit.at += len(keys)
        if keys != known.keys[start : visit.at]:
            return None
        told = [(number - first, known.held[number]) for number in range(first, first + len(statuses)) if number in known.held] if known.held else []
        held = [(number, self._opened(content)) for number, content in told]
        if any(not each for _number, each in held):
            return None
        visit.add(keys, told)
        return held

    def recall(self, status: os.stat_result) -> t.Optional[Held]:
        """Return what one file of the folder holds; None where it is not known. What is known is kept for the next scan."""
        key = key_of(status)
        content = self._current.by_key().get(key)
        held = {} if content == b"" else self._opened(content or b"{}")
        if content is None or (content and not held):
            return None
        self._keep(status, key, content)
        return held

    def repeat(self, status: os.stat_result) -> None:
        """Keep for the folder, too, what this file held when it was met by its name alone or in another folder."""
        key = key_of(status)
        if key in self._elsewhere and self._current is not self._alone:
            self._count(self._elsewhere[key])
            self._keep(status, key, self._elsewhere[key])

    def _keep(self, status: os.stat_result, key: bytes, content: bytes) -> None:
        self._current.add(key, ((0, content),) if content else ())
        if self._current is self._alone or status.st_nlink > 1:
            self._elsewhere[key] = content

    def _count(self, content: bytes) -> None:
        self._files += 1
        self._bytes += len(content)
        self._new += 1

    def remember(self, status: os.stat_result, held: Held) -> None:
        """Keep what a file of the folder holds."""
        if max(status.st_ctime, status.st_mtime) > self._now - _SETTLED or self._files >= MOST_FILES:
            return
        content = json.dumps(held, separators=(",", ":")).encode("ascii") if held else b""
        if self._bytes + len(content) > MOST_BYTES:
            return
        self._count(content)
        self._keep(status, key_of(status), content)

    def remember_nothing(self, keys: bytes) -> None:
        """Keep that the files of the folder with these keys, one behind the other, hold nothing."""
        times = array("q", keys)
        settled = (self._now - _SETTLED) * 1e9
        for at in range(0, len(keys), KEY_SIZE):
            first = at // times.itemsize
            if max(times[first + 3], times[first + 4]) <= settled and self._files < MOST_FILES:
                self._count(b"")
                self._current.add(keys[at : at + KEY_SIZE], ())

    def load(self, state: bytes, days: float) -> None:
        """Take what an earlier scan left in the state folder, unless it is older than so many days."""
        try:
            content = _read(os.path.join(state, NAME))
            head, places = _parsed(content)
            if head["program"] != self._program or not 0 <= self._now - head["began"] < days * 86400:
                return
        except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error, RecursionError, MemoryError):
            return
        self._content, self._places, self._began = content, places, head["began"]
        self._files, self._bytes = head["files"], head["bytes"]
        self.left_over = self._left_over = head["left_over"]
        self._alone = self._current = _Visit(_ALONE, self._known(_ALONE))

    def save(self, state: bytes) -> None:
        """Leave everything for the next scan; where that fails, it reads everything. It is not worth writing for a few files more."""
        self._current = self._alone
        self.leave(whole=True)
        if self._new <= self._files // 100 and self.left_over == self._left_over:
            return
        with contextlib.suppress(OSError):
            os.makedirs(state, mode=0o700, exist_ok=True)
            files.replace(os.path.join(state, NAME), self._file())

    def _file(self) -> bytes:
        """Return what is written; the folders of this scan are given away for it, there may be tens of megabytes."""
        folders = [self._content[start:end] for start, end in self._unvisited()]
        self._content = b""
        while self._folders:
            folders.append(self._packed(*self._folders.popitem()))
        counted = [_FOLDER.unpack_from(folder) for folder in folders]
        numbers = {"files": sum(each[2] for each in counted), "bytes": sum(each[4] for each in counted)}
        head = json.dumps({"program": self._program, "began": self._began, "left_over": self.left_over, **numbers}).encode("ascii")
        checksum = zlib.crc32(head)
        for folder in folders:
            checksum = zlib.crc32(folder, checksum)
        return b"".join((_MARK, _LENGTH.pack(checksum, len(head)), head, *folders))

    def _unvisited(self) -> t.Iterable[t.Tuple[int, int]]:
        return (place for identity, place in self._places.items() if identity not in self._folders)

    @staticmethod
    def _packed(identity: bytes, folder: Folder) -> bytes:
        contents = folder.held.values()
        head = identity + struct.pack("=III", len(folder.keys) // _KEY.size, len(folder.held), sum(map(len, contents)))
        return b"".join((head, folder.keys, *(_HELD.pack(number, len(content)) for number, content in folder.held.items()), *contents))

    def _known(self, identity: bytes) -> Folder:
        """Return what was known of a folder before this scan."""
        start, _end = self._places.get(identity, (0, 0))
        if not _end:
            return Folder(b"", {})
        _device, _inode, count, holding, _size = _FOLDER.unpack_from(self._content, start)
        start += _FOLDER.size
        begin = start + count * _KEY.size
        at, held = begin + holding * _HELD.size, {}
        for number, length in _HELD.iter_unpack(self._content[begin:at]):
            held[number] = self._content[at : at + length]
            at += length
        return Folder(self._content[start:begin], held)

    def _opened(self, content: bytes) -> Held:
        """Return what is written of a file, nothing of one that is to be forgotten."""
        held = json.loads(content.decode("ascii"))
        return {} if self._forgotten and held.get(self._forgotten) else t.cast(Held, held)


def _each(folder: Folder) -> t.Iterator[t.Tuple[bytes, bytes]]:
    """Yield the key of each file and what it holds, empty for nothing."""
    for number in range(len(folder.keys) // _KEY.size):
        yield folder.keys[number * _KEY.size : (number + 1) * _KEY.size], folder.held.get(number, b"")


def _read(path: bytes) -> bytes:
    with files.open_own(path) as file:
        return file.read(2 * MOST_BYTES + MOST_FILES * _KEY.size)


def _parsed(content: bytes) -> t.Tuple[t.Dict[str, t.Any], t.Dict[bytes, t.Tuple[int, int]]]:
    """Return the head and where each folder stands; raise some error for anything else than `save` wrote."""
    checksum, length = _LENGTH.unpack_from(content, len(_MARK))
    start = len(_MARK) + _LENGTH.size
    if not content.startswith(_MARK) or zlib.crc32(memoryview(content)[start:]) != checksum:
        raise ValueError("it is not what was written")
    head = json.loads(content[start : start + length].decode("ascii"))
    return head, dict(_folders(content, start + length))


def _folders(content: bytes, at: int) -> t.Iterator[t.Tuple[bytes, t.Tuple[int, int]]]:
    while at < len(content):
        _device, _inode, count, holding, size = _FOLDER.unpack_from(content, at)
        end = at + _FOLDER.size + count * _KEY.size + holding * _HELD.size + size
        yield content[at : at + 16], (at, end)
        at = end
