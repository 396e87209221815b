# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are written whole: a kill or a power cut leaves the old content or the new, never half of one."""

import contextlib
import os
import stat
import typing as t

Identity = t.List[int]  # device and inode: which file a name stands for

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def create(path: bytes, content: bytes, prepare: t.Optional[t.Callable[[int], None]] = None) -> None:
    """Make a new file that only its owner may read, let `prepare` set its attributes by descriptor, fill it and bring it to the disk."""
    descriptor = os.open(path, _NEW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if prepare is not None:
                prepare(descriptor)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except OSError as exc:
        exc.filename = path  # of a descriptor the system tells no name
        raise


def replace(path: bytes, content: bytes) -> None:
    """Put `content` at `path` in one step; the file is readable by its owner only."""
    beside = path + b".new"
    remove(beside)
    create(beside, content)
    os.rename(beside, path)
    sync_folder(os.path.dirname(path))


def sync_folder(folder: bytes) -> None:
    """Bring the names of a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: bytes, limit: int = 8 << 20) -> bytes:
    """Return the content of a regular file of at most `limit` bytes; OSError says why not."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is not a regular file")
        if status.st_size > limit:
            raise OSError(f"it is larger than {limit} bytes")
        return file.read(limit)


def open_own(path: bytes) -> t.IO[bytes]:
    """Open a regular file that is ours, and that nobody else may read or write; OSError for any other."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    file = os.fdopen(descriptor, "rb")
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        file.close()
        raise OSError("it is not ours alone")
    return file


def identity(path: bytes) -> t.Optional[Identity]:
    """Return which file the name `path` stands for (a link is not followed), None when there is none."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    return [status.st_dev, status.st_ino]


def remove(path: bytes) -> None:
    """Remove a file or link, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def remove_folder(folder: bytes) -> None:
    """Remove a folder of ours with the files in it, if it is there; a folder inside is left and then OSError says so."""
    if not os.path.isdir(folder) or os.path.islink(folder):
        return
    for name in os.listdir(folder):
        remove(os.path.join(folder, name))
    os.rmdir(folder)


def real_path(path: bytes) -> bytes:
    """Return the path with every link in its folder resolved, and the last name as it is."""
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
