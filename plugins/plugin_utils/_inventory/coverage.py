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
    """Absolute paths as text: ``done`` were walked to their end, ``unseen`` were not, whether refused, passed over or left for lack of time."""

    done: frozenset[str]
    unseen: frozenset[str]

    @classmethod
    def from_result(cls, result: Fields) -> Coverage:
        """From the result of the verb ``scan``.

        ``skipped`` names the folder that many things which were passed over have in common, so that without the exact list ``unseen`` all of it counts.
        """
        passed = result.texts("unseen") if "unseen" in result.value else [item.path("path") for item in result.objects("skipped")]
        refused = [item.path("path") for item in result.objects("problems")]
        read = [item.path("path") for item in result.objects("places")]  # what such a file held before and holds no more is gone
        return cls(
            done=frozenset(_trimmed(path) for path in (*read, *result.texts("done"))),
            unseen=frozenset(_trimmed(path) for path in (*passed, *refused, *result.texts("left_over"))),
        )

    def joined(self, other: Coverage) -> Coverage:
        """What both looked at; of the other's paths only those that say something new are kept, for there may be very many."""
        new = () if "/" in self.unseen else (path for path in other.done if not self.saw(path))
        return Coverage(done=self.done.union(new), unseen=self.unseen | other.unseen)

    def saw(self, path: str) -> bool:
        """Whether the scan would have found a file with this path: the nearest folder above it that is named decides."""
        if "/" in self.unseen:  # there were more than could be named
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
