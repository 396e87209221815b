# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import Task, run_action
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.announce import announced
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName

ARGUMENT_SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str"},
    "rename_to": {"type": "str"},
    "merge_into": {"type": "str"},
    "to_namespace": {"type": "str"},
    "inventory": {"type": "str"},
}
RULES = {"mutually_exclusive": [["rename_to", "merge_into"]], "required_one_of": [["rename_to", "merge_into"]]}


def change(task: Task) -> dict[str, t.Any]:
    args = task.args
    namespace = task.host.namespace if args["namespace"] is None else args["namespace"]
    host = HostName(namespace, args["name"])
    to = HostName(namespace if args["to_namespace"] is None else args["to_namespace"], args["rename_to"] or args["merge_into"])
    with task.inventory(create=False) as inventory:
        make = inventory.rename_host if args["rename_to"] else inventory.merge_host
        changed = make(host, to, check=True)
        if changed and not task.check_mode:
            names = {"from": {"namespace": host.namespace, "host": host.name}, "to": {"namespace": to.namespace, "host": to.name}}
            with announced(inventory, "host.rename" if args["rename_to"] else "host.merge", subject=host.name, **names):
                changed = make(host, to)
    result: dict[str, t.Any] = {"changed": changed, "namespace": to.namespace, "name": to.name}
    if task.diff:
        before, after = ([f"{one.namespace}/{one.name}\n" for one in names] for names in ((host, to) if args["merge_into"] else (host,), (to,)))
        result["diff"] = {"before": "".join(before if changed else after), "after": "".join(after)}
    return result


class ActionModule(ActionBase):
    """Wiring of M(certops.fleet.inventory_host)."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        return {**result, **run_action(self, task_vars, ARGUMENT_SPEC, change, **RULES)}
