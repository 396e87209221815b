# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run of which job a task belongs to. Off AWX the job is the playbook, and a run is a process of ansible-playbook."""

from __future__ import annotations

import os
import typing as t
import uuid

from ansible import context

from ansible_collections.certops.fleet.plugins.plugin_utils._host.variables import shared_variable
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Run

# AWX hands these to every play; automation controller calls them by the second prefix.
PREFIXES = ("awx", "tower")
# Made when the first plugin of the collection is imported, before the workers fork: they have it in common.
PROCESS = uuid.uuid4().hex


def job_id() -> str | None:
    """The job of AWX that runs the play."""
    return os.environ.get("JOB_ID") or os.environ.get("TOWER_JOB_ID") or None


def running(action: t.Any, variables: t.Mapping[str, t.Any]) -> Run:
    """The run that a task is a part of. The slices of a job have the workflow job in common that AWX makes of them."""
    job, workflow = job_id(), _told(action, variables, "workflow_job_id")
    name, limit = _told(action, variables, "job_template_name") or _started(), variables.get("ansible_limit")
    return Run(
        job=f"{name} --limit {limit}" if limit else str(name),  # it has other hosts to see than the job as a whole
        run=f"workflow job {workflow}" if workflow else f"job {job}" if job else PROCESS,
        part=f"{job or PROCESS} {variables.get('ansible_play_name') or ''}",
        hosts_asked=len(variables.get("ansible_play_hosts_all") or ()),
    )


def _told(action: t.Any, variables: t.Mapping[str, t.Any], name: str) -> t.Any:
    """What AWX says of the job."""
    names = [f"{prefix}_{name}" for prefix in PREFIXES if f"{prefix}_{name}" in variables]
    return shared_variable(action, variables, names[0]) if names else None


def _started() -> str:
    """The playbooks of the command, by the names of their files; of the command C(ansible) the module."""
    arguments: t.Mapping[str, t.Any] = context.CLIARGS
    if arguments.get("module_name"):
        return f"ansible -m {arguments['module_name']}"
    return " ".join(os.path.basename(str(path)) for path in arguments.get("args") or ())
