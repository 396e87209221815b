# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owner, group, mode, access control list and SELinux context of a file, taken over from the one it replaces."""

import errno
import grp
import os
import pwd
import stat
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError

_LISTS = ("system.posix_acl_access", "system.posix_acl_default")  # a file has no default list, a folder may
_CONTEXT = "security.selinux"
_OTHERS = 0o007
_UNSUPPORTED = (errno.ENODATA, errno.EOPNOTSUPP, errno.ENOSYS)


class Attributes(t.NamedTuple):
    """What a file shall have; None is left as the system makes it in that folder."""

    uid: t.Optional[int]
    gid: t.Optional[int]
    mode: t.Optional[int]
    extended: t.Optional[t.Dict[str, t.Optional[bytes]]]  # values by name; None for one that is not there


def attributes_of(path: bytes) -> Attributes:
    """Return the attributes of the file or folder that `path` leads to."""
    status = os.stat(path)
    return Attributes(status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode), {name: _extended(path, name) for name in (*_LISTS, _CONTEXT)})


def attributes_for(path: bytes, owner: t.Optional[str], group: t.Optional[str], mode: t.Optional[str], secret: bool) -> Attributes:
    """Return the attributes of what is to stand at `path`: as declared, else those of what is there.

    A secret that everybody could read becomes closed to others unless its mode is declared.
    """
    try:
        found = attributes_of(path)
    except FileNotFoundError:
        found = Attributes(None, None, 0o600 if secret else 0o644, None)
    if secret and found.mode is not None:
        found = found._replace(mode=found.mode & ~_OTHERS)
    return Attributes(
        found.uid if owner is None else _user(owner),
        found.gid if group is None else _group(group),
        found.mode if mode is None else int(mode, 8),
        found.extended,
    )


def give(file: t.Union[int, bytes], wanted: Attributes) -> None:
    """Give a new file or folder its attributes; what it has already is left alone, so that a user who is not root may keep what is theirs."""
    status = os.stat(file)
    uid = -1 if wanted.uid in (None, status.st_uid) else wanted.uid
    gid = -1 if wanted.gid in (None, status.st_gid) else wanted.gid
    if (uid, gid) != (-1, -1):
        os.chown(file, uid, gid)
    for name, value in (wanted.extended or {}).items():
        _set_extended(file, name, value)
    if wanted.mode is not None:
        os.chmod(file, wanted.mode)


def declared_differ(path: bytes, owner: t.Optional[str], group: t.Optional[str], mode: t.Optional[str]) -> bool:
    """Does the file at `path` lack an owner, group or mode that is declared?"""
    status = os.stat(path)
    return (
        (owner is not None and status.st_uid != _user(owner))
        or (group is not None and status.st_gid != _group(group))
        or (mode is not None and stat.S_IMODE(status.st_mode) != int(mode, 8))
    )


def check_declared(owner: t.Optional[str], group: t.Optional[str]) -> None:
    """Raise HostError for a declared owner or group that this host does not have."""
    if owner is not None:
        _user(owner)
    if group is not None:
        _group(group)


def _user(name: str) -> int:
    try:
        return int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid
    except KeyError:
        raise HostError(f"owner {name!r} is not a user of this host") from None


def _group(name: str) -> int:
    try:
        return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise HostError(f"group {name!r} is not a group of this host") from None


def _extended(file: t.Union[int, bytes], name: str) -> t.Optional[bytes]:
    try:
        return os.getxattr(file, name)
    except OSError as exc:
        if exc.errno in _UNSUPPORTED:
            return None
        raise


def _set_extended(file: t.Union[int, bytes], name: str, value: t.Optional[bytes]) -> None:
    if _extended(file, name) == value:
        return
    if value is not None:
        os.setxattr(file, name, value)
    elif name in _LISTS:  # inherited from the folder; what is replaced has none
        os.removexattr(file, name)
