# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The copy of the audit log in a file: lines are appended to what is there, and what is there says where to go on."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import stat
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._audit.lines import parsed
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.settings import AuditError, Target
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.chain import Anchor

TAIL = 1 << 16
_BEGINNINGS = (b'{"account":', b'{"count":')  # of an event and of a checkpoint


@dataclasses.dataclass(frozen=True, slots=True)
class End:
    """The last event that a file has, and the last checkpoint near its end."""

    event: Anchor | None = None
    checkpoint: int = 0
    empty: bool = True


@contextlib.contextmanager
def opened(target: Target) -> t.Iterator[int]:
    """The file, made where it is not there, for this process alone. Raises AuditError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(target.path, flags, target.mode)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise AuditError(f"the copy {target.path!r} of the audit log is not a plain file")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)
    except OSError as exc:
        raise AuditError(f"the copy {target.path!r} of the audit log cannot be written: {exc.strerror}") from None


def append(descriptor: int, lines: t.Iterable[str]) -> None:
    """All lines, on the disk when it returns."""
    left = memoryview("".join(f"{line}\n" for line in lines).encode("ascii"))
    while left:
        left = left[os.write(descriptor, left) :]
    os.fsync(descriptor)


def end_of(descriptor: int, target: Target) -> End:
    """What the file ends with; half a line, which a crash leaves, is cut off. A file that is something else is left alone. Raises AuditError."""
    size = os.fstat(descriptor).st_size
    whole = _whole(descriptor, size)
    end = _last(descriptor, whole, target.path)
    if size and end == End() and not os.pread(descriptor, 16, 0).startswith(_BEGINNINGS):
        raise AuditError(f"the file {target.path!r} holds something else than a copy of the audit log: name another one")
    if whole != size:
        os.ftruncate(descriptor, whole)
    return end


def read_end(target: Target) -> End:
    """The same of a file that may be not there, for who only reads. Raises AuditError."""
    try:
        descriptor = os.open(target.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return End()
    except OSError as exc:
        raise AuditError(f"the copy {target.path!r} of the audit log cannot be read: {exc.strerror}") from None
    try:
        return _last(descriptor, os.fstat(descriptor).st_size, target.path)
    finally:
        os.close(descriptor)


def _whole(descriptor: int, size: int) -> int:
    """Where the last whole line ends."""
    while size:
        start = max(0, size - TAIL)
        found = os.pread(descriptor, size - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        size = start
    return 0


def _last(descriptor: int, size: int, path: str) -> End:
    """From behind, in growing parts, until an event was seen."""
    reach = TAIL
    while True:
        start = max(0, size - reach)
        text = os.pread(descriptor, size - start, start)
        lines = text.split(b"\n")[1 if start else 0 :]
        found = [parsed(line) for line in lines if line]
        events = [each.event for each in found if each.event]
        seqs = [each.checkpoint.seq for each in found if each.checkpoint]
        if events:
            last = max(events, key=lambda event: int(event["seq"]))
            return End(Anchor(last["seq"], last["hash"], f"the copy {path!r}"), max(seqs, default=0), empty=False)
        if not start:
            return End(None, max(seqs, default=0), empty=not seqs)
        reach *= 4
