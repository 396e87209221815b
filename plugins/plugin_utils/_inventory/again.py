# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done once more where two writers were in each other's way."""

from __future__ import annotations

import contextlib
import functools
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import ConflictError

TRIES = 4
P = t.ParamSpec("P")
R = t.TypeVar("R")


class Writer(t.Protocol):
    """Who has transactions."""

    @property
    def is_writing(self) -> bool:
        """Whether a transaction of the caller's is open."""


W = t.TypeVar("W", bound=Writer)


def again(method: t.Callable[t.Concatenate[W, P], R]) -> t.Callable[t.Concatenate[W, P], R]:
    """The same once more where the database undid it for another writer's sake; a caller's own transaction is for the caller to repeat."""

    @functools.wraps(method)
    def wrapper(self: W, /, *args: P.args, **kwargs: P.kwargs) -> R:
        for _try in range(0 if self.is_writing else TRIES - 1):
            with contextlib.suppress(ConflictError):
                return method(self, *args, **kwargs)
        return method(self, *args, **kwargs)

    return wrapper
