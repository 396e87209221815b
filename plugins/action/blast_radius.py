# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import Task, run_action
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.radius import SUBJECTS
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.ask import asked, put_picture
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.graph import radius
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.picture import picture

ARGUMENT_SPEC: dict[str, t.Any] = {
    **{name: {"type": "str"} for name in SUBJECTS},
    "limit": {"type": "int", "default": 1000},
    "picture_path": {"type": "path"},
    "inventory": {"type": "str"},
}


def ask(task: Task) -> dict[str, t.Any]:
    subject, name = asked(task.args)
    with task.inventory(create=False) as inventory:
        result, graph = radius(inventory.affected(subject, name), limit=task.args["limit"])
    path = task.args["picture_path"]
    changed = path is not None and put_picture(path, picture(graph, f"{subject} {name}"), write=not task.check_mode)
    return {"changed": changed, "question": {subject: name}, **result}


class ActionModule(ActionBase):
    """Wiring of M(certops.fleet.blast_radius)."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        return {**result, **run_action(self, task_vars, ARGUMENT_SPEC, ask)}
