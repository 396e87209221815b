# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Opening, locking and migrating, looked at with Python's own sqlite3."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import typing as t
from datetime import datetime, timezone

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import connection, documents, migrate, scans, schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.select_sql import Selection
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import InventoryError

PROCESSES = 50
ROUNDS = 3
FORK = multiprocessing.get_context("fork")


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _raw(path: str, statement: str) -> list[tuple[t.Any, ...]]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as raw:
        return raw.execute(statement).fetchall()


def test_file_and_folder_are_for_the_owner_alone(inventory: Inventory, path: str) -> None:
    """The file, its helper files and its folder are readable by nobody else, whatever the umask."""
    before = os.umask(0)
    try:
        inventory.check_writable()
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    assert {stat.S_IMODE(os.stat(path + suffix).st_mode) for suffix in ("", "-wal", "-shm") if os.path.exists(path + suffix)} == {0o600}


def test_settings_of_a_connection(inventory: Inventory, path: str) -> None:
    """Write-ahead log, foreign keys, a full sync at every commit and a minute of patience."""
    with inventory._read() as opened:
        values = {name: opened.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")}
    assert inventory.path == path
    assert values == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2, "busy_timeout": 60000}


def _append_after_reading(path: str, start: t.Any, errors: t.Any) -> None:
    start.wait()
    try:
        for _round in range(ROUNDS):
            with open_inventory(path, now=_now) as inventory, inventory.transaction():
                count = len(list(inventory.documents("events")))
                inventory.append_event("test.appended", subject="x", detail={"count": count})
    except InventoryError as exc:
        errors.put(str(exc))


def test_fifty_processes_lose_nothing(path: str) -> None:
    """Fifty processes make the file together, migrate it once, and each line that follows a reading has read all lines before it."""
    start, errors = FORK.Event(), FORK.SimpleQueue()
    workers = [FORK.Process(target=_append_after_reading, args=(path, start, errors)) for _worker in range(PROCESSES)]
    for worker in workers:
        worker.start()
    start.set()
    for worker in workers:
        worker.join(120)
    assert errors.empty(), errors.get()
    assert {worker.exitcode for worker in workers} == {0}
    details = [row[0] for row in _raw(path, "SELECT detail FROM events ORDER BY seq")]
    assert details == [f'{{"count":{count}}}' for count in range(PROCESSES * ROUNDS)]
    assert _raw(path, "SELECT version_num FROM alembic_version") == [(schema.HEAD,)]
    with open_inventory(path, now=_now) as inventory:
        assert inventory.verify_chain() == ()


def _hold(path: str, taken: t.Any, release: t.Any) -> None:
    with open_inventory(path, now=_now) as inventory, inventory.transaction():
        taken.set()
        release.wait(60)


