# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few system calls that Python does not offer: exchanging two names, and a mount namespace of one's own."""

import ctypes
import errno
import os
import typing as t

CLONE_NEWNS = 0x00020000  # linux/sched.h
MS_BIND, MS_REC, MS_SLAVE = 0x1000, 0x4000, 0x80000  # linux/mount.h
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h


def exchange(first: bytes, second: bytes) -> None:
    """Let two names on one filesystem change places in one step; OSError where kernel, C library or filesystem cannot."""
    _call("renameat2", _AT_FDCWD, first, _AT_FDCWD, second, ctypes.c_uint(_RENAME_EXCHANGE))


def own_mounts() -> None:
    """Give this process a mount namespace whose mounts nobody else sees."""
    _call("unshare", CLONE_NEWNS)
    _call("mount", b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_SLAVE), None)


def bind(source: bytes, target: bytes) -> None:
    """Show `source` at `target`; only ever called with mounts of our own."""
    _call("mount", source, target, None, ctypes.c_ulong(MS_BIND), None)


def _call(name: str, *arguments: t.Any) -> None:
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
