# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import Task, now, run_action
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.ask import OPTIONS, Question, answer

ARGUMENT_SPEC: dict[str, t.Any] = {
    **OPTIONS,
    "inventory": {"type": "str"},
}


def ask(task: Task) -> dict[str, t.Any]:
    question = Question.from_args(task.args, now=now())
    with task.inventory(create=False) as inventory:
        told = answer(inventory, question)
    number = {"count": told.documents[0]} if question.count else {}
    return {"changed": False, "documents": told.documents, "next": told.following, **number, **question.told()}


class ActionModule(ActionBase):
    """Wiring of M(certops.fleet.inventory_info)."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        return {**result, **run_action(self, task_vars, ARGUMENT_SPEC, ask)}
