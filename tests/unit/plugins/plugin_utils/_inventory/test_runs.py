# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of jobs, counted from their scans."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName, Run, ScanRecord


def _scan(inventory: Inventory, tools: t.Any, run: Run, name: str, at: datetime, *, partial: bool = False, **other: t.Any) -> None:
    inventory.record_scan(ScanRecord(HostName("lab", name), at - timedelta(seconds=2), at, tools.answer(**other), {}, partial, run=run))


def test_how_far_a_run_came(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Each host once, by its last scan; what nobody recorded is missing."""
    run = Run("nightly", "job 7", "7 Discover", 6)
    _scan(inventory, tools, run, "web1", clock(), complete=False)
    _scan(inventory, tools, run, "web1", clock.move(minutes=1))
    _scan(inventory, tools, run, "web2", clock(), privileged=False)
    _scan(inventory, tools, run, "web3", clock(), complete=False)
    _scan(inventory, tools, run, "web4", clock(), partial=True)
    inventory.record_silent_host(HostName("lab", "dead"), reason="unreachable", run=run)
    tools.record(inventory, tools.answer(), at=clock(), host=HostName("lab", "other"))
    (document,) = inventory.documents("runs")
    counts = {"hosts_asked": 6, "hosts_complete": 2, "hosts_incomplete": 2, "hosts_silent": 1, "hosts_missing": 1}
    times = {"started": "2026-03-01T12:00:58Z", "ended": "2026-03-01T12:01:00Z"}
    assert document == {"job": "nightly", "run": "job 7", **counts, **times, "partial": True, "complete": False, "last_complete_run": None}


def test_the_last_complete_run(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Of each job, by the slices of a run together; also of a time that is over."""
    for number, names in enumerate((("web1", "web2"), ("web1", "web2"), ("web1",))):
        clock.move(days=1)
        for name in names:
            _scan(inventory, tools, Run("nightly", f"workflow job {number}", f"{number} {name}", 1), name, clock())
        _scan(inventory, tools, Run("weekly", f"job {number}", "", 2), "web1", clock())
    found = [document for document in inventory.documents("runs") if document["job"] == "nightly"]
    assert [(document["hosts_asked"], document["complete"]) for document in found] == [(2, True), (2, True), (1, True)]
    assert {document["last_complete_run"]["run"] for document in found} == {"workflow job 2"}
    assert [document["last_complete_run"] for document in inventory.documents("runs") if document["job"] == "weekly"] == [None] * 3
    past = [document for document in inventory.documents("runs", as_of=clock() - timedelta(hours=30)) if document["job"] == "nightly"]
    expected = {"run": "workflow job 0", "started": "2026-03-02T11:59:58Z", "ended": "2026-03-02T12:00:00Z"}
    assert [document["last_complete_run"] for document in past] == [expected]
