# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import Task, now, run_action
from ansible_collections.certops.fleet.plugins.plugin_utils._report.content import build_report
from ansible_collections.certops.fleet.plugins.plugin_utils._report.files import write_report

ARGUMENT_SPEC: dict[str, t.Any] = {"path": {"type": "path", "required": True}, "inventory": {"type": "str"}}


def report(task: Task) -> dict[str, t.Any]:
    with task.inventory(create=task.check_mode) as inventory:
        served = (endpoint for endpoint in inventory.documents("endpoints") if endpoint["sha256"])
        places = itertools.chain(inventory.documents("places"), served)
        built = build_report(inventory.documents("hosts"), inventory.documents("certificates"), places, now(), inventory.documents("services"))
    paths = write_report(task.args["path"], built, write=not task.check_mode)
    return {"changed": True, "paths": paths, "figures": built.figures}


class ActionModule(ActionBase):
    """Wiring of M(certops.fleet.report)."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        return {**result, **run_action(self, task_vars, ARGUMENT_SPEC, report)}
