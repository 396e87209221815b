# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which run of which job a task belongs to."""

from __future__ import annotations

import types
import typing as t

import pytest
from ansible import context
from ansible.utils.context_objects import CLIArgs

from ansible_collections.certops.fleet.plugins.plugin_utils._action.jobs import PROCESS, running
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Run

ACTION = types.SimpleNamespace(_templar=types.SimpleNamespace(template=lambda value: value))
PLAY = {"ansible_play_name": "Discover", "ansible_play_hosts_all": ["web1", "web2"]}
AWX = {**PLAY, "awx_job_template_name": "Nightly", "awx_job_id": 7}


@pytest.fixture(name="started", autouse=True)
def _started(monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., None]:
    """Says what the command was, and nothing of AWX."""
    for name in ("JOB_ID", "TOWER_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    return lambda **arguments: monkeypatch.setattr(context, "CLIARGS", CLIArgs(arguments))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (AWX, Run("Nightly", "job 7", "7 Discover", 2)),
        ({"tower_job_template_name": "Nightly", "ansible_limit": "web*"}, Run("Nightly --limit web*", "job 7", "7 ", 0)),
        ({**AWX, "awx_workflow_job_id": 5}, Run("Nightly", "workflow job 5", "7 Discover", 2)),
    ],
)
def test_jobs_of_awx(started: t.Any, monkeypatch: pytest.MonkeyPatch, variables: dict[str, t.Any], expected: Run) -> None:
    """By the name of the template; slices have the workflow in common."""
    started(args=["project/discover.yml"])
    monkeypatch.setenv("JOB_ID", "7")
    assert running(ACTION, variables) == expected


@pytest.mark.parametrize(
    ("arguments", "job"),
    [
        ({"args": ["/srv/play/discover.yml", "certops.fleet.scan_endpoints"]}, "discover.yml certops.fleet.scan_endpoints"),
        ({"args": "web*", "module_name": "certops.fleet.host_scan_info"}, "ansible -m certops.fleet.host_scan_info"),
        ({}, ""),
    ],
)
def test_playbooks(started: t.Any, arguments: dict[str, t.Any], job: str) -> None:
    """Off AWX a run is a process, which the workers have in common."""
    started(**arguments)
    assert running(ACTION, PLAY) == Run(job, PROCESS, f"{PROCESS} Discover", 2)
