# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress of tasks as lines: what is said, how often, and in how many columns."""

from __future__ import annotations

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._display.progress import Progress, worth_a_line
from ansible_collections.certops.fleet.plugins.plugin_utils._display.text import width
from ansible_collections.certops.fleet.plugins.plugin_utils._display.view import LogView, ProgressView


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (Progress("Scan", 200, 0, 0), "Scan: 0 of 200 hosts"),
        (Progress("Scan", 2000, 0, 61.4, done=1200, failed=3), "Scan: 1,200 of 2,000 hosts, 3 failed, 61 s"),
        (Progress("Scan", 1, 0, 1, done=1), "Scan: 1 of 1 host, 1 s"),
        (Progress("Scan", 1, 0, 1, done=2), "Scan: 2 of 2 hosts, 1 s"),
        (Progress("Restart", None, 0, 0), "Restart"),
        (Progress("Restart", None, 0, 2, done=4), "Restart: 4 hosts, 2 s"),
    ],
)
def test_a_line_has_the_figures(progress: Progress, line: str) -> None:
    """Hosts done of hosts, failed ones if any, seconds; where nobody knows how many hosts there are, those that are done."""
    assert progress.line() == line


@pytest.mark.parametrize("columns", [1, 5, 20, 33, 40, 79])
@pytest.mark.parametrize("done", [0, 7])
@pytest.mark.parametrize("total", [None, 200])
def test_a_line_fits_the_terminal(columns: int, done: int, total: int | None) -> None:
    """However narrow that is; the name is cut before the figures are."""
    line = Progress("Discover 証明書 of every host there is", total, 0, 3, done=done).line(columns)
    assert width(line) <= columns
    assert columns < 33 or not done or "7 " in line


@pytest.mark.parametrize(
    ("done", "seconds", "worth"),
    [(20, 4.9, False), (20, 5, True), (19, 29, False), (1, 30, True), (0, 30, True)],
)
def test_a_log_hears_of_a_tenth_or_of_half_a_minute(done: int, seconds: float, worth: bool) -> None:
    """Not more often than every five seconds."""
    assert worth_a_line(Progress("Scan", 200, 0, 0), Progress("Scan", 200, 0, seconds, done=done)) is worth


def _log(clock: Clock) -> tuple[LogView, list[str]]:
    lines: list[str] = []
    return LogView(clock, lines.append), lines


def test_a_log_has_begin_and_end_of_a_task() -> None:
    """And between them no line a host."""
    clock = Clock()
    view, lines = _log(clock)
    view.begin("1", "Scan", 200)
    for host in range(200):
        clock.now += 0.1
        view.host_done("1", failed=host == 7)
    view.end()
    assert lines[0] == "Scan: 0 of 200 hosts"
    assert lines[-1] == "Scan: 200 of 200 hosts, 1 failed, 20 s"
    assert 4 <= len(lines) <= 6


def test_a_free_strategy_has_several_tasks() -> None:
    """Each is begun once, although it is begun again for every host; a task that is not watched is none."""
    view, lines = _log(Clock())
    for task in ("1", "2", "1", "2"):
        view.begin(task, f"Task {task}", 2)
        view.host_done(task, failed=False)
    view.host_done("unknown", failed=False)
    view.end()
    view.end()
    assert lines == ["Task 1: 0 of 2 hosts", "Task 2: 0 of 2 hosts", "Task 1: 2 of 2 hosts, 0 s", "Task 2: 2 of 2 hosts, 0 s"]


def test_a_task_without_a_host_leaves_no_second_line() -> None:
    """When all hosts were lost before."""
    view, lines = _log(Clock())
    view.begin("1", "Scan", 0)
    view.close()
    assert lines == ["Scan: 0 of 0 hosts"]


def test_hosts_that_ended_before_are_not_waited_for() -> None:
    """Nobody says that a play ended for them: the end of the task does."""
    view, lines = _log(Clock())
    view.begin("1", "Act", 200)
    view.host_done("1", failed=False)
    view.end()
    assert lines == ["Act: 0 of 200 hosts", "Act: 1 of 1 host, 0 s"]


def test_no_progress_is_no_line() -> None:
    """The base shows nothing."""
    view = ProgressView(Clock())
    view.begin("1", "Scan", 1)
    view.host_done("1", failed=False)
    view.close()
