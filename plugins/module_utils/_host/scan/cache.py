# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What files held at the last scan, so that the next one reads only what has changed since.

A file is known by device, inode, size and both times of change, to the nanosecond: whatever is done to it changes one of them. Nearly all files hold
nothing and are kept as these five numbers alone; of the others is kept what was found in them, without any secret.

The cache is one file in the state folder that nobody but root may read or write; what is not exactly as it was written is thrown away whole.
"""

import contextlib
import json
import os
import stat
import struct
import typing as t
import zlib

from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import files

NAME = b"scan.cache"
MOST_EMPTY = 400000  # files that hold nothing, 40 bytes each
MOST_BYTES = 32 << 20  # of what the others hold, as JSON
_MARK = b"certops scan cache 1\n"
_SETTLED = 2.0  # seconds; a file that was changed just now may be changed again without its times telling
_KEY = struct.Struct("=QQQqq")
_LENGTHS = struct.Struct("=QQ")
Held = t.Dict[str, t.Any]  # what a file held, as JSON; empty for nothing
UNKNOWN: Held = {}


def key_of(status: os.stat_result) -> bytes:
    """Return what a file is known by as long as nobody changes it."""
    return _KEY.pack(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class Cache:
    """What is known of files, and what this scan adds to it."""

    def __init__(self, program: str, now: float) -> None:
        """`program` names the code that reads files: what another version found is of no use."""
        self.empty: t.Set[bytes] = set()
        self.held: t.Dict[bytes, Held] = {}
        self.certificates: t.Dict[str, t.Any] = {}  # by SHA-256: what `held` refers to
        self._program = program
        self._began = now
        self._now = now
        self._new = 0

    def remember(self, status: os.stat_result, held: Held) -> None:
        """Keep what a file holds."""
        if max(status.st_ctime, status.st_mtime) > self._now - _SETTLED:
            return
        if held:
            self.held[key_of(status)] = held
        elif len(self.empty) < MOST_EMPTY:
            self.empty.add(key_of(status))
        self._new += 1

    def forget(self, part: str) -> None:
        """Forget the files of which this part is known."""
        self.held = {key: held for key, held in self.held.items() if not held[part]}

    def load(self, state: bytes, days: float) -> None:
        """Take what an earlier scan left in the state folder, unless it is older than so many days."""
        try:
            content = _read(os.path.join(state, NAME))
            head, certificates, held, empty = _parsed(content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error, zlib.error, RecursionError, MemoryError):
            return
        if head["program"] == self._program and 0 <= self._now - head["began"] < days * 86400:
            self.empty, self.held, self.certificates, self._began = empty, held, certificates, head["began"]

    def save(self, state: bytes) -> None:
        """Leave everything for the next scan; where that fails, it reads everything. It is not worth writing for a few files more."""
        if self._new <= (len(self.empty) + len(self.held)) // 100:
            return
        held = {key.hex(): value for key, value in self.held.items()}
        head = {"program": self._program, "began": self._began}
        content = json.dumps({"head": head, "certificates": self.certificates, "held": held}, separators=(",", ":")).encode("ascii")
        if len(content) > MOST_BYTES:
            return
        packed, empty = zlib.compress(content, 1), b"".join(self.empty)
        body = _LENGTHS.pack(len(packed), len(empty)) + packed + empty
        with contextlib.suppress(OSError):
            os.makedirs(state, mode=0o700, exist_ok=True)
            files.replace(os.path.join(state, NAME), _MARK + struct.pack("=I", zlib.crc32(body)) + body)


def _read(path: bytes) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise OSError("it is not ours alone")
        return file.read(MOST_BYTES + MOST_EMPTY * _KEY.size)


def _parsed(content: bytes) -> t.Tuple[t.Dict[str, t.Any], t.Dict[str, t.Any], t.Dict[bytes, Held], t.Set[bytes]]:
    """Return head, certificates, what files held, and the files that held nothing; raise some error for anything else than `save` wrote."""
    body = content[len(_MARK) + 4 :]
    if not content.startswith(_MARK) or struct.unpack_from("=I", content, len(_MARK))[0] != zlib.crc32(body):
        raise ValueError("it is not what was written")
    packed, empty = _LENGTHS.unpack_from(body)
    start, end = _LENGTHS.size + packed, _LENGTHS.size + packed + empty
    unpacker = zlib.decompressobj()
    told = json.loads(unpacker.decompress(body[_LENGTHS.size : start], MOST_BYTES).decode("ascii"))
    keys = {body[at : at + _KEY.size] for at in range(start, end, _KEY.size)}
    return told["head"], told["certificates"], {bytes.fromhex(key): value for key, value in told["held"].items()}, keys
