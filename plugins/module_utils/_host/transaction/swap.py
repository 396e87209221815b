# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The swap itself and its way back. Both look at what each name stands for, so they may be stopped anywhere and begun again."""

import os
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import files, kernel
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.layout import Move


class ChangedMeanwhile(HostError):
    """Somebody else changed a file while it was about to be replaced."""


def swap(moves: t.Sequence[Move]) -> None:
    """Put the staged names in place, back to back, when none of the old ones changed meanwhile."""
    for move in moves:
        if files.identity(move.target) != move.old:
            raise ChangedMeanwhile(f"{path_text(move.target)!r} was changed by somebody else while it was about to be replaced")
    for move in moves:
        if move.kind == "exchange":
            kernel.exchange(move.staged, move.target)
        else:
            os.rename(move.staged, move.target)
    _sync(moves)


def undo(moves: t.Sequence[Move]) -> None:
    """Bring every name back to what it stood for; doing it twice, or after half a swap, changes nothing more."""
    for move in reversed(moves):
        _back(move)
    _sync(moves)


def _back(move: Move) -> None:
    now = files.identity(move.target)
    if move.kind == "exchange":
        if now == move.new:
            kernel.exchange(move.staged, move.target)
    elif move.kept is None:
        if now == move.new:
            files.remove(move.target)
    elif files.identity(move.kept) is not None:
        if files.identity(move.kept) == now:  # rename does nothing when both names stand for one file
            files.remove(move.kept)
        else:
            os.rename(move.kept, move.target)


def _sync(moves: t.Sequence[Move]) -> None:
    for folder in sorted({os.path.dirname(move.target) for move in moves}):
        if os.path.isdir(folder):
            files.sync_folder(folder)
