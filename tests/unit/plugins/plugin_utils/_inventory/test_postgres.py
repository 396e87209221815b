# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only a server can do wrong, and what is to be the same on both: many writers at once, rights, backups, migrations."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import socket
import sqlite3
import subprocess
import sys
import typing as t
from datetime import datetime, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import connection, migrate, postgres, schema, sql
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.location import locate
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import ConflictError, HostName, InventoryError, ScanRecord

FORK = multiprocessing.get_context("fork")
ROLES = Path(__file__).parents[5] / "docs/postgresql_roles.sql"
RELEASED = sorted(script.revision for script in ScriptDirectory(migrate.SCRIPTS).walk_revisions())
SLICES, SHARED = 4, 12


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _open(url: str, **other: t.Any) -> contextlib.AbstractContextManager[Inventory]:
    return open_inventory(url, now=_now, **other)


def _scan(url: str, host: HostName, result: dict[str, t.Any], start: t.Any) -> None:
    start.wait()
    with _open(url, actor="slice") as inventory:
        inventory.record_scan(ScanRecord(host, _now(), _now(), result))


def _work(url: str, name: str, ders: list[bytes], tools: t.Any, start: t.Any) -> None:
    """Scans of a host of its own and of one that all share; the certificates of both are everybody's, each time in another order."""
    some = random.Random(name)
    for host in (name, "everybody"):
        chosen = some.sample(ders, 6)
        bundles = [{"sha256": tools.sha256(der), "count": 1, "certificates": [tools.sha256(der)], "places": []} for der in chosen[:3]]
        _scan(url, HostName("lab", host), tools.answer(*chosen, bundles=bundles), start)


def _slice(url: str, number: int, *, workers: int, ders: list[bytes], tools: t.Any, start: t.Any) -> None:
    forks = [FORK.Process(target=_work, args=(url, f"host{number}-{worker}", ders, tools, start)) for worker in range(workers)]
    for fork in forks:
        fork.start()
    for fork in forks:
        fork.join()
    os._exit(sum(fork.exitcode != 0 for fork in forks))


def test_slices_of_workers_lose_nothing(url: str, backend: str, request: pytest.FixtureRequest, tools: t.Any) -> None:
    """Four slices, on a server of fifty workers each, write overlapping certificates and bundles at once: nobody is refused, nothing is lost, one chain."""
    workers = 50 if backend == "postgresql" else 5
    ders = [tools.make_der(f"shared{number}") for number in range(SHARED)]
    start = FORK.Event()
    slices = [
        FORK.Process(target=_slice, args=(url, number), kwargs={"workers": workers, "ders": ders, "tools": tools, "start": start}) for number in range(SLICES)
    ]
    for each in slices:
        each.start()
    start.set()
    for each in slices:
        each.join(180)
    assert [each.exitcode for each in slices] == [0] * SLICES
    if backend == "postgresql":
        assert request.getfixturevalue("cluster").sql("SELECT sum(deadlocks) FROM pg_stat_database") == ["0"]
    with _open(url) as inventory:
        assert inventory.verify_chain() == ()
        assert len(list(inventory.documents("hosts"))) == SLICES * workers + 1
        assert len(list(inventory.documents("certificates"))) == SHARED
        assert len([event for event in inventory.documents("events") if event["kind"] == "scan.recorded"]) == SLICES * workers * 2
        with inventory._read() as opened:
            assert opened.execute(sa.select(sa.func.count()).select_from(schema.scans)).scalar() == SLICES * workers * 2


