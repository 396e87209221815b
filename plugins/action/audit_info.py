# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible.plugins.action import ActionBase

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import Task, run_action
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.examine import Wanted, known_anchor, of_copy, of_database, result
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.settings import public_keys

ARGUMENT_SPEC: dict[str, t.Any] = {
    "path": {"type": "path"},
    "signers": {"type": "list", "elements": "str", "default": []},
    "known_seq": {"type": "int"},
    "known_hash": {"type": "str"},
    "kinds": {"type": "list", "elements": "str", "default": []},
    "host": {"type": "str"},
    "since": {"type": "str"},
    "limit": {"type": "int", "default": 100},
    "inventory": {"type": "str"},
}


def examine(task: Task) -> dict[str, t.Any]:
    args, settings = task.args, task.audit
    if args["signers"]:
        settings = replace(settings, signers=public_keys(args["signers"], "signers"))
    wanted, known = Wanted.from_args(args), known_anchor(args)
    if args["path"]:
        return {"changed": False, **result(of_copy(args["path"], wanted, known), settings)}
    with task.inventory(create=False) as inventory:
        return {"changed": False, **result(of_database(inventory, settings, wanted, known), settings)}


class ActionModule(ActionBase):
    """Wiring of M(certops.fleet.audit_info)."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        return {**result, **run_action(self, task_vars, ARGUMENT_SPEC, examine)}
