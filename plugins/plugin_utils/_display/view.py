# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress of tasks on a terminal, or as lines of a log."""

from __future__ import annotations

import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._display.progress import Progress, Tasks, worth_a_line
from ansible_collections.certops.fleet.plugins.plugin_utils._display.screen import Screen, columns_of

REDRAWN = 0.1  # seconds


class ProgressView:
    """Shows how far the tasks are; each leaves one line behind."""

    def __init__(self, clock: t.Callable[[], float]) -> None:
        self._clock = clock
        self._tasks = Tasks()

    def begin(self, task: str, name: str, total: int | None) -> None:
        now = self._clock()
        progress = Progress(name, total, now, now)
        if self._tasks.begin(task, progress):
            self._began(task, progress)

    def host_done(self, task: str, *, failed: bool) -> None:
        progress = self._tasks.host_done(task, failed=failed, now=self._clock())
        if progress is not None:
            self._went_on(task, progress)

    def end(self) -> None:
        """All tasks that were begun are over."""
        for task, progress in self._tasks.end(now=self._clock()):
            self._ended(task, progress)

    def close(self) -> None:
        self.end()

    def _began(self, task: str, progress: Progress) -> None:
        """Nothing, where nothing is shown."""

    def _went_on(self, task: str, progress: Progress) -> None:
        """Nothing, where nothing is shown."""

    def _ended(self, task: str, progress: Progress) -> None:
        """Nothing, where nothing is shown."""


class LogView(ProgressView):
    """Lines of a log: the begin and the end of a task, and between them what is worth a line."""

    def __init__(self, clock: t.Callable[[], float], print_line: t.Callable[[str], None]) -> None:
        super().__init__(clock)
        self._print_line = print_line
        self._shown: dict[str, Progress] = {}

    def _show(self, task: str, progress: Progress) -> None:
        self._shown[task] = progress
        self._print_line(progress.line())

    def _began(self, task: str, progress: Progress) -> None:
        self._show(task, progress)

    def _went_on(self, task: str, progress: Progress) -> None:
        if worth_a_line(self._shown[task], progress):
            self._show(task, progress)

    def _ended(self, task: str, progress: Progress) -> None:
        if self._shown.pop(task).done < progress.done:
            self._print_line(progress.line())


class TerminalView(ProgressView):
    """One line that is rewritten, and the last state of each task above it."""

    def __init__(self, clock: t.Callable[[], float], display: t.Any, stream: t.Any) -> None:
        super().__init__(clock)
        self._display = display
        self._stream = stream
        self._screen = Screen(display, stream)
        self._drawn = 0.0

    def _draw(self, progress: Progress) -> None:
        self._drawn = progress.now
        self._screen.show(progress.line(columns_of(self._stream)))

    def _began(self, task: str, progress: Progress) -> None:
        self._draw(progress)

    def _went_on(self, task: str, progress: Progress) -> None:
        if progress.now - self._drawn >= REDRAWN or not self._screen.shown:
            self._draw(progress)

    def _ended(self, task: str, progress: Progress) -> None:
        self._screen.clear()
        if progress.done:
            self._display.display(progress.line(columns_of(self._stream)), screen_only=True)

    def close(self) -> None:
        super().close()
        self._screen.close()