def test_a_lock_that_is_not_given_up_becomes_one_sentence(inventory: Inventory, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits in vain is told the file and that it is locked, and readers do not wait at all."""
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.1)
    taken, release = FORK.Event(), FORK.Event()
    worker = FORK.Process(target=_hold, args=(path, taken, release))
    worker.start()
    try:
        assert taken.wait(30)
        with open_inventory(path, now=_now) as second:
            assert list(second.documents("events")) == []
            with pytest.raises(InventoryError, match="cannot be written: database is locked"):
                second.check_writable()
    finally:
        release.set()
        worker.join(30)
    inventory.check_writable()


def _die_in_a_transaction(path: str) -> None:
    with open_inventory(path, now=_now) as inventory, inventory.transaction():
        inventory.append_event("test.lost", subject="x")
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_writer_leaves_nothing_and_blocks_nobody(inventory: Inventory, path: str) -> None:
    """What was committed before it stays, what it had begun is undone, and its lock is gone."""
    inventory.append_event("test.kept", subject="x")
    worker = FORK.Process(target=_die_in_a_transaction, args=(path,))
    worker.start()
    worker.join(30)
    assert worker.exitcode == -signal.SIGKILL
    inventory.append_event("test.kept", subject="y")
    assert [event["kind"] for event in inventory.documents("events")] == ["test.kept", "test.kept"]
    assert _raw(path, "PRAGMA integrity_check") == [("ok",)]


def _append_and_fail(inventory: Inventory, error: type[BaseException]) -> None:
    with inventory.transaction():
        inventory.append_event("test.lost", subject="x")
        raise error


def test_a_transaction_is_all_or_nothing(inventory: Inventory) -> None:
    """Whatever ends a transaction early, also what is no Exception, leaves nothing of it."""
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            _append_and_fail(inventory, error)
    assert list(inventory.documents("events")) == []


def test_transactions_do_not_nest(inventory: Inventory) -> None:
    """A second transaction inside the first is a mistake and is told."""
    with inventory.transaction(), pytest.raises(InventoryError, match="they do not nest"), inventory.transaction():
        pass


def test_migrations_make_the_schema() -> None:
    """What the migrations make is what the code expects, and their last one is HEAD."""
    config = Config()
    config.set_main_option("script_location", migrate.SCRIPTS)
    assert ScriptDirectory.from_config(config).get_heads() == [schema.HEAD]
    engine = sa.create_engine("sqlite://")
    with engine.begin() as opened:
        migrate.upgrade(opened)
        assert compare_metadata(MigrationContext.configure(opened), schema.metadata) == []


@pytest.mark.parametrize(
    ("kind", "select", "sort"),
    [
        ("places", None, None),
        ("places", "[?host=='web1']", None),
        ("keys", "[?!gone_at]", None),
        ("services", None, None),
        ("certificates", None, None),
        ("certificates", "[?issuer.commonName=='x']", None),
        ("certificates", "[?status=='warning']", "not_after"),
        ("certificates", "[?places[?class=='in_use' && !gone_at]]", None),
    ],
)
def test_a_page_of_a_file_is_read_in_order(inventory: Inventory, path: str, kind: str, select: str | None, sort: str | None) -> None:
    """No statement for it sorts everything that matches, however large tables are."""
    assert inventory.path == path
    selection = Selection.of(select, now=0)
    with inventory._read() as connection:
        for source in documents.SOURCES[kind](None, sort)[:1]:  # few have the others: stores that are locked, certificates without an end
            statement = source.rows(selection.conditions(source.fields)).limit(20).compile(connection, compile_kwargs={"literal_binds": True})
            plan = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")]
            assert not [line for line in plan if line == "USE TEMP B-TREE FOR ORDER BY"], plan


def test_twins_are_looked_for_by_what_a_host_has(inventory: Inventory, path: str) -> None:
    """And not among all hosts that have evidence of the kind: it is asked for every host of a night."""
    assert inventory.path == path
    with inventory._read() as connection:
        statement = scans._select_twins().params(host=1).compile(connection, compile_kwargs={"literal_binds": True})
        plan = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")]
    assert any("(kind=? AND value=?)" in line for line in plan), plan


def test_the_schema_fits_postgresql() -> None:
    """Every table can be written down in its dialect."""
    for table in schema.metadata.sorted_tables:
        assert str(sa.schema.CreateTable(table).compile(dialect=postgresql.dialect())).strip().startswith("CREATE TABLE")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "has the schema version '9999', this release knows up to"),
        ("UPDATE alembic_version SET version_num = 'abcdef'", "has the schema version 'abcdef'"),
        ("DROP TABLE alembic_version", "is the database of another program"),
    ],
)
def test_a_schema_that_is_not_ours_is_refused(path: str, statement: str, message: str) -> None:
    """A newer schema and a foreign database are refused and left as they are."""
    with open_inventory(path, now=_now):
        pass
    _raw(path, statement)
    before = _raw(path, "SELECT * FROM sqlite_master ORDER BY name")
    with pytest.raises(InventoryError, match=message), open_inventory(path, now=_now):
        pass
    assert _raw(path, "SELECT * FROM sqlite_master ORDER BY name") == before


def test_a_failed_migration_leaves_nothing(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that fails half-way is undone as a whole, and the next start makes it."""
    upgrade = migrate.upgrade

    def fail(opened: sa.Connection) -> None:
        upgrade(opened)
        raise InventoryError("half-way")

    monkeypatch.setattr(migrate, "upgrade", fail)
    with pytest.raises(InventoryError, match="half-way"), open_inventory(path, now=_now):
        pass
    assert _raw(path, "SELECT * FROM sqlite_master") == []
    monkeypatch.setattr(migrate, "upgrade", upgrade)
    with open_inventory(path, now=_now) as inventory:
        inventory.check_writable()


def test_a_file_that_is_no_database_is_refused(path: str) -> None:
    """Something else under that name is told and not touched."""
    os.makedirs(os.path.dirname(path))
    with open(path, "wb") as stream:
        stream.write(b"certificates live here\n" * 100)
    with pytest.raises(InventoryError, match="file is not a database"), open_inventory(path, now=_now):
        pass


def test_a_full_disk_is_noticed_before_anything_is_done(inventory: Inventory, path: str) -> None:
    """check_writable really writes: a limit on the size of files stands for a full disk."""
    code = (
        "import resource, sys, signal, datetime\n"
        "from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import open_inventory\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "with open_inventory(sys.argv[1], now=lambda: datetime.datetime.now(datetime.timezone.utc)) as inventory:\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "    try:\n"
        "        inventory.check_writable()\n"
        "    except ValueError as exc:\n"
        "        print(exc)\n"
    )
    inventory.check_writable()
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
    assert done.stdout.startswith(f"inventory {path!r} cannot be written: ")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: os.PathLike[str]) -> None:
    """The path and the system's reason."""
    blocked = os.path.join(tmp_path, "file")
    with open(blocked, "w", encoding="utf-8"):
        pass
    with pytest.raises(InventoryError, match=r"cannot be made: (Not a directory|File exists)"), open_inventory(f"{blocked}/inventory.db", now=_now):
        pass


