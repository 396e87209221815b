# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run as both callbacks see it: results are told to the tally, and the end is shown once, whether the run got to it or not."""

from __future__ import annotations

import atexit
import os
import typing as t
from collections.abc import Mapping

from ansible import constants

from ansible_collections.certops.fleet.plugins.plugin_utils._display.event import Event, event_of
from ansible_collections.certops.fleet.plugins.plugin_utils._display.table import Line, summary
from ansible_collections.certops.fleet.plugins.plugin_utils._display.tally import Tally
from ansible_collections.certops.fleet.plugins.plugin_utils._display.told import Told, told

COLORS = {"ok": constants.COLOR_OK, "changed": constants.COLOR_CHANGED, "warning": constants.COLOR_WARN, "bad": constants.COLOR_ERROR}
MOST_NAMED = 20


def option(callback: t.Any, name: str, default: t.Any) -> t.Any:
    """An option of ours, or its default where another callback is derived from ours and knows none of them, as that of ansible-runner is."""
    try:
        return callback.get_option(name)
    except KeyError:
        return default


class Run:
    """The tally of a run, and its end."""

    def __init__(self, callback: t.Any) -> None:
        self.tally = Tally()
        self._callback = callback
        self._process = os.getpid()
        self._open = False

    def begin(self) -> None:
        """A play begins. From now on an interruption shows what was done until then."""
        if not self._open:
            self._open = True
            atexit.register(self._interrupted)

    def result(self, result: t.Any, *, failed: bool = False, unreachable: bool = False) -> tuple[Event, Told]:
        """Take one result of one host; C(failed) is false for an error that is ignored."""
        event = event_of(result)
        what = told(event.action, event.result)
        if event.of_fleet:
            self.tally.seen(event.host, changed=event.changed)
        self.tally.told(event.target, what, would=event.would)
        if failed or unreachable:
            self.tally.failure(event.host, what.message, unreachable=unreachable)
        return event, what

    def end(self, stats: t.Any) -> None:
        """C(stats) are Ansible's own figures: they know who was rescued."""
        self._show({host: stats.summarize(host) for host in stats.processed})

    def _interrupted(self) -> None:
        if self._open and os.getpid() == self._process:
            self._show(None)

    def _show(self, summaries: Mapping[str, Mapping[str, int]] | None) -> None:
        self._open = False
        atexit.unregister(self._interrupted)
        display = self._callback._display
        display.banner("FLEET")
        for line in summary(self.tally.figures(summaries), most=option(self._callback, "attention", MOST_NAMED)):
            display.display(line.text, color=color_of(line))


def color_of(line: Line) -> str | None:
    return COLORS.get(line.tone)
