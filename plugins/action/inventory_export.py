# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import Task, now, run_action
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.announce import announced
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.ask import OPTIONS, Question, stream
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.export import FORMATS, checked_mode, write_export

ARGUMENT_SPEC: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "format": {"type": "str", "required": True, "choices": list(FORMATS)},
    "mode": {"type": "raw", "default": "0600"},
    **OPTIONS,
    "inventory": {"type": "str"},
}


def export(task: Task) -> dict[str, t.Any]:
    path, mode = task.args["path"], checked_mode(task.args["mode"])
    question = Question.from_args(task.args, now=now())
    with task.inventory(create=False) as inventory:
        if task.check_mode:
            changed, count = write_export(path, stream(inventory, question), form=task.args["format"], mode=mode, write=False)
        else:
            with announced(inventory, "inventory.export", subject=path, format=task.args["format"], **question.asked()):
                changed, count = write_export(path, stream(inventory, question), form=task.args["format"], mode=mode, write=True)
            inventory.append_event("inventory.export_ended", subject=path, detail={"count": count, "changed": changed})
    return {"changed": changed, "path": path, "count": count, **question.told()}


class ActionModule(ActionBase):
    """Wiring of M(certops.fleet.inventory_export)."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        return {**result, **run_action(self, task_vars, ARGUMENT_SPEC, export)}
