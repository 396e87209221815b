# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of users that begin with C(certops_): Ansible itself says nothing of one that is misspelled."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable

from ansible_collections.certops.fleet.plugins.plugin_utils._action.arguments import nearest
from ansible_collections.certops.fleet.plugins.plugin_utils._host.variables import VariableError, host_variables, plain, shared_variable
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Stated
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import VARIABLES, OwnershipError, checked_value

PREFIX = "certops_"
# Options whose default is the variable of the same meaning.
SHARED = {
    "inventory": "certops_inventory",
    "spool": "certops_spool",
    "services": "certops_services",
    "issuers": "certops_issuers",
    "certificates": "certops_certificates",
    "store_passwords": "certops_store_passwords",
}
KNOWN = tuple(sorted({*SHARED.values(), *VARIABLES, "certops_serial", "certops_audit", "certops_ticket", "certops_reason"}))
# Set by the inventory plugin of the collection; what a user writes there is lost.
GIVEN = ("certops_certificates_found",)


class SerialError(ValueError):
    """C(certops_serial) is nothing that a play can be divided by."""


def unknown_variables(names: Iterable[str]) -> list[str]:
    """One sentence for each variable that begins as ours do and is none of them; the same for every host, so that Ansible prints it once."""
    return [_unknown(name) for name in sorted(name for name in names if name.startswith(PREFIX) and name not in (*KNOWN, *GIVEN))]


def _unknown(name: str) -> str:
    advice = nearest(name, KNOWN) or f"those of this collection are {', '.join(KNOWN)}"
    return f"the variable {name!r} is not known and does nothing: {advice}"


def stated(action: t.Any, task_vars: dict[str, t.Any]) -> tuple[Stated, list[str]]:
    """What the Ansible inventory says of who answers for a host, and a sentence for each variable of that kind that cannot be used: it ends no scan."""
    own = host_variables(action, task_vars)
    given, problems = {}, []
    for variable, name in VARIABLES.items():
        try:
            value = shared_variable(action, own, variable) if variable in own else None
            if value not in (None, "", []):
                given[name] = checked_value(name, value, variable)
        except (OwnershipError, VariableError) as exc:
            problems.append(f"{exc}; nothing was recorded of it")
    groups = plain(own.get("group_names") or [], "group_names")
    return Stated(tuple(str(group) for group in groups), tuple(given.items())), problems


def check_serial(value: t.Any) -> None:
    """Raise SerialError for what would end the run with a traceback of Ansible's own when the batches are made."""
    for item in value if isinstance(value, list) and value else [value]:
        if isinstance(item, bool) or not re.fullmatch(r"[0-9]+%?", str(item)):
            raise SerialError(f"certops_serial must be a number of hosts such as 5, a percentage such as '10%', or a list of these, got {value!r}")
