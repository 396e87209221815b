# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import Task, run_action
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.announce import announced
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.assignments import Assigned, Wanted, match_text
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.assign import result, wanted

ARGUMENT_SPEC: dict[str, t.Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "match": {"type": "dict"},
    "set": {"type": "dict"},
    "rules_path": {"type": "path"},
    "import_path": {"type": "path"},
    "mapping": {"type": "dict"},
    "name": {"type": "str"},
    "reason": {"type": "str"},
    "inventory": {"type": "str"},
}


def _assigned(inventory: Inventory, part: Wanted, *, write: bool) -> Assigned:
    would = inventory.assign(part, write=False)
    if not would.changed or not write:
        return would
    sizes = {"source": part.source, "added": len(would.added), "removed": len(would.removed)}
    with announced(inventory, "ownership.change", subject=part.origin if part.match is None else match_text(part.match), reason=part.reason, **sizes):
        return inventory.assign(part)


def assign(task: Task) -> dict[str, t.Any]:
    parts = wanted(task.args)
    with task.inventory() as inventory:
        done = [_assigned(inventory, part, write=not task.check_mode) for part in parts]
    return result(done, diff=task.diff)


class ActionModule(ActionBase):
    """Wiring of M(certops.fleet.ownership)."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        return {**result, **run_action(self, task_vars, ARGUMENT_SPEC, assign)}
