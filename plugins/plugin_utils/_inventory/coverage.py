# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a scan looked at. Only there may something that was not seen again be called gone."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.fields import Fields


@dataclasses.dataclass(frozen=True, slots=True)
class Coverage:
    """Absolute paths as text: ``done`` were walked to their end, ``unseen`` were not, whether refused, skipped or left over.

    ``names`` are names of folders that were passed over wherever they lie.
    """

    done: frozenset[str]
    unseen: frozenset[str]
    names: frozenset[str] = frozenset()

    @classmethod
    def from_result(cls, result: Fields) -> Coverage:
        """From the result of the verb ``scan``."""
        passed = [item.path("path") for name in ("problems", "skipped") for item in result.objects(name)]
        left = [*passed, *result.texts("left_over")]
        return cls(
            done=frozenset(_trimmed(path) for path in result.texts("done")),
            unseen=frozenset(_trimmed(path) for path in left if path.startswith("/")),
            names=frozenset(path.rsplit("/", 1)[-1] for path in left if not path.startswith("/")),
        )

    def saw(self, path: str) -> bool:
        """Whether the scan would have found a file with this path: the nearest folder above it that is named decides."""
        if not self.names.isdisjoint(path.split("/")):
            return False
        for folder in _upwards(path):
            if folder in self.unseen:
                return False
            if folder in self.done:
                return True
        return False


def _trimmed(path: str) -> str:
    return path.rstrip("/") or "/"


def _upwards(path: str) -> t.Iterator[str]:
    """The path itself, then each folder above it up to the root."""
    while path not in ("", "/"):
        yield path
        path = path.rpartition("/")[0]
    yield "/"
