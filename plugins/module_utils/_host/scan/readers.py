# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which accounts besides its owner and root can read a file: by modes and ACLs of the file and of the folders above it (acl(5), path_resolution(7)).

Accounts are those of /etc/passwd and /etc/group, read as files: directories such as LDAP are not asked. A group that these files do not know stands for
its members as `group:NAME`. Not considered are capabilities, SELinux and AppArmor, namespaces of containers, and servers that share a folder.
"""

import errno
import os
import struct
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.accounts import group_name
from ansible_collections.certops.fleet.plugins.module_utils._host.scan.reading import open_file
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text

MOST = 50  # names of one file
_MOST_BYTES = 4 << 20  # of a file of accounts
_READ, _PASS = 4, 1
_OTHERS = 0o004
_ACL = "system.posix_acl_access"
_ACL_VERSION = b"\2\0\0\0"
_ENTRY = struct.Struct("<HHI")  # tag, permissions, number
_USER_OBJECT, _USER, _GROUP_OBJECT, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
Row = t.Dict[str, t.Any]
_Id = t.FrozenSet[int]
Chain = t.List[t.Tuple["Rights", int]]


class AclError(ValueError):
    """What the system keeps as the ACL of a file is none."""


class Rights(t.NamedTuple):
    """Who may do what with a file or folder, in bits of 4 for reading and 1 for passing; the mask is applied."""

    owner: int
    owners: int
    users: t.Tuple[t.Tuple[int, int], ...]  # number and bits
    groups: t.Tuple[t.Tuple[int, int], ...]  # the file's own group among them
    others: int

    def allows(self, account: "Account", wanted: int) -> bool:
        """Whether an account may: the first of owner, named user, groups, others that is about it decides; one of its groups is enough."""
        if account.uid == self.owner:
            return self.owners & wanted != 0
        for uid, bits in self.users:
            if uid == account.uid:
                return bits & wanted != 0
        own = [bits for gid, bits in self.groups if gid in account.gids]
        if own:
            return any(bits & wanted for bits in own)
        return self.others & wanted != 0


class Account(t.NamedTuple):
    """An account; without a number one that only /etc/group knows, or the members of a group that it does not know."""

    name: str
    uid: t.Optional[int]
    gids: _Id


def rights(status: os.stat_result, acl: t.Optional[bytes]) -> Rights:
    """Return the rights that mode and ACL give, the ACL as the kernel hands it out (linux/posix_acl_xattr.h)."""
    mode = status.st_mode
    owners, group, others = mode >> 6 & 7, mode >> 3 & 7, mode & 7
    if acl is None or not group:  # with an empty mask Linux does not look at the ACL (acl_permission_check in fs/namei.c)
        return Rights(status.st_uid, owners, (), ((status.st_gid, group),), others)
    if not acl.startswith(_ACL_VERSION) or (len(acl) - len(_ACL_VERSION)) % _ENTRY.size:
        raise AclError("it has another version or is cut off")
    entries = list(_ENTRY.iter_unpack(acl[len(_ACL_VERSION) :]))
    masks = [bits for tag, bits, _number in entries if tag == _MASK]
    mask = masks[0] if masks else 7
    users = tuple((number, bits & mask) for tag, bits, number in entries if tag == _USER)
    groups = tuple((status.st_gid if tag == _GROUP_OBJECT else number, bits & mask) for tag, bits, number in entries if tag in (_GROUP, _GROUP_OBJECT))
    rest = {tag: bits for tag, bits, _number in entries if tag in (_USER_OBJECT, _OTHER)}
    if len(rest) != 2 or not groups:
        raise AclError("it lacks the owner, the group or the others")
    return Rights(status.st_uid, rest[_USER_OBJECT], users, groups, rest[_OTHER])


def accounts_of(passwd: bytes, group: bytes) -> t.List[Account]:
    """Return the accounts of the two files (passwd(5), group(5)); lines of another form are passed over."""
    gids: t.Dict[bytes, t.Set[int]] = {}
    for _name, number, members in _lines(group, 4, 0, 2, 3):
        for member in members.split(b","):
            if member:
                gids.setdefault(member, set()).add(int(number))
    found: t.Dict[bytes, Account] = {}
    for name, number, gid in _lines(passwd, 7, 0, 2, 3):
        if gid.isdigit():
            found.setdefault(name, Account(path_text(name), int(number), frozenset(gids.get(name, set()) | {int(gid)})))
    only = [Account(path_text(name), None, frozenset(own)) for name, own in gids.items() if name not in found]
    return list(found.values()) + only


def _lines(content: bytes, fields: int, *wanted: int) -> t.Iterator[t.Tuple[bytes, bytes, bytes]]:
    """Yield the three wanted fields of each line; the second of them is a number."""
    first, second, third = wanted
    for line in content.split(b"\n"):
        parts = line.split(b":")
        if len(parts) == fields and parts[second].isdigit() and len(parts[second]) < 20:
            yield parts[first], parts[second], parts[third]


class Readers:
    """Tells who can read a file; the files of accounts are read for the first file that is not its owner's alone."""

    def __init__(self, passwd: bytes = b"/etc/passwd", group: bytes = b"/etc/group") -> None:
        self._paths = (passwd, group)
        self._accounts: t.Optional[t.List[Account]] = None
        self._groups: t.Set[int] = set()
        self._folders: t.Dict[bytes, Rights] = {}
        self._found: t.Dict[t.Tuple[t.Tuple[t.Tuple[Rights, int], ...], int], t.List[str]] = {}  # many keys have the same rights, and so have their folders
        self._able: t.Dict[t.Tuple[Rights, int], t.Set[Account]] = {}

    def of(self, path: bytes, status: os.stat_result) -> Row:
        """Return `readers` (names, sorted, at most MOST), `readers_count` and `everyone`, all None where the system does not tell.

        A file that has more names than this one may be reached in other ways, so that the folders above it do not count.
        """
        try:
            own = _rights(path, status)
            if not (own.others | _any(own.users) | _any(own.groups)) & _READ:
                return _row(())
            chain = [(own, _READ)] if status.st_nlink > 1 else [(own, _READ), *self._above(path)]
            if all(each.others & wanted for each, wanted in chain):
                return dict(_row(()), everyone=True)
            key = (tuple(chain), status.st_uid)
            if key not in self._found:
                self._found[key] = self._names(chain, status.st_uid)
            return _row(self._found[key])
        except (OSError, AclError):
            return {"readers": None, "readers_count": None, "everyone": None}

    def _above(self, path: bytes) -> Chain:
        """Return the folders that have to be passed."""
        chain = []
        while path != b"/":
            path = os.path.dirname(path)
            if path not in self._folders:
                self._folders[path] = _rights(path, os.lstat(path))
            chain.append((self._folders[path], _PASS))
        return chain

    def _names(self, chain: Chain, owner: int) -> t.List[str]:
        accounts = self._known_accounts()
        named = {number for each, _wanted in chain for number, _bits in (*each.users, (each.owner, 0))} - {account.uid for account in accounts}
        unknown = {number for each, _wanted in chain for number, _bits in each.groups} - self._groups
        able = [account for account in accounts if all(account in self._may(each, wanted, accounts) for each, wanted in chain)]
        others = [Account(str(number), number, frozenset()) for number in named]
        others += [Account("group:" + group_name(number), None, frozenset((number,))) for number in unknown]
        able += [account for account in others if all(each.allows(account, wanted) for each, wanted in chain)]
        return sorted({account.name for account in able if account.uid not in (0, owner)})

    def _may(self, each: Rights, wanted: int, accounts: t.Iterable[Account]) -> t.Set[Account]:
        """Return the accounts that a file or folder lets, asked for once: many keys have the same rights."""
        if (each, wanted) not in self._able:
            self._able[(each, wanted)] = {account for account in accounts if each.allows(account, wanted)}
        return self._able[(each, wanted)]

    def _known_accounts(self) -> t.List[Account]:
        if self._accounts is None:
            passwd, group = (_content(path) for path in self._paths)
            self._accounts = accounts_of(passwd, group)
            self._groups = {int(number) for _name, number, _members in _lines(group, 4, 0, 2, 3)}
        return self._accounts


def _rights(path: bytes, status: os.stat_result) -> Rights:
    try:
        acl: t.Optional[bytes] = os.getxattr(path, _ACL, follow_symlinks=False)
    except OSError as exc:
        if exc.errno not in (errno.ENODATA, errno.EOPNOTSUPP):
            raise
        acl = None
    return rights(status, acl)


def _any(entries: t.Iterable[t.Tuple[int, int]]) -> int:
    found = 0
    for _number, bits in entries:
        found |= bits
    return found


def _row(names: t.Sequence[str]) -> Row:
    return {"readers": list(names[:MOST]), "readers_count": len(names), "everyone": False}


def _content(path: bytes) -> bytes:
    with open(open_file(path, None), "rb") as file:
        return file.read(_MOST_BYTES)
