# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who asks, for what ticket and why, as far as Ansible and AWX say."""

from __future__ import annotations

import getpass
import socket
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._action.jobs import job_id
from ansible_collections.certops.fleet.plugins.plugin_utils._host.variables import VariableError, shared_variable
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Actor

TICKET, REASON = "certops_ticket", "certops_reason"
# Set by AWX among the extra variables of every job.
USERS = ("awx_user_name", "tower_user_name")
JOBS = ("awx_job_id", "tower_job_id")
LOCAL = "local"


def account() -> str:
    """The account that runs Ansible, and where."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def actor_of(action: t.Any, variables: dict[str, t.Any]) -> Actor:
    """Who asks. Raises VariableError."""
    texts = {name: _text(action, variables, name) for name in (*USERS, *JOBS, TICKET, REASON)}
    known = next((name for name in USERS if texts[name]), LOCAL)
    return Actor(
        name=texts.get(known) or account(),
        known=known,
        account=account(),
        job=job_id() or next((texts[name] for name in JOBS if texts[name]), None),
        ticket=texts[TICKET],
        reason=texts[REASON],
    )


def _text(action: t.Any, variables: dict[str, t.Any], name: str) -> str | None:
    if name not in variables:
        return None
    value = shared_variable(action, variables, name)
    if isinstance(value, (dict, list, bool)):
        raise VariableError(f"{name} must be a text such as 'CHG0042', got {value!r}")
    return None if value in (None, "") else str(value)
