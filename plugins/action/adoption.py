# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import Task, now, run_action
from ansible_collections.certops.fleet.plugins.plugin_utils._adopt.hosts import Host, adopted, result
from ansible_collections.certops.fleet.plugins.plugin_utils._host.variables import VariableError, plain
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName

ARGUMENT_SPEC: dict[str, t.Any] = {
    "hosts": {"type": "list", "elements": "str"},
    "path": {"type": "path"},
    "takeover": {"type": "bool", "default": False},
    "inventory": {"type": "str"},
}


def _host(task: Task, name: str) -> Host:
    """A host with those of its variables that matter."""
    if name not in task.variables["hostvars"]:
        return Host(HostName("", name), (), None, problem="it is not a host of the Ansible inventory")
    variables = task.variables["hostvars"][name]
    try:
        declared = plain(variables.get("certops_certificates") or [], "certops_certificates")
        namespace = str(plain(variables.get("certops_environment") or "", "certops_environment"))
    except (AnsibleError, VariableError) as exc:  # a variable that it names is not set, or a vault stays closed
        return Host(HostName("", name), (), None, problem=f"its variables cannot be used: {str(exc).partition('. ')[0]}")
    if not isinstance(declared, list) or not all(isinstance(item, dict) for item in declared):
        return Host(HostName("", name), (), None, problem="its certops_certificates is no list of dictionaries")
    return Host(HostName(namespace, name), tuple(declared), variables.get("inventory_dir"))


def adopt(task: Task) -> dict[str, t.Any]:
    names = task.args["hosts"] if task.args["hosts"] is not None else plain(task.variables.get("ansible_play_hosts_all") or [], "ansible_play_hosts_all")
    with task.inventory(create=False) as inventory:
        done = [
            adopted(_host(task, name), inventory.seen_on, now=now(), folder=task.args["path"], takeover=task.args["takeover"], writes=not task.check_mode)
            for name in names
        ]
    return result(done, diff=task.diff)


class ActionModule(ActionBase):
    """Wiring of M(certops.fleet.adoption)."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        return {**result, **run_action(self, task_vars, ARGUMENT_SPEC, adopt)}
