# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of a task: opened once, closed at its end, never locked in between."""

from __future__ import annotations

import json
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


def run(
    path: pathlib.Path, work: t.Callable[[Task], dict[str, t.Any]], *, check_mode: bool = False, args: dict[str, str] | None = None, **variables: t.Any
) -> dict[str, t.Any]:
    task = types.SimpleNamespace(args={"inventory": f"sqlite:///{path}", **(args or {})}, check_mode=check_mode, delegate_to=None)
    templar = types.SimpleNamespace(template=lambda value: value)
    return run_action(types.SimpleNamespace(_task=task, _templar=templar), variables, SPEC, work)


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

    result = run(path, work, check_mode=check_mode, args={"spool": str(folder)})
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


def write_event(task: Task) -> dict[str, t.Any]:
    with task.inventory() as inventory:
        inventory.append_event("test.event", subject="x")
    return {"changed": True}


def read_only(task: Task) -> dict[str, t.Any]:
    with task.inventory() as inventory:
        list(inventory.documents("events"))
    return {}


def targets(*paths: pathlib.Path) -> dict[str, t.Any]:
    return {"targets": [{"name": f"target{number}", "path": str(path)} for number, path in enumerate(paths)]}


def test_the_audit_log_is_copied_behind_a_task(tmp_path: pathlib.Path) -> None:
    """With who asked, and why; a target that fails is a warning, and the task is what it was."""
    audit = targets(tmp_path / "copy", tmp_path / "nowhere" / "copy")
    result = run(tmp_path / "inventory.db", write_event, certops_audit=audit, certops_ticket="CHG1", awx_user_name="alice")
    line = json.loads((tmp_path / "copy").read_text())
    assert (line["kind"], line["actor"], line["ticket"]) == ("test.event", "alice", "CHG1")
    assert result["changed"]
    (warning,) = result["warnings"]
    assert warning.startswith(f"audit target 'target1': the copy '{tmp_path}/nowhere/copy' of the audit log cannot be written: No such file")


def test_the_log_of_a_task_that_failed_is_copied_too(tmp_path: pathlib.Path) -> None:
    """What it did until then is done."""

    def work(task: Task) -> dict[str, t.Any]:
        write_event(task)
        raise ValueError("host 'a': it said no")

    with pytest.raises(AnsibleActionFail, match="host 'a': it said no"):
        run(tmp_path / "inventory.db", work, certops_audit=targets(tmp_path / "copy"))
    assert len((tmp_path / "copy").read_text().splitlines()) == 1


@pytest.mark.parametrize(("work", "check_mode"), [(read_only, False), (write_event, True)])
def test_who_writes_nothing_copies_nothing(tmp_path: pathlib.Path, work: t.Callable[[Task], dict[str, t.Any]], check_mode: bool) -> None:
    """Neither in check mode, nor with a right to read alone."""
    run(tmp_path / "inventory.db", write_event)
    run(tmp_path / "inventory.db", work, check_mode=check_mode, certops_audit=targets(tmp_path / "copy"))
    assert not (tmp_path / "copy").exists()


def test_settings_that_cannot_be_used(tmp_path: pathlib.Path) -> None:
    """Are refused before anything is done."""
    with pytest.raises(AnsibleActionFail, match=r"certops_audit.targets\[0\] must have exactly one of path, syslog, command, got none"):
        run(tmp_path / "inventory.db", lambda _task: pytest.fail("it was begun"), certops_audit={"targets": [{"name": "a"}]})
