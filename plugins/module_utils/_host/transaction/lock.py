# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One transaction at a time on a host."""

import contextlib
import fcntl
import os
import time
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text

_AGAIN = 0.05  # seconds
WAIT = 900.0  # seconds: longer than a guardian's deadline


@contextlib.contextmanager
def host_lock(state: bytes, seconds: float = WAIT) -> t.Iterator[int]:
    """Hold the lock of this host, waiting for it at most `seconds`; gives its descriptor, which a guardian inherits and so keeps the lock."""
    make_state(state)
    try:
        descriptor = os.open(os.path.join(state, b"lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise HostError(f"state folder {path_text(state)!r} cannot be written: {exc.strerror}") from None
    try:
        _wait(descriptor, fcntl.LOCK_EX, seconds)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def no_change(state: bytes, seconds: float = WAIT) -> t.Iterator[None]:
    """Wait until no transaction is at work and keep others out, without making anything on a host that never had one."""
    try:
        descriptor = os.open(os.path.join(state, b"lock"), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        yield
        return
    try:
        _wait(descriptor, fcntl.LOCK_SH, seconds)
        yield
    finally:
        os.close(descriptor)


def make_state(state: bytes) -> None:
    """Make the state folder, or refuse one that somebody else could read or write."""
    try:
        os.makedirs(state, mode=0o700, exist_ok=True)
    except OSError as exc:
        told = f"state folder {path_text(state)!r} cannot be made: {exc.strerror}"
        raise HostError(f"{told}; set become, or CERTOPS_STATE in the environment of the task to a folder of this user") from None
    status = os.lstat(state)
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise HostError(f"state folder {path_text(state)!r} must belong to the user with uid {os.geteuid()} and be closed to others (mode 0700)")


def _wait(descriptor: int, kind: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            return fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise HostError(f"another transaction has been at work on this host for more than {seconds:.0f} seconds") from None
        time.sleep(_AGAIN)
