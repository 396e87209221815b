# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making everything that a swap needs before it begins, so that the swap itself needs no space and no rights that were not proven."""

import errno
import os
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import files, kernel
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.attributes import Attributes, attributes_for, attributes_of, give
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.declared import Declared, Role
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.journal import OLD, Journal
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.layout import Move, Plan

_NO_HARD_LINK = (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV, errno.ENOSYS)


def stage(plan: Plan, declared: Declared, content: t.Dict[str, bytes]) -> Plan:
    """Make the new files with the attributes of those that they replace and keep the old ones by a second name; return the plan with what was staged."""
    for folder, model in plan.folders:
        os.mkdir(folder, 0o700)
        give(folder, attributes_of(model))
    for role, path in plan.staged:
        _create(path, content[role.name], attributes_for(role.path, declared.owner, declared.group, declared.mode_of(role), role.secret))
    moves = tuple(_staged(move) for move in plan.moves)
    for folder in _touched_folders(plan):
        files.sync_folder(folder)
    return plan._replace(moves=moves)


def keep_old(journal: Journal, declared: Declared) -> None:
    """Copy the old files into the transaction's folder, which only we can read; they stay there until the next generation is in place."""
    folder = journal.path(OLD)
    files.remove_folder(folder)
    os.mkdir(folder, 0o700)
    for role in declared.roles:
        if os.path.isfile(role.path):
            files.create(os.path.join(folder, _copy_name(role)), files.read(role.path))
    files.sync_folder(folder)


def remove_staged(plan: Plan) -> None:
    """Remove what was staged and never took its place."""
    for _role, path in plan.staged:
        files.remove(path)
    for move in plan.moves:
        if move.kind == "rename":
            files.remove(move.staged)
    for folder in plan.undo_folders:
        files.remove_folder(folder)


def remove_kept(plan: Plan) -> None:
    """Remove the old files from where the services' folders are; what was exchanged or linked to goes with its folder."""
    for move in plan.moves:
        if move.kept is not None:
            files.remove(move.kept)
    for folder in plan.commit_folders:
        files.remove_folder(folder)


def _create(path: bytes, content: bytes, wanted: Attributes) -> None:
    files.create(path, content, lambda descriptor: give(descriptor, wanted))


def _staged(move: Move) -> Move:
    if move.link is not None:
        os.symlink(move.link, move.staged)
    if move.kept is not None:
        _keep(move.target, move.kept)
    if move.kind == "exchange":
        _prove_exchange(move.staged)
    return move._replace(new=files.identity(move.staged))


def _keep(target: bytes, kept: bytes) -> None:
    """Give the old file a second name; where the filesystem has no hard links, a copy."""
    try:
        os.link(target, kept, follow_symlinks=False)
    except OSError as exc:
        if exc.errno not in _NO_HARD_LINK:
            raise
        if os.path.islink(target):
            os.symlink(os.readlink(target), kept)
        else:
            _copy(target, kept)


def _copy(source: bytes, target: bytes) -> None:
    status = os.stat(source)
    _create(target, files.read(source), attributes_of(source))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _prove_exchange(folder: bytes) -> None:
    """Exchange two empty files in the new folder, so that a filesystem that cannot is found out before the swap."""
    first, second = os.path.join(folder, b".certops-1"), os.path.join(folder, b".certops-2")
    for probe in (first, second):
        files.create(probe, b"")
    kernel.exchange(first, second)
    for probe in (first, second):
        files.remove(probe)


def _touched_folders(plan: Plan) -> t.List[bytes]:
    return sorted({os.path.dirname(path) for _role, path in plan.staged} | {os.path.dirname(move.staged) for move in plan.moves})


def _copy_name(role: Role) -> bytes:
    return role.name.encode("ascii") + b"-" + os.path.basename(role.path)[:180]
