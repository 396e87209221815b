# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading files without a trace, and telling in one pass over their bytes whether there is anything in them for a scan.

Access times stay as they are where O_NOATIME is allowed (the owner's files and root). What was not in the page cache before is asked for with
RWF_NOWAIT first and dropped from the cache afterwards; where the system does not know RWF_NOWAIT (Python 3.6, some file systems) files are just read.
"""

import contextlib
import errno
import os
import stat
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, pem

SMALLEST = 44  # an Ed25519 key in PKCS #8 has 48 bytes; nothing that counts is smaller
LARGEST_AT_ONCE = 4 << 20  # larger files, if they are allowed at all, are read in pieces of this size
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
_NO_ACCESS_TIME = getattr(os, "O_NOATIME", 0)
_NO_WAIT = getattr(os, "RWF_NOWAIT", 0)
_SEQUENCE = 0x30
_OTHER_STORES = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
_STORE_STARTS = {store[0] for store in _OTHER_STORES}


class UnusableError(ValueError):
    """The file is left alone; `reason` says why, in a word of `skipped` when it was a decision and of `problems` when it was a failure."""

    def __init__(self, reason: str, *, failure: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.failure = failure


class Seen(t.NamedTuple):
    """A file that may hold something: its content, None where it is to be read in pieces."""

    status: os.stat_result
    content: t.Optional[bytes]


class Reader:
    """Opens and reads files, one at a time, into one buffer."""

    def __init__(self, max_file_size: int) -> None:
        self.files = 0
        self.bytes = 0
        self.max_file_size = max_file_size
        self._too_large = f"larger than max_file_size ({max_file_size} bytes)"
        # One byte more than is wanted shows a file that has grown.
        self._buffer = bytearray(min(max_file_size, LARGEST_AT_ONCE) + 1)
        self._view = memoryview(self._buffer)

    def look(self, name: t.Union[str, bytes], folder: t.Optional[int]) -> t.Optional[Seen]:
        """Read the file `name` in the open folder, or of that path without one; return None when it holds neither certificates nor keys.

        Raise UnusableError for what is no regular file or too large, OSError where the system refuses.
        """
        descriptor = open_file(name, folder)
        try:
            status = os.fstat(descriptor)
            size = status.st_size
            if not stat.S_ISREG(status.st_mode):
                raise UnusableError("FIFO, socket or device")
            if size < SMALLEST:
                return None
            self.files += 1
            if size > self.max_file_size:
                raise UnusableError(self._too_large)
            length = self._fill(descriptor, 0, min(size, LARGEST_AT_ONCE))
            self.bytes += length
            if length < LARGEST_AT_ONCE and not self._interesting(length):
                return None
            whole = length == size and not _has_changed(status, os.fstat(descriptor))
            return Seen(status, bytes(self._view[:length]) if whole else None)
        finally:
            os.close(descriptor)

    def pieces(self, path: bytes) -> t.Iterator[bytes]:
        """Yield the content of a file in order; raise UnusableError when it changes in the meantime."""
        descriptor = open_file(path, None)
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode) or before.st_size > self.max_file_size:
                raise UnusableError(self._too_large)
            offset = 0
            while offset < before.st_size:
                length = self._fill(descriptor, offset, min(before.st_size - offset, LARGEST_AT_ONCE))
                if not length:
                    break
                self.bytes += length if offset else 0  # the first piece was counted when it was looked at
                yield bytes(self._view[:length])
                offset += length
            if offset != before.st_size or _has_changed(before, os.fstat(descriptor)):
                raise UnusableError("it changed while it was read", failure=True)
        finally:
            os.close(descriptor)

    def _interesting(self, length: int) -> bool:
        if self._buffer.find(pem.BEGIN, 0, length) >= 0:
            return True
        start = self._buffer[0] if length else 0
        if start == _SEQUENCE:
            return self._is_der(length)
        return start in _STORE_STARTS and self._buffer.startswith(_OTHER_STORES)

    def _is_der(self, length: int) -> bool:
        """Whether one element of a sensible size stands at the beginning; text that begins with a 0 hardly passes."""
        try:
            _start, stop = der.bounds(self._buffer, 0, length)
        except der.DerError:
            return False
        return stop == length or self._buffer[1] & 0x80 != 0

    def _fill(self, descriptor: int, offset: int, wanted: int) -> int:
        """Read up to `wanted` bytes into the buffer and return how many; drop from the page cache what was not in it before."""
        cached = self._read_cached(descriptor, offset, wanted)
        length = cached or 0
        while length < wanted:
            content = os.pread(descriptor, wanted - length, offset + length)
            if not content:
                break
            self._view[length : length + len(content)] = content
            length += len(content)
        if cached is not None and length > cached:
            with contextlib.suppress(OSError):
                os.posix_fadvise(descriptor, offset + cached, length - cached, os.POSIX_FADV_DONTNEED)
        return length

    def _read_cached(self, descriptor: int, offset: int, wanted: int) -> t.Optional[int]:
        """Read what is in the page cache from `offset` on; None where the system does not tell."""
        if not _NO_WAIT:
            return None
        try:
            return os.preadv(descriptor, [self._view[:wanted]], offset, _NO_WAIT)
        except OSError as exc:
            return 0 if exc.errno == errno.EAGAIN else None


def _has_changed(before: os.stat_result, after: os.stat_result) -> bool:
    return (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns)


def is_other_store(start: bytes) -> bool:
    """Whether a file that begins like this is a Java keystore (JKS, JCEKS)."""
    return start.startswith(_OTHER_STORES)


def open_file(name: t.Union[str, bytes], folder: t.Optional[int], flags: int = 0) -> int:
    """Open for reading without following a link, waiting for a FIFO or touching the access time."""
    try:
        return os.open(name, _FLAGS | flags | _NO_ACCESS_TIME, dir_fd=folder)
    except PermissionError as exc:
        if exc.errno != errno.EPERM:
            raise
        return os.open(name, _FLAGS | flags, dir_fd=folder)


def open_folder(path: bytes) -> int:
    """Open a folder; neither it nor its access time is changed by listing it."""
    return open_file(path, None, os.O_DIRECTORY)