def test_a_conflict_is_tried_again(inventory: Inventory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method once more, a caller's transaction not."""
    told, append = [], Inventory._append

    def fail_once(self: Inventory, *args: t.Any) -> int:
        told.append(1)
        if len(told) == 1:
            raise ConflictError("two writers")
        return append(self, *args)

    monkeypatch.setattr(Inventory, "_append", fail_once)
    assert inventory.append_event("test.kept", subject="x") == 1
    told.clear()
    with pytest.raises(ConflictError), inventory.transaction():
        inventory.append_event("test.lost", subject="x")


def test_text_that_no_database_takes(inventory: Inventory, tools: t.Any) -> None:
    """NUL, lone surrogates and numbers out of range are bounded before, the same on both."""
    odd = "a\x00b\udcffc\U0001f510"
    der = tools.make_der("odd")
    place = tools.place(der, f"/etc/{odd}.pem", alias=odd, entry=2**31, size=2**63, mtime=1e300, owner=odd, services=[odd])
    tools.record(inventory, tools.answer(der, places=[place], summary={odd: 2**70}), at=tools.START, host=HostName(odd, odd))
    inventory.append_event("test.event", subject=odd, detail={odd: [2**80, float("nan")]})
    (found,) = inventory.documents("places")
    assert (found["path"], found["alias"], found["entry"]) == ("/etc/a\\u0000b\\udcffc\U0001f510.pem", "a\\u0000b\\udcffc\U0001f510", None)
    assert inventory.verify_chain() == ()


def _refusal(url: str, **other: t.Any) -> str:
    with pytest.raises(InventoryError) as error, _open(url, **other):
        pass
    assert "secret" not in repr(error.value)
    return str(error.value)


def test_what_refuses_a_connection_is_one_sentence(cluster: t.Any, server: str) -> None:
    """The database by its host and name, the reason, what to do: nothing of the user or the password."""
    secret = server.replace("@", ":secret@", 1)
    there = secret.rpartition("?")[2]
    assert _refusal(f"postgresql://op:secret@/none?{there}") == "inventory 'postgresql:///none' does not know the user, or does not let it log in"
    assert "does not have this database: make it with createdb" in _refusal(f"postgresql://{cluster.user}:secret@/none?{there}")
    assert _refusal("postgresql://op:secret@127.0.0.1:9/db") == "inventory 'postgresql://127.0.0.1/db' is not there: nothing listens at its address"
    assert "has a host name that cannot be resolved" in _refusal("postgresql://op:secret@db.invalid/db")
    cluster.sql("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    assert "has the encoding 'LATIN1': make it with createdb --encoding=UTF8" in _refusal(f"postgresql://{cluster.user}:secret@/latin?{there}")


@pytest.mark.parametrize(
    ("libpq", "told"),
    [
        ('FATAL:  password authentication failed for user "op"', "refuses the user or the password"),
        ('FATAL:  no pg_hba.conf entry for host "192.0.2.1", user "op", database "db", no encryption', "has no line in its pg_hba.conf"),
        ("server does not support SSL, but SSL was required", "offers no TLS, and sslmode asks for it"),
        ("SSL error: certificate verify failed", "does not show a TLS certificate that can be verified"),
        ("connection timeout expired", "does not answer in time"),
        ("FATAL:  sorry, too many clients already", "has no connection left"),
        ("secret of another kind", "refuses the connection: its own log says why"),
    ],
)
def test_the_words_of_libpq_are_not_repeated(libpq: str, told: str) -> None:
    """They hold names, and who knows what else."""
    assert postgres._why_not(libpq).startswith(told)


def test_an_old_server_and_a_missing_package(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Are told by their version and name."""
    monkeypatch.setattr(postgres, "OLDEST", 990000)
    assert "version 99 or later is needed" in _refusal(server)
    monkeypatch.setattr(sql, "psycopg_package", lambda: None)
    assert "needs the package 'psycopg[binary]'" in _refusal(server)


def test_asking_does_not_make_tables(cluster: t.Any) -> None:
    """Who only reads is told; who asks what would be gets an empty one in memory."""
    cluster.sql("CREATE DATABASE bare")
    assert "has no tables yet: they are made by the first run that records something" in _refusal(cluster.url("bare"), missing="refuse")
    with _open(cluster.url("bare"), missing="empty") as inventory:
        inventory.append_event("test.lost", subject="x")
    assert cluster.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database="bare") == ["0"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_tls_is_verified(cluster: t.Any) -> None:
    """A server is let be who its certificate says, and another one is refused."""
    other = type(cluster)()
    for name in ("server", "foreign"):
        files = ("-keyout", other.folder / f"{name}.key", "-out", other.folder / f"{name}.pem")
        names = ("-subj", "/CN=db", "-addext", "subjectAltName=IP:127.0.0.1")
        other.run("/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files)
    port = _free_port()
    listen = ["listen_addresses=127.0.0.1", f"port={port}"]
    other.settings += [*listen, "ssl=on", f"ssl_cert_file={other.folder}/server.pem", f"ssl_key_file={other.folder}/server.key"]
    url = f"postgresql://{other.user}:secret@127.0.0.1:{port}/postgres?sslmode=verify-full&sslrootcert={other.folder}"
    with other:
        with _open(f"{url}/server.pem") as inventory, inventory._read() as opened:
            assert opened.exec_driver_sql("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").scalar() is True
        assert "does not show a TLS certificate that can be verified" in _refusal(f"{url}/foreign.pem")


def _hold(url: str, taken: t.Any, release: t.Any) -> None:
    with _open(url) as inventory, inventory.transaction():
        taken.set()
        release.wait(60)


def test_a_lock_that_is_not_given_up_is_told(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers wait for a while, readers do not."""
    monkeypatch.setattr(postgres, "_SETTINGS", "SET lock_timeout = '200ms'")
    taken, release = FORK.Event(), FORK.Event()
    worker = FORK.Process(target=_hold, args=(server, taken, release))
    worker.start()
    try:
        assert taken.wait(30)
        with _open(server) as inventory:
            assert list(inventory.documents("events")) == []
            with pytest.raises(InventoryError, match="cannot be written: another writer held a lock"):
                inventory.check_writable()
    finally:
        release.set()
        worker.join(30)


def _append_without_a_server(inventory: Inventory, cluster: t.Any) -> None:
    with inventory.transaction():
        inventory.append_event("test.lost", subject="secret")
        cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'certops.fleet'")
        inventory.append_event("test.lost", subject="secret")


def test_a_lost_connection_is_told(cluster: t.Any, server: str) -> None:
    """The server ends it in the middle: one sentence, nothing half written."""
    with _open(server) as inventory:
        with pytest.raises(InventoryError, match="cannot be written: "):
            _append_without_a_server(inventory, cluster)
        assert list(inventory.documents("events")) == []


def _database(url: str) -> str:
    server = locate(url, environ={}).server
    assert server is not None
    return server.parameters["dbname"]


def _denied(cluster: t.Any, database: str, user: str, statement: str) -> bool:
    with pytest.raises(RuntimeError) as error:
        cluster.sql(statement, database=database, user=user)
    return "permission denied" in str(error.value) or "must be owner" in str(error.value)


def test_roles_have_the_rights_that_they_need_and_no_more(cluster: t.Any, server: str, tools: t.Any) -> None:
    """The writer records and cannot rewrite, the reader reads, the auditor reads events alone."""
    database = _database(server)
    for _again in range(2):
        cluster.sql(ROLES.read_text(), database=database)
    urls = {}
    for role in ("writer", "reader", "auditor"):
        user = f"{role}_{database}"
        cluster.sql(f"CREATE ROLE {user} LOGIN IN ROLE certops_{role}")
        urls[role] = cluster.url(database, user=user)
    der = tools.make_der("roles")
    with _open(urls["writer"]) as inventory:
        inventory.check_writable()
        for _scan_again in range(2):
            tools.record(inventory, tools.answer(der), at=tools.START)
        inventory.put_issuer(tools.issuer)
        inventory.begin_issuance(tools.intent())
    with _open(urls["reader"], missing="refuse") as inventory:
        assert [each["host"] for each in inventory.documents("hosts")] == ["web1"]
        with pytest.raises(InventoryError, match="cannot be written: the user lacks a right"):
            inventory.append_event("test.lost", subject="x")
    with _open(urls["auditor"], missing="refuse") as inventory:
        assert inventory.verify_chain() == ()
        with pytest.raises(InventoryError, match="cannot be read: the user lacks a right"):
            list(inventory.documents("hosts"))
    for statement in ("DROP TABLE events", "UPDATE events SET actor = 'x'", "DELETE FROM events", "TRUNCATE events", "DELETE FROM certificates"):
        assert _denied(cluster, database, f"writer_{database}", statement)
    for statement in ("CREATE TABLE mine (id int)", "INSERT INTO hosts VALUES (9, 'x', 'x', 0)", "ALTER TABLE events DISABLE TRIGGER ALL"):
        assert _denied(cluster, database, f"reader_{database}", statement)


def test_a_migration_is_for_the_owner(cluster: t.Any) -> None:
    """Another user is told so, and nothing is made."""
    cluster.sql("CREATE DATABASE others", "CREATE ROLE stranger LOGIN")
    assert "the user lacks a right, or the schema is one that only its owner may change" in _refusal(cluster.url("others", user="stranger"))


def _fill(inventory: Inventory, tools: t.Any) -> None:
    tools.record(inventory, tools.answer(tools.make_der("kept")), at=tools.START)


def test_a_backup_of_a_server_is_restored(cluster: t.Any, server: str, tools: t.Any) -> None:
    """pg_dump and pg_restore, as the documentation has them."""
    with _open(server) as inventory:
        _fill(inventory, tools)
        before = list(inventory.documents("certificates"))
    database = _database(server)
    there = ("-h", cluster.folder, "-U", cluster.user)
    cluster.run("pg_dump", *there, "--format=custom", "--no-owner", f"--file={cluster.folder}/dump", database)
    cluster.sql("CREATE DATABASE restored")
    cluster.run("pg_restore", *there, "--no-owner", "--exit-on-error", "--dbname=restored", cluster.folder / "dump")
    with _open(cluster.url("restored")) as inventory:
        assert [each["sha256"] for each in inventory.documents("certificates")] == [each["sha256"] for each in before]
        assert inventory.verify_chain() == ()
        inventory.append_event("test.after", subject="x")
        _fill(inventory, tools)


def test_a_backup_of_a_file_is_restored(inventory: Inventory, path: str, tools: t.Any, tmp_path: Path) -> None:
    """VACUUM INTO while another process writes."""
    _fill(inventory, tools)
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("VACUUM INTO ?", (str(tmp_path / "backup.db"),))
    with _open(str(tmp_path / "backup.db")) as restored:
        assert len(list(restored.documents("certificates"))) == 1
        assert restored.verify_chain() == ()


def _value(column: t.Any) -> t.Any:
    """Something for a column that must have a value."""
    kinds = ((sa.Boolean, True), (sa.Integer, 1), (sa.Float, 1.5), (sa.LargeBinary, b"x"))
    return next((value for kind, value in kinds if isinstance(column["type"], kind)), "[]" if column["name"].endswith("_json") else "1")


def _fill_old(opened: sa.Connection) -> dict[str, int]:
    """One row in every table of whatever version this is; how many rows each has."""
    reflected = sa.MetaData()
    reflected.reflect(opened)
    for table in reflected.sorted_tables:
        if table.name != "alembic_version":
            values = {column.name: _value({"name": column.name, "type": column.type}) for column in table.c if not column.nullable}
            opened.execute(table.insert().values(values))
    return {table.name: 1 for table in reflected.sorted_tables}


@pytest.fixture(name="bare")
def _bare(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> t.Iterator[sa.Engine]:
    """An engine for a database without tables."""
    if backend == "sqlite":
        engine = connection.make_engine(str(tmp_path / "bare.db"))
    else:
        cluster = request.getfixturevalue("cluster")
        name = f"bare{random.getrandbits(40):x}"
        cluster.sql(f"CREATE DATABASE {name}")
        engine = connection.open_engine(locate(cluster.url(name), environ={}))
    yield engine
    engine.dispose()


@pytest.mark.parametrize("released", RELEASED)
def test_every_released_schema_goes_up_and_down(bare: sa.Engine, released: str) -> None:
    """With rows in every table: up to what the code expects, down again to what it was, and the rows are there."""
    with connection.begin(bare, connection.ALONE, path="bare") as opened:
        config = migrate.configuration(opened)
        command.upgrade(config, released)
        counts = _fill_old(opened)
        command.upgrade(config, schema.HEAD)
        assert compare_metadata(MigrationContext.configure(opened), schema.metadata) == []
        command.downgrade(config, released)
        assert {name: opened.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar() for name in counts} == counts


def test_the_password_is_in_no_trace(server: str) -> None:
    """Nor in anything that Python prints of an error that nobody caught."""
    code = (
        "import sys, datetime\n"
        "from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import open_inventory\n"
        "with open_inventory(sys.argv[1], now=lambda: datetime.datetime.now(datetime.timezone.utc)) as inventory:\n"
        "    inventory._read().__enter__().exec_driver_sql('x')\n"
    )
    env = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    for url in ("postgresql://op:topsecret@127.0.0.1:9/db", server.replace("@", ":topsecret@", 1)):
        done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, check=False, env=env)
        assert done.returncode == 1
        assert "topsecret" not in done.stdout + done.stderr
