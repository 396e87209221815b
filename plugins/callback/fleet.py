# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet
type: stdout
short_description: A run on many hosts in few lines, and a table at its end
version_added: 0.1.0
author:
  - The certops.fleet developers (@certops)
description:
  - While a task runs, one line says how many hosts are done with it. It is rewritten on a terminal; elsewhere a line follows from time to time.
  - Of a host that went well nothing is said. A host that changed, failed, could not be reached or has something to tell has one line.
  - At the end there is a table of hosts, certificates and discoveries, and the hosts that need attention.
  - Tasks of other collections are shown as by P(ansible.builtin.default#callback), without the hosts that went well.
  - With C(-v) the result of each host is shown, with C(-vvv) as P(ansible.builtin.default#callback) does it.
requirements:
  - It is set as stdout callback, C(stdout_callback = certops.fleet.fleet) in C(ansible.cfg) or C(ANSIBLE_STDOUT_CALLBACK=certops.fleet.fleet).
extends_documentation_fragment:
  - default_callback
  - result_format_callback
  - certops.fleet.display
options:
  progress:
    description:
      - How the progress of a task is shown.
      - V(auto) rewrites one line on a terminal and writes plain lines elsewhere.
      - V(plain) writes lines, one for a tenth of the hosts, at most every 5 seconds and at least every 30 seconds as long as hosts go by.
      - V(none) shows none.
    type: str
    choices: [auto, plain, none]
    default: auto
    env:
      - name: CERTOPS_DISPLAY_PROGRESS
    ini:
      - section: certops_display
        key: progress
  display_ok_hosts:
    description: Whether hosts are shown that went well. They always are with C(-v).
    type: bool
    default: false
    env:
      - name: ANSIBLE_DISPLAY_OK_HOSTS
    ini:
      - section: defaults
        key: display_ok_hosts
  display_skipped_hosts:
    description: Whether hosts are shown that skipped a task. They always are with C(-v).
    type: bool
    default: false
    env:
      - name: ANSIBLE_DISPLAY_SKIPPED_HOSTS
    ini:
      - section: defaults
        key: display_skipped_hosts
seealso:
  - plugin: certops.fleet.fleet_summary
    plugin_type: callback
"""

import os
import sys
import time
import typing as t

from ansible import constants
from ansible.plugins.callback.default import CallbackModule as DefaultCallback

from ansible_collections.certops.fleet.plugins.plugin_utils._display.block import block, harmless
from ansible_collections.certops.fleet.plugins.plugin_utils._display.event import (
    QUIET,
    VALIDATION,
    Event,
    action_name,
    batch_of,
    event_of,
    is_ignored_unreachable,
    task_name,
)
from ansible_collections.certops.fleet.plugins.plugin_utils._display.lines import change_text
from ansible_collections.certops.fleet.plugins.plugin_utils._display.run import Run, option
from ansible_collections.certops.fleet.plugins.plugin_utils._display.screen import is_terminal
from ansible_collections.certops.fleet.plugins.plugin_utils._display.tally import NO_MESSAGE
from ansible_collections.certops.fleet.plugins.plugin_utils._display.told import Told
from ansible_collections.certops.fleet.plugins.plugin_utils._display.view import LogView, ProgressView, TerminalView

NAME = "certops.fleet.fleet"
# From here on everything is as the default callback shows it.
EVERYTHING = 3
FREE = ("free", "host_pinned")


class CallbackModule(DefaultCallback):
    """Wiring of P(certops.fleet.fleet#callback)."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = NAME

    def __init__(self) -> None:
        super().__init__()
        self._run = Run(self)
        self._view: ProgressView | None = None
        self._batch: frozenset[str] = frozenset()
        self._lost: set[str] = set()
        self._banner = ""
        self._told: set[tuple[str, str]] = set()

    def set_options(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().set_options(*args, **kwargs)
        own = self._load_name == NAME  # a callback that is derived from this one, as ansible-runner does it, has the default callback's defaults
        for name in ("display_ok_hosts", "display_skipped_hosts"):
            self._plugin_options[name] = self._display.verbosity > 0 or (own and self._plugin_options[name])

    @property
    def _progress(self) -> ProgressView:
        """Made when it is needed first: before that, nobody knows how."""
        if self._view is None:
            how = option(self, "progress", "auto")
            if how == "none":
                self._view = ProgressView(time.monotonic)
            elif how == "auto" and is_terminal(sys.stdout, os.environ):
                self._view = TerminalView(time.monotonic, self._display, sys.stdout)
            else:
                self._view = LogView(time.monotonic, self._display.display)
        return self._view

    # plays and tasks

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        self._run.begin()
        self._progress.end()
        self._batch = batch_of(play)
        if play._uuid == self._banner:  # the next batch of the same play
            self._play = play
        else:
            self._banner = play._uuid
            super().v2_playbook_on_play_start(play)

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        self._end_before()
        super().v2_playbook_on_task_start(task, is_conditional)
        if action_name(str(task.action)) not in QUIET and task.run_once is not True:
            left = len(self._batch - self._lost)  # none are left for the implicit localhost, and for a rescue
            self._progress.begin(task._uuid, task_name(task), left or None)

    def v2_playbook_on_handler_task_start(self, task: t.Any) -> None:
        self._end_before()
        super().v2_playbook_on_handler_task_start(task)
        self._progress.begin(task._uuid, task_name(task), None)

    def _end_before(self) -> None:
        """All strategies but the free ones have one task at a time."""
        if action_name(self._play.strategy) not in FREE:
            self._progress.end()

    def v2_playbook_on_include(self, included_file: t.Any) -> None:
        if self._display.verbosity:  # it names all hosts
            super().v2_playbook_on_include(included_file)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        self._progress.close()
        self._view = None  # another playbook may follow
        if self._display.verbosity or (stats.custom and self.get_option("show_custom_stats")):
            super().v2_playbook_on_stats(stats)
        self._run.end(stats)

    # results

    def v2_on_file_diff(self, result: t.Any) -> None:
        event = event_of(result)
        if event.ours:  # it quotes certificates
            event.result.update(harmless({name: value for name, value in event.result.items() if name in ("diff", "results")}))
        super().v2_on_file_diff(result)

    def v2_runner_on_ok(self, result: t.Any) -> None:
        event, told = self._run.result(result)
        if self._is_default(event):
            super().v2_runner_on_ok(result)
        else:
            self._show_ok(event, told)
        self._host_done(event)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        event, told = self._run.result(result, failed=not ignore_errors)
        if self._is_default(event):
            super().v2_runner_on_failed(result, ignore_errors)
        else:
            self._show_failed(event, told, "failed", ignored=ignore_errors)
        self._host_done(event, failed=not ignore_errors)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        ignored = is_ignored_unreachable(result)
        event, told = self._run.result(result, unreachable=not ignored)
        if self._is_default(event):
            super().v2_runner_on_unreachable(result)
        else:
            self._show_failed(event, told, "unreachable", ignored=ignored)
        self._host_done(event, failed=not ignored)

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        event = event_of(result)
        if self._is_default(event):
            super().v2_runner_on_skipped(result)
        elif self.get_option("display_skipped_hosts"):
            self._say(f"{event.label}: skipped", constants.COLOR_SKIP)
        self._host_done(event)

    def v2_runner_item_on_ok(self, result: t.Any) -> None:
        if self._is_default(event_of(result)):  # of ours, the end of the loop is told
            super().v2_runner_item_on_ok(result)

    def v2_runner_item_on_failed(self, result: t.Any) -> None:
        if self._is_default(event_of(result)):
            super().v2_runner_item_on_failed(result)

    def _is_default(self, event: Event) -> bool:
        return not event.ours or self._display.verbosity >= EVERYTHING

    def _host_done(self, event: Event, *, failed: bool = False) -> None:
        if failed:
            self._lost.add(event.host)
        else:  # it may have been rescued
            self._lost.discard(event.host)
        self._progress.host_done(event.task, failed=failed)

    def _show_ok(self, event: Event, told: Told) -> None:
        if action_name(event.action) == VALIDATION:
            return
        change = change_text(told, would=event.would)
        if change or event.changed:
            self._say(f"{event.label}: {change or f'{event.name}: changed'}", constants.COLOR_CHANGED)
        elif self.get_option("display_ok_hosts"):
            self._say(f"{event.label}: ok", constants.COLOR_OK)
        self._say_warnings(event, told)
        self._say_block(event)

    def _show_failed(self, event: Event, told: Told, word: str, *, ignored: bool) -> None:
        change = change_text(told, would=event.would)
        if change:
            self._say(f"{event.label}: {change}", constants.COLOR_CHANGED)
        self._say_warnings(event, told)
        if self.get_option("show_task_path_on_failure"):
            self._display.display(f"task path: {event.path}", color=constants.COLOR_DEBUG)
        color = constants.COLOR_ERROR if word == "failed" else constants.COLOR_UNREACHABLE
        text = f"{event.label}: {word}{' (ignored)' if ignored else ''}: {told.message or NO_MESSAGE}"
        self._display.display(text, color=color, stderr=self.get_option("display_failed_stderr"))
        self._say_block(event)

    def _say_warnings(self, event: Event, told: Told) -> None:
        """Each once: the look and the act tell the same. What is deprecated is Ansible's to tell."""
        self._handle_warnings({**event.result, "warnings": None})
        for text in told.warnings:
            if (event.target, text) not in self._told:
                self._told.add((event.target, text))
                self._say(f"{event.label}: {text}", constants.COLOR_WARN)

    def _say_block(self, event: Event) -> None:
        if self._display.verbosity:
            for line in block(event.result):
                self._say(line)

    def _say(self, text: str, color: str | None = None) -> None:
        self._display.display(text, color=color)
