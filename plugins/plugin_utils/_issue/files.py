# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a CA: private before they have content, whole or not there, never overwritten."""

from __future__ import annotations

import os
import secrets
import stat
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.files import sync_folder

FOLDER_MODE = 0o700
KEY_MODE = 0o600
PUBLIC_MODE = 0o644


class CaFileError(ValueError):
    """A file of the CA cannot be read or written."""


def make_folder(path: str) -> None:
    """Make the folder, and those above it, for this user alone."""
    try:
        os.makedirs(os.path.dirname(path), mode=FOLDER_MODE, exist_ok=True)
        os.mkdir(path, FOLDER_MODE)
    except FileExistsError as exc:
        if not os.path.isdir(path):
            raise CaFileError(f"folder {path!r} cannot be made: there is a file of this name") from exc
    except OSError as exc:
        raise CaFileError(f"folder {path!r} cannot be made: {exc.strerror}") from exc


def read_file(path: str, limit: int = 1 << 20) -> bytes | None:
    """Return the content of a plain file, None when there is no file."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK | os.O_CLOEXEC)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise CaFileError(f"{path!r} is not a plain file")
            content = file.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise CaFileError(f"file {path!r} cannot be read: {exc.strerror}") from exc
    if len(content) > limit:
        raise CaFileError(f"file {path!r} is larger than {limit} bytes, which no file of a CA is")
    return content


def _write(path: str, content: bytes, mode: int, publish: t.Callable[[str, str], None]) -> None:
    folder = os.path.dirname(path)
    staged = os.path.join(folder, f".{os.path.basename(path)}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, KEY_MODE)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            publish(staged, path)
        finally:
            if os.path.lexists(staged):
                os.unlink(staged)
        sync_folder(os.fsencode(folder))
    except FileExistsError as exc:
        raise CaFileError(f"file {path!r} is there already and is not overwritten") from exc
    except OSError as exc:
        raise CaFileError(f"file {path!r} cannot be written: {exc.strerror}") from exc


def create_file(path: str, content: bytes, mode: int) -> None:
    """Write a new file. A hard link never replaces what is there, as a rename would."""
    _write(path, content, mode, os.link)


def replace_file(path: str, content: bytes, mode: int) -> None:
    """Write a file in place of the one that is there."""
    _write(path, content, mode, os.replace)


def mode_of(path: str) -> int | None:
    """Return the permission bits, None when there is nothing."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise CaFileError(f"{path!r} cannot be looked at: {exc.strerror}") from exc


def set_mode(path: str, mode: int) -> None:
    """Set the permission bits."""
    try:
        os.chmod(path, mode)
    except OSError as exc:
        raise CaFileError(f"the mode of {path!r} cannot be set to {mode:04o}: {exc.strerror}") from exc
