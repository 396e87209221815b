# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections: the SQLite file, its creation and settings, or a server; and transactions that say at their beginning whether they write."""

from __future__ import annotations

import contextlib
import functools
import os
import time
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import last, postgres
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.location import Location
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import ConflictError, InventoryError

BUSY_SECONDS = 60
# What a transaction is for. ALONE is as WRITE, and on a server nobody else writes meanwhile: for who reads first and writes what follows from it.
READ, WRITE, ALONE = "read", "write", "alone"
MEMORY = ":memory:"
# How it begins. A writer takes the lock at once: one that reads first and then wants to write is refused by SQLite or, worse, writes what it read too early.
_BEGIN = {
    "sqlite": {READ: "BEGIN", WRITE: "BEGIN IMMEDIATE", ALONE: "BEGIN IMMEDIATE"},
    "postgresql": {READ: postgres.READ_ONLY, WRITE: postgres.SHARE, ALONE: postgres.ALONE},
}
_COMPILED: dict[t.Any, t.Any] = {}  # statements as SQL, for every engine of this process and of its forks: making them costs more than running them


def create_file(path: str) -> None:
    """The empty file, readable by its owner alone before anything is in it; SQLite gives its helper files the same mode."""
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # another process was first
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as exc:
        raise InventoryError(f"inventory {path!r} cannot be made: {exc.strerror}; set certops_inventory to a file that this user can write") from exc


def open_engine(location: Location) -> sa.Engine:
    """An engine for one call on what is there, see C(make_engine)."""
    if location.server is None:
        last.remember(last.FILE)
        return make_engine(location.path)
    last.remember(last.SERVER)
    return postgres.make_engine(location.server, {"compiled_cache": _COMPILED})


def make_engine(path: str) -> sa.Engine:
    """An engine for one call, until C(dispose): workers are forks, nothing may outlive it. Its transactions share a connection, as opening and closing one
    costs more than most of them; MEMORY lives as long as that."""
    pool = (sa.pool.StaticPool if path == MEMORY else sa.pool.QueuePool)(functools.partial(_connect, path), dialect=_dialect())
    url = sa.URL.create("sqlite+pysqlite", database=path)
    engine = sa.Engine(pool, _dialect(), url, hide_parameters=True, execution_options={"compiled_cache": _COMPILED})
    sa.event.listen(engine, "connect", _on_connect)
    return engine


@functools.cache
def _dialect() -> sa.Dialect:
    """One for all engines: what it has made of a statement is found again by it alone. It learns from a connection what the library can do."""
    engine = sa.create_engine("sqlite+pysqlite://")
    engine.connect().close()
    engine.dispose()
    return engine.dialect


def _connect(path: str) -> t.Any:
    return _dialect().connect(path, timeout=BUSY_SECONDS, check_same_thread=False)


@contextlib.contextmanager
def begin(engine: sa.Engine, how: str, *, path: str) -> t.Iterator[sa.Connection]:
    """One transaction; every error of the database comes out as one sentence without values."""
    try:
        with engine.connect() as connection, connection.begin():
            connection.exec_driver_sql(_BEGIN[engine.dialect.name][how])
            yield connection
    except sa.exc.DBAPIError as exc:
        # Without its cause: ansible-core 2.19 prints the text of every exception in the chain, here the whole SQL statement.
        kind = ConflictError if getattr(exc.orig, "sqlstate", None) in postgres.RETRIED else InventoryError
        why = postgres.sentence(exc.orig) if engine.dialect.name == "postgresql" else exc.orig
        raise kind(f"inventory {path!r} cannot be {'read' if how == READ else 'written'}: {why}") from None


def lock_chain(connection: sa.Connection) -> None:
    """From here to the end of the transaction nobody else appends an event; the writer of a file is alone anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(postgres.APPEND)


def _on_connect(connection: t.Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself
    _use_wal(connection)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


def _use_wal(connection: t.Any) -> None:
    """The change to WAL is refused at once, without the busy timeout, while another process makes it: try again until it has."""
    deadline = time.monotonic() + BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] not in ("wal", "memory"):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except connection.OperationalError as exc:
            if "locked" not in str(exc) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
