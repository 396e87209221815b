# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import Task, run_action
from ansible_collections.certops.fleet.plugins.plugin_utils._import.ask import result, wanted
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.imported import Listing

ARGUMENT_SPEC: dict[str, t.Any] = {
    "origin": {"type": "str", "required": True},
    "path": {"type": "path"},
    "mapping": {"type": "dict"},
    "mapping_path": {"type": "path"},
    "strict": {"type": "bool", "default": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "reason": {"type": "str"},
    "inventory": {"type": "str"},
}


def put(task: Task) -> dict[str, t.Any]:
    export = wanted(task.args)
    with task.inventory() as inventory:
        listed = inventory.put_imported(Listing(task.args["origin"], export.certificates, task.args["reason"]), write=not task.check_mode)
    return result(export, listed, diff=task.diff)


class ActionModule(ActionBase):
    """Wiring of M(certops.fleet.inventory_import)."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        return {**result, **run_action(self, task_vars, ARGUMENT_SPEC, put)}
