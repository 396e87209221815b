# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The audit log shows what was altered or taken out."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import typing as t

import pytest
import sqlalchemy as sa
from alembic import command

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import migrate
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.connection import ALONE, begin, open_engine
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.location import locate
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Actor


@pytest.fixture(name="chain")
def _chain(inventory: Inventory, tools: t.Any) -> Inventory:
    """Four lines, one of them hostile."""
    inventory.append_event("run.started", subject="rotate")
    inventory.append_event("host.changed", subject="web", host=tools.web, detail={"files": ["/etc/a"], "n": 2**70, "x": float("nan")})
    inventory.append_event("host.changed", subject="\x00\ud800" * 10, detail={"\ud800": "x" * 10_000})
    assert inventory.append_event("run.ended", subject="rotate") == 4
    return inventory


def test_a_chain_holds(chain: Inventory) -> None:
    """Nothing to tell."""
    assert chain.verify_chain() == ()


def test_another_program_can_check_it(chain: Inventory, path: str) -> None:
    """SHA-256 over the canonical JSON of the line with the hash of the one before it, the first after 64 zeros."""
    previous = "0" * 64
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.row_factory = sqlite3.Row
        for row in raw.execute("SELECT * FROM events ORDER BY seq"):
            line = dict(row)
            claimed = line.pop("hash")
            assert line["previous"] == previous
            assert line["actor"] == "tester"
            previous = hashlib.sha256(json.dumps(line, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
            assert claimed == previous


@pytest.mark.parametrize(
    ("statement", "problems"),
    [
        ("UPDATE events SET detail = '{}' WHERE seq = 2", ("event 2 was altered",)),
        ("UPDATE events SET time = time + 1 WHERE seq = 4", ("event 4 was altered",)),
        ("DELETE FROM events WHERE seq = 2", ("event 2 is missing",)),
        ("DELETE FROM events WHERE seq < 3", ("events 1 to 2 are missing",)),
        (
            "DELETE FROM events WHERE seq = 2; UPDATE events SET seq = seq - 1 WHERE seq > 2",
            ("event 2 does not continue", "event 2 was altered", "event 3 was altered"),
        ),
        ("UPDATE events SET previous = hash WHERE seq = 3", ("event 3 does not continue the one before it", "event 3 was altered")),
        ("UPDATE events SET actor = NULL WHERE seq = 1", None),
    ],
)
def test_tampering_is_shown(chain: Inventory, path: str, statement: str, problems: tuple[str, ...] | None) -> None:
    """Each line that was altered and each gap, by its number."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as raw:
        if problems is None:
            with pytest.raises(sqlite3.IntegrityError):
                raw.executescript(statement)
            return
        raw.executescript(statement)
    told = chain.verify_chain()
    assert all(text.startswith(problem) for text, problem in zip(told, problems, strict=True))


ATTACKS = [
    ("UPDATE events SET subject = 'x' WHERE seq = 2", "event 2 was altered"),
    ("UPDATE events SET ticket = 'x' WHERE seq = 2", "event 2 was altered"),
    ("DELETE FROM events WHERE seq = 2", "event 2 is missing"),
    ("UPDATE events SET seq = 9 WHERE seq = 2; UPDATE events SET seq = 2 WHERE seq = 3; UPDATE events SET seq = 3 WHERE seq = 9", "event 2 was altered"),
    ("DELETE FROM events WHERE seq > 2", "the log ends with event 2, and the checkpoint of event 4 names event 4: events 3 to 4 are missing"),
    ("DELETE FROM events", "the log is empty, and the checkpoint of event 4 names event 4: events 1 to 4 are missing"),
]


@pytest.mark.parametrize(("statement", "problem"), ATTACKS)
def test_attacks_on_both_databases(chain: Inventory, url: str, statement: str, problem: str) -> None:
    """By somebody who may write every table, after a checkpoint."""
    due = chain.checkpoint_due(events=4, hours=1)
    assert due is not None
    assert chain.add_checkpoint(due)
    assert not chain.add_checkpoint(due)  # another run was faster
    engine = open_engine(locate(url, environ={}))
    with engine.begin() as raw:
        for part in statement.split("; "):
            raw.exec_driver_sql(part)
    engine.dispose()
    assert problem in chain.verify_chain()


def test_lines_of_an_older_release(url: str, clock: t.Any) -> None:
    """Keep their hash, and the chain goes on behind them. What the new columns say of them was not there."""
    engine = open_engine(locate(url, environ={}))
    with open_inventory(url, now=clock, actor="tester") as inventory:
        inventory.append_event("test.old", subject="x")
    old = {"seq": 1, "time": int(clock().timestamp()), "actor": "root@ctrl", "kind": "test.old", "namespace": None, "host": None}
    old |= {"subject": "x", "detail": "{}", "previous": "0" * 64}
    digest = hashlib.sha256(json.dumps(old, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    with begin(engine, ALONE, path=url) as raw:
        config = migrate.configuration(raw)
        command.downgrade(config, "0008")
        raw.exec_driver_sql("DELETE FROM events")
        raw.execute(
            sa.text("INSERT INTO events VALUES (:seq, :time, :actor, :kind, :namespace, :host, :subject, :detail, :previous, :hash)"), old | {"hash": digest}
        )
    with open_inventory(url, now=clock, actor=Actor("alice", "awx_user_name", "awx@ee", "7", "CHG1", "why")) as inventory:
        inventory.append_event("test.new", subject="y")
        assert inventory.verify_chain() == ()
        (_first, last) = inventory.documents("events")
        assert [last[name] for name in ("actor", "actor_known", "account", "job", "ticket", "reason")] == [
            "alice",
            "awx_user_name",
            "awx@ee",
            "7",
            "CHG1",
            "why",
        ]
        with begin(engine, ALONE, path=url) as raw:
            raw.exec_driver_sql("UPDATE events SET reason = 'x' WHERE seq = 1")
        assert inventory.verify_chain() == ("event 1 was altered",)
    engine.dispose()