def test_asking_does_not_make_a_file(path: str) -> None:
    """Who only reads is told that nothing is there."""
    with pytest.raises(InventoryError, match="does not exist: it is made by the first run"), open_inventory(path, now=_now, missing="refuse"):
        pass
    assert not os.path.exists(path)


def test_an_empty_one_in_memory(path: str) -> None:
    """Who asks what would be finds an empty inventory where there is none, whose writing leaves no trace."""
    with open_inventory(path, now=_now, missing="empty") as inventory:
        inventory.append_event("test.event", subject="x")
        assert len(list(inventory.documents("events"))) == 1
        with pytest.raises(InventoryError, match="do not nest"), inventory.transaction(), inventory.transaction():
            pass
    with open_inventory(path, now=_now, missing="empty") as inventory:
        assert list(inventory.documents("events")) == []
    assert not os.path.exists(path)


def test_nothing_outlives_a_call(path: str) -> None:
    """No file of the inventory is open after the call, so that a fork inherits none."""
    with open_inventory(path, now=_now) as inventory:
        inventory.check_writable()
    links = [os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
    assert not [link for link in links if os.path.islink(link) and os.readlink(link).startswith(path)]


def test_alembic_is_imported_only_for_a_migration(path: str) -> None:
    """A current schema costs one plain SELECT and no import."""
    code = (
        "import datetime, sys\n"
        "from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import open_inventory\n"
        "for _time in range(2):\n"
        "    with open_inventory(sys.argv[1], now=lambda: datetime.datetime.now(datetime.timezone.utc)):\n"
        "        print('alembic' in sys.modules)\n"
        "    for name in [name for name in sys.modules if name.startswith('alembic')]:\n"
        "        del sys.modules[name]\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
    assert done.stdout.split() == ["True", "False"]


def test_without_the_packages_everything_imports_and_says_what_is_missing() -> None:
    """The import test of Ansible's sanity checks runs with ansible-core alone."""
    code = (
        "import datetime, sys\n"
        "for name in ('sqlalchemy', 'alembic', 'jmespath', 'cryptography'):\n"
        "    sys.modules[name] = None\n"
        "from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import open_inventory\n"
        "try:\n"
        "    with open_inventory(None, now=None): pass\n"
        "except ValueError as exc:\n"
        "    print(exc)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
    assert done.stdout == "the Python that runs Ansible needs the package 'SQLAlchemy', version 2.0 or later, for the inventory\n"
