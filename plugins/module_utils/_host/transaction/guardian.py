# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that finishes or undoes a transaction when the one that works on it dies or hangs."""

import contextlib
import os
import select
import signal
import time
import typing as t

_DONE = b"."
_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_ENDING = 10.0  # seconds for a killed worker to be gone


@contextlib.contextmanager
def guarded(lock: int, seconds: float, recover: t.Callable[[], t.Any]) -> t.Iterator[None]:
    """Have the block guarded: `recover` runs in the guardian when this process dies, leaves the block by an exception, or takes too long.

    The guardian keeps the lock (a descriptor) until it has ended; the block waits for it.
    """
    read_end, write_end = os.pipe()
    worker = os.getpid()
    guardian = os.fork()
    if guardian == 0:
        _guard(worker, read_end, lock, seconds, recover)
    os.close(read_end)
    try:
        yield
        os.write(write_end, _DONE)
    finally:
        os.close(write_end)
        os.waitpid(guardian, 0)


def _guard(worker: int, read_end: int, lock: int, seconds: float, recover: t.Callable[[], t.Any]) -> t.NoReturn:
    try:
        os.setsid()
        for number in _SIGNALS:
            signal.signal(number, lambda _number, _frame: None)
        _close_all_but(read_end, lock)
        in_time = bool(select.select([read_end], [], [], seconds)[0])
        if not in_time:
            _end(worker)
        if not in_time or os.read(read_end, 1) != _DONE:  # its end or an exception closes the pipe without a word
            recover()
    finally:
        os._exit(0)


def _end(worker: int) -> None:
    """Kill a worker that hangs, so that two processes never work on one transaction; it is still ours only while it is our parent."""
    end = time.monotonic() + _ENDING
    while os.getppid() == worker and time.monotonic() < end:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
        time.sleep(0.01)


def _close_all_but(*kept: int) -> None:
    """Keep no descriptor that somebody waits for: the end of an ssh session waits for every copy of its output."""
    silence = os.open(os.devnull, os.O_RDWR)
    for number in {0, 1, 2} - set(kept):
        os.dup2(silence, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(name))
