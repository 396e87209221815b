# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import Task, now, run_action
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.retention import Kept, shortened

ARGUMENT_SPEC: dict[str, t.Any] = {
    "events_days": {"type": "int"},
    "history_days": {"type": "int"},
    "after_expiry_days": {"type": "int", "default": 730},
    "inventory": {"type": "str"},
}
RULES = {"required_one_of": [["events_days", "history_days"]]}


def retain(task: Task) -> dict[str, t.Any]:
    kept = Kept.from_args(task.args)
    with task.inventory(create=False) as inventory:
        return shortened(inventory, task.audit, kept, now=now(), check=task.check_mode)


class ActionModule(ActionBase):
    """Wiring of M(certops.fleet.inventory_retention)."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        return {**result, **run_action(self, task_vars, ARGUMENT_SPEC, retain, **RULES)}
