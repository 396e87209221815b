# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done once before the workers fork."""

from __future__ import annotations

import gc
import sqlite3
import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import connection, rehearsal, schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.connection import MEMORY, WRITE, begin, make_engine
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa


@pytest.fixture(autouse=True)
def unfrozen() -> t.Iterator[None]:
    yield
    gc.unfreeze()


def test_statements_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first time there is nothing left to be made of the statements, and nothing to be searched for garbage."""
    made: dict[t.Any, t.Any] = {}
    monkeypatch.setattr(connection, "_COMPILED", made)
    rehearsal.rehearse()
    before = set(made)
    rehearsal.rehearse()
    assert len(before) > 20
    assert set(made) == before
    assert gc.get_freeze_count() > 10_000


def test_the_tables_are_those_of_the_schema() -> None:
    """The text has every table, as SQLAlchemy would make it."""
    engine = make_engine(MEMORY)
    with begin(engine, WRITE, path=MEMORY) as opened:
        schema.metadata.create_all(opened)
        expected = dict(map(tuple, opened.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'")))
    with sqlite3.connect(MEMORY) as database:
        database.executescript(rehearsal._tables(engine.dialect))
        assert dict(database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")) == {name: made.strip() for name, made in expected.items()}
    engine.dispose()


def test_without_sqlalchemy_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is missed where it is needed."""
    assert sa is not None
    monkeypatch.setattr(rehearsal, "sa", None)
    rehearsal.rehearse()
