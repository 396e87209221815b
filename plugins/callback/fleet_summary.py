# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_summary
type: aggregate
short_description: The table at the end of a run, beside any other display
version_added: 0.1.0
author:
  - The certops.fleet developers (@certops)
description:
  - Prints the table that P(certops.fleet.fleet#callback) prints at the end of a run, and nothing else.
  - It is meant for AWX, which has a display of its own, and for those who want to keep theirs.
  - Beside P(certops.fleet.fleet#callback) it is silent.
requirements:
  - It is enabled, C(callbacks_enabled = certops.fleet.fleet_summary) in C(ansible.cfg) or C(ANSIBLE_CALLBACKS_ENABLED=certops.fleet.fleet_summary).
extends_documentation_fragment:
  - certops.fleet.display
seealso:
  - plugin: certops.fleet.fleet
    plugin_type: callback
"""

import os
import typing as t

from ansible import constants
from ansible.plugins.callback import CallbackBase

from ansible_collections.certops.fleet.plugins.plugin_utils._display.event import is_ignored_unreachable
from ansible_collections.certops.fleet.plugins.plugin_utils._display.run import Run

SHOWN_ALREADY = "certops.fleet.fleet"


class CallbackModule(CallbackBase):
    """Wiring of P(certops.fleet.fleet_summary#callback)."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "certops.fleet.fleet_summary"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._run = Run(self)
        # ansible-runner, and so AWX, derives its own display from this one.
        self.disabled = SHOWN_ALREADY in (constants.DEFAULT_STDOUT_CALLBACK, os.environ.get("ORIGINAL_STDOUT_CALLBACK"))

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        self._run.begin()

    def v2_runner_on_ok(self, result: t.Any) -> None:
        self._run.result(result)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        self._run.result(result, failed=not ignore_errors)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self._run.result(result, unreachable=not is_ignored_unreachable(result))

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        self._run.end(stats)
