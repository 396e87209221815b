# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a scan is, in plain lines that hold nothing that anybody served."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint.engine import SEEN
from ansible_collections.certops.fleet.plugins.plugin_utils._display.progress import Progress, worth_a_line
from ansible_collections.certops.fleet.plugins.plugin_utils._display.text import count


class Told:
    """Counts the answers of a scan and says now and then how many there are."""

    def __init__(self, total: int, say: t.Callable[[str], None], *, clock: t.Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._seen = 0
        began = clock()
        self._now = self._shown = Progress("endpoints", total, began, began)

    def row(self, row: t.Mapping[str, t.Any]) -> None:
        """One more answer."""
        self.rows(1, int(row["state"] == SEEN))

    def rows(self, done: int, seen: int) -> None:
        """So many more answers, of which so many showed a certificate."""
        self._seen += seen
        before = self._now
        self._now = Progress(before.task, before.total, before.began, self._clock(), before.done + done)
        if self._now.done != self._now.total and worth_a_line(self._shown, self._now):
            self._shown = self._now
            took = self._now.now - self._now.began
            self._say(f"endpoints: {self._now.done:,} of {count(self._now.total or 0, 'endpoint')}, {self._seen:,} showed a certificate, {took:.0f} s")
