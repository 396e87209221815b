# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a task is: hosts that are done with it, of the hosts that it is for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.certops.fleet.plugins.plugin_utils._display.text import count, fitted, width

# A log gets a line when a tenth of the hosts went by, but not more often than that many seconds, and at the latest after that many.
STEP = 0.1
SOONEST = 5.0
LATEST = 30.0


@dataclass(frozen=True, slots=True)
class Progress:
    """One task; C(total) is None where nobody knows for how many hosts it is. Times are seconds of a clock that only goes on."""

    task: str
    total: int | None
    began: float
    now: float
    done: int = 0
    failed: int = 0

    def line(self, columns: int | None = None) -> str:
        """In at most so many columns; the figures are what is left when there are few."""
        figures = self._figures()
        if columns is None or not figures:
            line = ": ".join(filter(None, (self.task, figures)))
            return line if columns is None else fitted(line, columns)
        room = columns - width(figures) - 2
        return f"{fitted(self.task, room)}: {figures}" if room > 3 else fitted(figures, columns)

    def _figures(self) -> str:
        if self.total is None and not self.done:
            return ""
        hosts = count(self.done, "host") if self.total is None else f"{self.done:,} of {count(max(self.total, self.done), 'host')}"
        failed = f"{self.failed:,} failed" if self.failed else ""
        seconds = f"{self.now - self.began:.0f} s" if self.done else ""
        return ", ".join(filter(None, (hosts, failed, seconds)))


def worth_a_line(shown: Progress, now: Progress) -> bool:
    """Whether a log wants to hear of it, after what it was told last."""
    seconds = now.now - shown.now
    tenth = (now.total or 0) * STEP
    return seconds >= LATEST or (seconds >= SOONEST and now.done - shown.done >= max(tenth, 1))


class Tasks:
    """The tasks that run; with a free strategy there are several at a time."""

    def __init__(self) -> None:
        self._open: dict[str, Progress] = {}
        self._known: set[str] = set()

    def begin(self, task: str, progress: Progress) -> bool:
        """Whether it is a new one; a free strategy begins a task once for each host."""
        if task in self._known:
            return False
        self._known.add(task)
        self._open[task] = progress
        return True

    def host_done(self, task: str, *, failed: bool, now: float) -> Progress | None:
        """One more host is done with a task; None for a task that is not watched."""
        progress = self._open.get(task)
        if progress is None:
            return None
        self._open[task] = replace(progress, done=progress.done + 1, failed=progress.failed + failed, now=now)
        return self._open[task]

    def end(self, *, now: float) -> list[tuple[str, Progress]]:
        """All that were open, as they were left; they were for no more hosts than are done, as a play may end for a host before."""
        ended = [(task, replace(progress, now=now, total=progress.total and progress.done)) for task, progress in self._open.items()]
        self._open.clear()
        self._known.clear()
        return ended
