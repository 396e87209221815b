# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How new files take the place of the old ones: which renames, in which order, and what is left to remove."""

import hashlib
import os
import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_bytes, path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.declared import Declared, Role
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.files import identity, real_path

MINE = b".certops-"
_CURRENT = b"current"
_LONGEST = 180  # bytes of a file's own name in a name of ours; a name may have 255


class Move(t.NamedTuple):
    """One name that changes what it stands for: `staged` takes its place, the old one stays as `kept`."""

    target: bytes
    staged: bytes
    kept: t.Optional[bytes]  # None: nothing was there, or `staged` and `target` are exchanged
    kind: str  # rename or exchange
    link: t.Optional[bytes]  # text of the symbolic link that `staged` is to be, None for a file or folder
    old: t.Optional[t.List[int]]  # identity of what was there
    new: t.Optional[t.List[int]]  # identity of what was staged, None before it was

    def to_json(self) -> t.Dict[str, t.Any]:
        """Return the move as the journal holds it."""
        values = self._asdict()
        return {name: path_text(value) if isinstance(value, bytes) else value for name, value in values.items()}

    @classmethod
    def from_json(cls, values: t.Dict[str, t.Any]) -> "Move":
        """Return the move that the journal holds."""
        named = ("target", "staged", "kept", "link")
        fields = {name: path_bytes(value) if name in named and value is not None else value for name, value in values.items()}  # type: t.Dict[str, t.Any]
        return cls(**fields)


class Plan(t.NamedTuple):
    """What a transaction does to the names of a host."""

    layout: str  # combined, in_place, link or exchange
    staged: t.Tuple[t.Tuple[Role, bytes], ...]  # where the new content of each file is made
    moves: t.Tuple[Move, ...]
    folders: t.Tuple[t.Tuple[bytes, bytes], ...]  # made for the staged files, each with the folder whose attributes it takes
    undo_folders: t.Tuple[bytes, ...]  # removed when the transaction is undone
    commit_folders: t.Tuple[bytes, ...]  # removed when it is committed

    def to_json(self) -> t.Dict[str, t.Any]:
        """Return the plan as the journal holds it; the folders to make are of no use to it."""
        return {
            "layout": self.layout,
            "staged": [[role.name, path_text(role.path), path_text(path)] for role, path in self.staged],
            "moves": [move.to_json() for move in self.moves],
            "undo_folders": [path_text(folder) for folder in self.undo_folders],
            "commit_folders": [path_text(folder) for folder in self.commit_folders],
        }

    @classmethod
    def from_json(cls, values: t.Dict[str, t.Any]) -> "Plan":
        """Return the plan that the journal holds."""
        return cls(
            values["layout"],
            tuple((Role(name, path_bytes(path)), path_bytes(staged)) for name, path, staged in values["staged"]),
            tuple(Move.from_json(move) for move in values["moves"]),
            (),
            tuple(path_bytes(folder) for folder in values["undo_folders"]),
            tuple(path_bytes(folder) for folder in values["commit_folders"]),
        )


def our_link(role: Role, name: str) -> bool:
    """Is the file's name a link of our own into the generations of this certificate?"""
    return os.path.islink(role.path) and os.readlink(role.path) == _link_text(role, name)


def foreign_link(declared: Declared) -> t.Optional[bytes]:
    """Return the first declared path that is a link which is not ours."""
    for role in declared.roles:
        if os.path.islink(role.path) and not our_link(role, declared.name):
            return role.path
    return None


def plan(declared: Declared, transaction: str, writes: t.Sequence[Role]) -> Plan:
    """Return how to put the files `writes` in place; link and exchange always write all of them."""
    mark = transaction[:8].encode("ascii")
    layout = _choose(declared)
    if layout == "link":
        return _by_link(declared, mark)
    if layout == "exchange":
        return _by_exchange(declared, mark)
    moves = tuple(_beside(role, mark) for role in writes)
    staged = tuple((role, move.staged) for role, move in zip(writes, moves))
    return Plan("combined" if len(declared.roles) == 1 else "in_place", staged, moves, (), (), _store_of(declared))


def staged_whole(declared: Declared) -> bool:
    """Does the layout need the content of every file, also of those that stay the same?"""
    return _choose(declared) in ("link", "exchange")


