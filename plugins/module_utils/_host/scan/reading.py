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
import re
import stat
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.scan import cache
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, pem

SMALLEST = 44  # an Ed25519 key in PKCS #8 has 48 bytes; nothing that counts is smaller
LARGEST_AT_ONCE = 4 << 20  # larger files, if they are allowed at all, are read in pieces of this size
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
_NO_ACCESS_TIME = getattr(os, "O_NOATIME", 0)
_NO_WAIT = getattr(os, "RWF_NOWAIT", 0)
_SEQUENCE = 0x30
JAVA = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")  # JKS and JCEKS
SQLITE = b"SQLite format 3\0"
_NSS_TABLE = b"nssPublic"
SSH = (b"ssh-", b"ecdsa-sha2-", b"sk-")
_SSH_CERTIFICATE = b"-cert-v01@openssh.com "
_STARTS = {store[0] for store in (*JAVA, SQLITE, *SSH)}
_BEGINNINGS = (*JAVA, SQLITE, *SSH)
_STORE_VERSION = b"\x02\x01\x03\x30"  # a PKCS #12 store begins with its version, 3 (RFC 7292 section 4)
_MESSAGE = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"  # a PKCS #7 message of indefinite length
# Only in texts that begin, behind their comments, like JSON, XML, YAML, settings or a file of OpenVPN base64 is looked for: that costs more than PEM does.
_COMMENTS = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s+|[#;][^\n]*\n)*").match
_COMMENT_STARTS = frozenset(b"\xef\t\n\r #;")
_STRUCTURED = re.compile(
    rb"""[{\[]|<(?![!Hh]|svg)|---|-\s|["']?[\w./-]{1,100}["']?[ \t]*(?::\s|=)|MII"""
    rb"""|(?:client|dev|local|mode|port|proto|pull|remote|server|setenv|tls-client|tls-server)\s"""
).match
_SMALLEST_BASE64 = 340  # characters of 256 bytes
# Base64 of DER of at least 256 bytes that begins like a certificate (SEQUENCE in SEQUENCE), a key or store (INTEGER in SEQUENCE) or a PKCS #7 message.
_DER_MARK = b"MII"
_DER_BASE64 = re.compile(rb"MII[A-Za-z0-9+/]{2}(?:[DTjz]C[BC]|[AQgw](?:IBA|YJK))")
_OTHER_MARKS = (b"LS0tLS1CRUdJTi", b"u3+7QAAAA")  # base64 of a BEGIN line, and of JKS


class UnusableError(ValueError):
    """The file is left alone; `reason` says why, in a word of `skipped` when it was a decision and of `problems` when it was a failure."""

    def __init__(self, reason: str, *, failure: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.failure = failure


class Told(t.NamedTuple):
    """What another process has read: as the cache has it, and of each certificate that is asked for its digest, length and, unless that is too much, bytes."""

    held: cache.Held
    certificates: t.List[t.Tuple[str, int, t.Optional[bytes]]]


class Seen(t.NamedTuple):
    """A file that may hold something: its content, None where it is to be read in pieces; or what it is known to hold since an earlier scan."""

    status: os.stat_result
    content: t.Optional[bytes]
    held: t.Optional[cache.Held] = None
    told: t.Optional[Told] = None


class Reader:
    """Opens and reads files, one at a time, into one buffer."""

    def __init__(self, max_file_size: int, known: t.Optional[cache.Cache] = None) -> None:
        """`known` is what an earlier scan has left of files that may not have changed."""
        self.files = 0
        self.unchanged = 0  # files that were not read
        self.bytes = 0
        self.max_file_size = max_file_size
        self._known = known
        self._too_large = f"larger than max_file_size ({max_file_size} bytes)"
        # One byte more than is wanted shows a file that has grown.
        self._buffer = bytearray(min(max_file_size, LARGEST_AT_ONCE) + 1)
        self._view = memoryview(self._buffer)

    def look(self, name: t.Union[str, bytes], folder: t.Optional[int]) -> t.Optional[Seen]:
        """Read the file `name` in the open folder, or of that path without one; return None when it holds neither certificates nor keys.

        Raise UnusableError for what is no regular file or too large, OSError where the system refuses.
        """
        if self._known is None or not self._known.knows:
            return self._read(name, folder)
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if status.st_size < SMALLEST and stat.S_ISREG(status.st_mode):
            return None
        held = self._known.recall(status)
        if held is None:
            return self._read(name, folder)
        self.files += 1
        self.unchanged += 1
        return Seen(status, None, held) if held else None

    def knows(self, status: os.stat_result) -> bool:
        """Whether an earlier scan has left anything of the files of this folder."""
        return self._known is not None and self._known.has(cache.identity_of(status))

    def enter(self, status: os.stat_result) -> None:
        """From now on the files of this folder are looked at, and nothing else."""
        if self._known is not None:
            self._known.enter(cache.identity_of(status))

    def leave(self, *, whole: bool) -> None:
        """The folder has been looked at, to its end or not."""
        if self._known is not None:
            self._known.leave(whole=whole)

    def nothing_in(self, keys: bytes) -> None:
        """Files of the folder hold nothing, as another process has seen; `keys` are theirs as the cache has them."""
        if self._known is not None and keys:
            self._known.remember_nothing(keys)

    def unchanged_ones(self, entries: t.List["os.DirEntry[t.Any]"]) -> t.Optional[t.List[t.Tuple["os.DirEntry[t.Any]", t.Union[Seen, UnusableError]]]]:
        """Return those of these files, the next of a folder, of which there is something to say; None where one is to be read, and so all are looked at."""
        if self._known is None or not self._known.knows:
            return None
        told: t.List[t.Tuple[t.Any, t.Union[Seen, UnusableError]]] = []
        try:
            files, statuses = entries, [entry.stat(follow_symlinks=False) for entry in entries]
        except OSError:
            return None
        sizes = [status.st_size for status in statuses]
        if sizes and not SMALLEST <= min(sizes) <= max(sizes) <= self.max_file_size:
            told = [(entry, UnusableError(self._too_large)) for entry, size in zip(entries, sizes) if size > self.max_file_size]
            files = [entry for entry, size in zip(entries, sizes) if SMALLEST <= size <= self.max_file_size]
            statuses = [status for status in statuses if SMALLEST <= status.st_size <= self.max_file_size]
        held = self._known.unchanged(statuses)
        if held is None:
            return None
        self.files += len(files) + len(told)
        self.unchanged += len(files)
        told.extend((files[number], Seen(statuses[number], None, content)) for number, content in held)
        return told

    def _read(self, name: t.Union[str, bytes], folder: t.Optional[int]) -> t.Optional[Seen]:
        descriptor = open_file(name, folder)
        try:
            status = os.fstat(descriptor)
            size = status.st_size
            if not stat.S_ISREG(status.st_mode):
                raise UnusableError("FIFO, socket or device")
            if size > self.max_file_size:
                raise UnusableError(self._too_large)
            self.files += 1
            if size < SMALLEST:
                return None
            length = self._fill(descriptor, 0, min(size, LARGEST_AT_ONCE))
            self.bytes += length
            if length < LARGEST_AT_ONCE and not self._interesting(length):
                if self._known is not None and length == size:
                    self._known.remember(status, {})
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
        if start == _SEQUENCE and self._is_der(length):
            return True
        if start in _STARTS and self._buffer.startswith(_BEGINNINGS):
            return self._is_store(length)
        begin = _behind_comments(self._buffer, length) if start in _COMMENT_STARTS else 0
        return _STRUCTURED(self._buffer, begin, length) is not None and _has_base64(self._buffer, length)

    def _is_der(self, length: int) -> bool:
        """Whether one element of a sensible size stands at the beginning; text that begins with a 0 hardly passes. A store that is cut off does."""
        if self._buffer.find(_STORE_VERSION, 2, 10) > 0 or self._buffer.startswith(_MESSAGE):
            return True
        try:
            _start, stop = der.bounds(self._buffer, 0, length)
        except der.DerError:
            return False
        return stop == length or self._buffer[1] & 0x80 != 0

    def _is_store(self, length: int) -> bool:
        if self._buffer.startswith(SSH):
            return self._buffer.find(_SSH_CERTIFICATE, 0, 80) > 0
        return not self._buffer.startswith(SQLITE) or self._buffer.find(_NSS_TABLE, 0, length) > 0

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


def may_hold_base64(data: bytes) -> bool:
    """Whether these bytes are a text with base64 of something that may be of interest (stores/embedded.py)."""
    return _STRUCTURED(data, _behind_comments(data, len(data))) is not None and _has_base64(data, len(data))


def _behind_comments(data: t.Union[bytes, bytearray], length: int) -> int:
    match = _COMMENTS(data, 0, length)
    return match.end() if match else 0


def _has_base64(data: t.Union[bytes, bytearray], length: int) -> bool:
    if length < _SMALLEST_BASE64:
        return False
    first = data.find(_DER_MARK, 0, length)
    if first >= 0 and _DER_BASE64.search(data, first, length):
        return True
    return any(data.find(mark, 0, length) >= 0 for mark in _OTHER_MARKS)


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
