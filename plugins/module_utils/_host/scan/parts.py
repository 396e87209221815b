# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of an answer that has too many for one: the first go at once, the others lie in the state folder until they are asked for.

What lies there is one file of a scan, under a name that nobody guesses, that nobody but its owner may read or write; it goes with its last part, and the
next scan with too many rows removes what was never asked for.
"""

import binascii
import contextlib
import json
import os
import re
import struct
import typing as t
import zlib

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import files

NAMES = ("places", "keys", "bundles", "locked", "crls", "requests")
ROWS = 5000  # of a part; a certificate of a bundle is a tenth of one
SECONDS = 3600  # that the parts are kept
MOST_BYTES = 1 << 30
_PREFIX = b"scan.parts-"
_LENGTH = struct.Struct("=Q")
Row = t.Dict[str, t.Any]
Part = t.Dict[str, t.List[Row]]


def split(rows: t.Iterable[t.Tuple[str, Row]], most: int = ROWS) -> t.Iterator[Part]:
    """Yield the rows, each with the name of its list, in parts that have every list; one part at least."""
    part, weight = _empty(), 0
    for name, row in rows:
        if weight >= most:
            yield part
            part, weight = _empty(), 0
        part[name].append(row)
        weight += 1 + len(row.get("certificates") or ()) // 10
    yield part


def _empty() -> Part:
    return {name: [] for name in NAMES}


def keep(state: bytes, parts: t.Iterator[Part], now: float) -> t.Optional[t.Dict[str, t.Any]]:
    """Leave parts in the state folder; return the token by which they are asked for and their number, None where there are none."""
    first = next(parts, None)
    if first is None:
        return None
    token = binascii.hexlify(os.urandom(16)).decode()
    path = _path(state, token)
    try:
        os.makedirs(state, mode=0o700, exist_ok=True)
        _remove_old(state, now)
        try:
            count = _write(path, first, parts)
        except BaseException:
            files.remove(path)
            raise
    except OSError as exc:
        reason = os.strerror(exc.errno) if exc.errno else str(exc)
        raise HostError(f"more was found than one answer holds, and the rest cannot be kept in {path_text(state)!r} until it is asked for: {reason}") from None
    return {"token": token, "count": count}


def _write(path: bytes, first: Part, others: t.Iterator[Part]) -> int:
    count = size = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        part: t.Optional[Part] = first
        while part is not None:
            packed = zlib.compress(json.dumps(part, separators=(",", ":")).encode("ascii"), 1)
            count, size = count + 1, size + len(packed)
            if size > MOST_BYTES:
                raise OSError(f"it has more than {MOST_BYTES} bytes")
            file.write(_LENGTH.pack(len(packed)) + packed)
            part = next(others, None)
    return count


def part_of(state: bytes, token: t.Any, number: t.Any, now: float) -> Part:
    """Return a part of what was kept, counted from 0; nothing is kept any more behind the last one."""
    if not isinstance(token, str) or not re.fullmatch("[0-9a-f]{32}", token):
        raise HostError(f"parts of a scan are asked for by 32 lower-case hexadecimal digits, got {token!r}")
    path = _path(state, token)
    try:
        with files.open_own(path) as file:
            if os.fstat(file.fileno()).st_mtime < now - SECONDS:
                raise OSError
            content = _read(file, number)
            last = not file.read(1)
    except (OSError, ValueError, struct.error, zlib.error, MemoryError):
        raise HostError(f"part {number!r} of the scan {token!r} is not kept any more, or never was: scan the host again") from None
    if last:
        files.remove(path)
    return content


def _read(file: t.Any, number: int) -> Part:
    for _before in range(number):
        file.seek(_LENGTH.unpack(file.read(_LENGTH.size))[0], os.SEEK_CUR)
    length = _LENGTH.unpack(file.read(_LENGTH.size))[0]
    return t.cast(Part, json.loads(zlib.decompress(file.read(length)).decode("ascii")))


def _path(state: bytes, token: str) -> bytes:
    return os.path.join(state, _PREFIX + token.encode("ascii"))


def _remove_old(state: bytes, now: float) -> None:
    for name in os.listdir(state):
        path = os.path.join(state, name)
        with contextlib.suppress(FileNotFoundError):
            if name.startswith(_PREFIX) and os.lstat(path).st_mtime < now - SECONDS:
                files.remove(path)
