# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import Task, now, run_action
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.examine import audit_measures
from ansible_collections.certops.fleet.plugins.plugin_utils._report.assemble import assembled
from ansible_collections.certops.fleet.plugins.plugin_utils._report.files import write_report
from ansible_collections.certops.fleet.plugins.plugin_utils._report.requirements import Settings

ARGUMENT_SPEC: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "organisation": {"type": "str", "default": ""},
    "policy_owner": {"type": "str", "default": ""},
    "contact": {"type": "str", "default": ""},
    "max_due": {"type": "str", "default": ""},
    "cache_days": {"type": "int", "default": 7},
    "inventory": {"type": "str"},
}


def report(task: Task) -> dict[str, t.Any]:
    settings = Settings(**{field.name: task.args[field.name] for field in dataclasses.fields(Settings)})
    with task.inventory(create=task.check_mode) as inventory:
        built, papers = assembled(inventory, settings, now(), audit_measures(inventory, task.audit))
    paths = write_report(task.args["path"], built, papers, write=not task.check_mode)
    return {"changed": True, "paths": paths, "figures": built.figures}


class ActionModule(ActionBase):
    """Wiring of M(certops.fleet.report)."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        return {**result, **run_action(self, task_vars, ARGUMENT_SPEC, report)}
