# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of a task: opened once, closed at its end, never locked in between."""

from __future__ import annotations

import pathlib
import sqlite3
import types
import typing as t
from datetime import datetime, timezone

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import Task, run_action
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import spool
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.entries import Entry
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Event, HostName

SPEC: dict[str, t.Any] = {"inventory": {"type": "str"}, "spool": {"type": "path"}}


def run(path: pathlib.Path, work: t.Callable[[Task], dict[str, t.Any]], *, check_mode: bool = False, **args: str) -> dict[str, t.Any]:
    task = types.SimpleNamespace(args={"inventory": f"sqlite:///{path}", **args}, check_mode=check_mode, delegate_to=None)
    return run_action(types.SimpleNamespace(_task=task), {}, SPEC, work)


def write_elsewhere(path: pathlib.Path) -> None:
    with sqlite3.connect(path, timeout=0) as connection:
        connection.execute("BEGIN IMMEDIATE")


def test_inventory_is_opened_once_a_task(tmp_path: pathlib.Path) -> None:
    """Whoever asks again gets the one that is open."""
    seen: list[Inventory] = []

    def work(task: Task) -> dict[str, t.Any]:
        for _time in range(2):
            with task.inventory() as inventory:
                inventory.check_writable()
                seen.append(inventory)
        return {}

    run(tmp_path / "inventory.db", work)
    assert seen[0] is seen[1]


def test_others_write_while_a_task_waits_for_its_host(tmp_path: pathlib.Path) -> None:
    """Open is not locked: workers for other hosts are not held up."""

    def work(task: Task) -> dict[str, t.Any]:
        with task.inventory() as inventory:
            inventory.check_writable()
            inventory.known_bundles()
        write_elsewhere(tmp_path / "inventory.db")
        return {"done": True}

    assert run(tmp_path / "inventory.db", work)["done"]


@pytest.mark.parametrize("failing", [False, True])
def test_nothing_stays_open_after_a_task(tmp_path: pathlib.Path, failing: bool) -> None:
    """Nor after one that failed: SQLite's helper files are gone with the last connection."""

    def work(task: Task) -> dict[str, t.Any]:
        with task.inventory() as inventory:
            inventory.check_writable()
        if failing:
            raise ValueError("host 'a': it said no")
        return {}

    if failing:
        with pytest.raises(AnsibleActionFail, match="host 'a': it said no"):
            run(tmp_path / "inventory.db", work)
    else:
        run(tmp_path / "inventory.db", work)
    assert [path.name for path in tmp_path.iterdir()] == ["inventory.db"]


@pytest.mark.parametrize(("check_mode", "replayed"), [(False, True), (True, False)])
def test_the_spool_is_replayed_when_the_inventory_is_opened(tmp_path: pathlib.Path, check_mode: bool, replayed: bool) -> None:
    """By a task that writes, which tells it; check mode leaves it alone."""
    path, folder = tmp_path / "inventory.db", tmp_path / "elsewhere"
    now, host = datetime.now(timezone.utc), HostName("", "a")
    entry = Entry(now, Event("test.done", "a", host))
    run(path, lambda task: {"open": task.inventory()})
    spool.write(str(folder), spool.Spooled("a" * 32, str(path), host, "first", now, (entry,)))

    def work(task: Task) -> dict[str, t.Any]:
        with task.inventory() as inventory:
            return {"kinds": [event["kind"] for event in inventory.documents("events")]}

    result = run(path, work, check_mode=check_mode, spool=str(folder))
    assert result["kinds"] == (["test.done", "spool.replayed"] if replayed else [])
    assert any(f"what earlier runs left in the spool {str(folder)!r} is in the inventory now, records: 1" in text for text in result["warnings"]) is replayed
    assert [entry.name for entry in folder.glob("*.json")] == ([] if replayed else [next(folder.glob("*.json")).name])


def test_check_mode_makes_no_inventory(tmp_path: pathlib.Path) -> None:
    """What is not there is empty, the same for the whole task."""

    def work(task: Task) -> dict[str, t.Any]:
        with task.inventory() as inventory:
            return {"hosts": list(inventory.documents("hosts"))}

    assert run(tmp_path / "inventory.db", work, check_mode=True)["hosts"] == []
    assert list(tmp_path.iterdir()) == []
