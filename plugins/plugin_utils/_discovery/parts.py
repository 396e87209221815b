# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a scan that had no room in its answer: asked for part by part, and kept outside of memory until all of them are there."""

from __future__ import annotations

import json
import os
import typing as t
import zlib

from ansible_collections.certops.fleet.plugins.module_utils._host.scan.parts import NAMES
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.fields import Fields
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import InventoryError

MOST_PARTS = 10000

Part = dict[str, t.Any]


def other_parts(answer: t.Mapping[str, t.Any], ask: t.Callable[[Part], t.Mapping[str, t.Any]]) -> t.Iterator[Part]:
    """Yield the rows beyond those of an answer; they go from the host as they are asked for, so that each is there once."""
    if answer.get("more") is None:
        return
    more = Fields(answer["more"], "result.more")
    count = more.integer("count") or 0
    if count > MOST_PARTS:
        raise InventoryError(f"result.more.count of the host's answer is {count!r}: at most {MOST_PARTS!r} are accepted")
    for number in range(count):
        part = ask({"part": {"token": more.text("token"), "number": number}})
        yield {name: part.get(name) for name in NAMES}


def merge(answer: Part, part: Part) -> None:
    """Make the rows of a part some of the answer's own."""
    for name in NAMES:
        answer[name].extend(Fields(part, "result").items(name))


class Parts:
    """Parts in a file, which may be gone through more than once."""

    def __init__(self, stream: t.IO[bytes]) -> None:
        self._stream = stream
        self._ends = [0]

    def add(self, part: Part) -> None:
        """Keep one more."""
        self._stream.write(zlib.compress(json.dumps(part, separators=(",", ":")).encode("ascii"), 1))
        self._stream.flush()
        self._ends.append(self._stream.tell())

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> t.Iterator[Part]:
        for start, end in zip(self._ends, self._ends[1:], strict=False):
            yield json.loads(zlib.decompress(os.pread(self._stream.fileno(), end - start, start)))
