# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wiring of certops.fleet.inventory_info; the documentation is in plugins/modules/inventory_info.py."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.certops.fleet.plugins.plugin_utils._action.arguments import checked_arguments
from ansible_collections.certops.fleet.plugins.plugin_utils._host.variables import shared_variable
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.documents import KINDS
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.select import selected
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import open_inventory

ARGUMENT_SPEC: dict[str, t.Any] = {
    "kind": {"type": "str", "default": "certificates", "choices": list(KINDS)},
    "select": {"type": "str"},
    "limit": {"type": "int"},
    "inventory": {"type": "str"},
}


class ActionModule(ActionBase):
    """Runs on the controller alone and only reads."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the selected documents."""
        result = super().run(tmp, task_vars)
        try:
            arguments = checked_arguments(self._task.args, ARGUMENT_SPEC)
            url = arguments["inventory"] or shared_variable(self, task_vars or {}, "certops_inventory")
            with open_inventory(url, now=lambda: datetime.now(timezone.utc), create=False) as inventory:
                documents = selected(inventory.documents(arguments["kind"]), arguments["select"], limit=arguments["limit"])
        except ValueError as exc:
            raise AnsibleActionFail(str(exc)) from exc
        return {**result, "changed": False, "documents": documents}