def _choose(declared: Declared) -> str:
    """A link or an exchange of folders only where it is asked for, already ours, or nothing is there yet that could depend on plain files."""
    if declared.layout != "auto":
        return declared.layout
    linked = [our_link(role, declared.name) for role in declared.roles]
    absent = [not os.path.lexists(role.path) for role in declared.roles]
    one_folder = len({os.path.dirname(role.path) for role in declared.roles}) == 1
    if one_folder and (any(linked) or (len(declared.roles) > 1 and all(absent))):
        return "link"
    return "in_place"


def _beside(role: Role, mark: bytes, link: t.Optional[bytes] = None) -> Move:
    """Stage beside the file, on its filesystem, so that the swap is one rename; where the folder itself is a link, it is followed."""
    target = real_path(role.path)
    return _rename(target, os.path.dirname(target), os.path.basename(target), mark, link)


def _rename(target: bytes, folder: bytes, name: bytes, mark: bytes, link: t.Optional[bytes]) -> Move:
    short = name[:_LONGEST]
    old = identity(target)
    kept = None if old is None else os.path.join(folder, MINE + mark + b"-old-" + short)
    return Move(target, os.path.join(folder, MINE + mark + b"-" + short), kept, "rename", link, old, None)


def _by_link(declared: Declared, mark: bytes) -> Plan:
    """A folder for each generation and one link to the current one; the ordinary names are links through it and do not change."""
    folder = _common_folder(declared)
    store = os.path.join(folder, _store_name(declared.name))
    current, generation = os.path.join(store, _CURRENT), os.path.join(store, mark)
    staged = tuple((role, os.path.join(generation, os.path.basename(role.path))) for role in declared.roles)
    moves = [_rename(current, store, _CURRENT, mark, mark)]
    for role in declared.roles:
        if not our_link(role, declared.name):
            moves.append(_beside(role, mark, _link_text(role, declared.name)))
    before = os.path.join(store, os.path.basename(os.readlink(current))) if os.path.islink(current) else None
    made = (generation,) if os.path.isdir(store) else (store, generation)
    folders = tuple((one, folder) for one in made)
    return Plan("link", staged, tuple(moves), folders, tuple(reversed(made)), () if before in (None, generation) else (before,))


def _by_exchange(declared: Declared, mark: bytes) -> Plan:
    """The whole folder changes its place with a new one (renameat2), so it must hold nothing else."""
    folder = _common_folder(declared)
    names = {os.path.basename(role.path) for role in declared.roles}
    if not os.path.isdir(folder) or not set(os.listdir(folder)) <= names:
        raise HostError(
            f"certificate {declared.name!r}: layout 'exchange' needs a folder that holds nothing else, {path_text(folder)!r} is missing or holds more"
        )
    beside = os.path.join(os.path.dirname(folder), MINE + mark + b"-" + os.path.basename(folder)[:_LONGEST])
    staged = tuple((role, os.path.join(beside, os.path.basename(role.path))) for role in declared.roles)
    move = Move(folder, beside, None, "exchange", None, identity(folder), None)
    return Plan("exchange", staged, (move,), ((beside, folder),), (beside,), (beside,))


def _store_of(declared: Declared) -> t.Tuple[bytes, ...]:
    """Return the generations that plain files take the place of, as far as they are in use: they are removed with the links to them."""
    stores = []
    for role in declared.roles:
        if our_link(role, declared.name):
            generation = os.path.dirname(os.path.realpath(role.path))
            stores += [generation, os.path.dirname(generation)]
    return tuple(dict.fromkeys(stores))


def _common_folder(declared: Declared) -> bytes:
    folders = {os.path.realpath(os.path.dirname(role.path)) for role in declared.roles}
    if len(folders) > 1:
        raise HostError(f"certificate {declared.name!r}: layout {declared.layout!r} needs all files in one folder")
    return folders.pop()


def _link_text(role: Role, name: str) -> bytes:
    return os.path.join(_store_name(name), _CURRENT, os.path.basename(role.path))


def _store_name(name: str) -> bytes:
    """Return the folder of a certificate's generations; two names never share one."""
    plain = re.sub("[^A-Za-z0-9_.-]", "_", name)[:64]
    if plain != name:
        plain += "-" + hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return MINE + plain.encode("ascii")
