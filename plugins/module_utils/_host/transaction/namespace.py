# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a check that sees the staged files at their real paths while everybody else goes on seeing the old ones."""

import contextlib
import json
import os
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import kernel


def seen_at(shown: t.Sequence[t.Tuple[bytes, bytes]], check: t.Callable[[], t.Any]) -> t.Optional[t.List[t.Any]]:
    """Run `check` in a child with mounts of its own, in which each staged file stands at its real path, and return [what it returned].

    None where that is not allowed (no root, an unprivileged container). What `check` returns travels as JSON.
    """
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        _child(write_end, shown, check)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return t.cast(t.Optional[t.List[t.Any]], json.loads(answer.decode("ascii"))) if answer else None


def _child(write_end: int, shown: t.Sequence[t.Tuple[bytes, bytes]], check: t.Callable[[], t.Any]) -> t.NoReturn:
    try:
        with contextlib.suppress(OSError):
            kernel.own_mounts()
            for staged, real in shown:
                kernel.bind(staged, real)
            os.write(write_end, json.dumps([check()]).encode("ascii"))
    finally:
        os._exit(0)
