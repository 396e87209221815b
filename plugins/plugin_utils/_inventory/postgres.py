# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections to PostgreSQL: its settings, the locks of writers, and what its refusals mean.

Writers of one host each run side by side: they share the lock WRITERS, write shared rows in the order of their keys, and append their event as their last
act, behind the lock CHAIN, so that there is one chain. A transaction that reads before it writes has WRITERS for itself. Locks end with the transaction.
"""

from __future__ import annotations

import functools
import re
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.server import Server
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import psycopg_package, require_postgresql, sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import InventoryError

OLDEST = 150000
LOCK_SECONDS = 60
STATEMENT_SECONDS = 600
# Locks of an application have numbers: https://www.postgresql.org/docs/15/explicit-locking.html, section 13.3.5. These are "cert" and 1 or 2.
WRITERS, CHAIN = f"{0x63657274}, 1", f"{0x63657274}, 2"
SHARE = f"SELECT pg_advisory_xact_lock_shared({WRITERS})"
ALONE = f"SELECT pg_advisory_xact_lock({WRITERS})"
APPEND = f"SELECT pg_advisory_xact_lock({CHAIN})"
READ_ONLY = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
RETRIED = ("40P01", "40001", "23505")  # deadlock, serialization failure, a row that somebody else has added meanwhile

_SETTINGS = f"SET lock_timeout = '{LOCK_SECONDS}s'; SET statement_timeout = '{STATEMENT_SECONDS}s'"
_SETTINGS += f"; SET idle_in_transaction_session_timeout = '{STATEMENT_SECONDS}s'; SET TimeZone = 'UTC'"
# What the server or libpq says, and what is told instead: their own words hold names of users, and some hold what was sent.
_CONNECT = (
    (r"password authentication failed|no password supplied", "refuses the user or the password: see certops_inventory, PGPASSWORD and PGPASSFILE"),
    (r"no pg_hba.conf entry", "has no line in its pg_hba.conf that lets this user in from here in this way (with or without TLS)"),
    (r"database .* does not exist", "does not have this database: make it with createdb"),
    (r"role .* (does not exist|is not permitted to log in)", "does not know the user, or does not let it log in"),
    (r"permission denied for database|User does not have CONNECT", "does not let the user into this database: GRANT CONNECT is missing"),
    (r"does not support SSL", "offers no TLS, and sslmode asks for it: set up TLS there, or choose another sslmode"),
    (r"certificate verify failed|root certificate|does not match host name|certificate.*not.*present", "does not show a TLS certificate that can be verified"),
    (r"could not translate host name|Name or service not known|failed to resolve", "has a host name that cannot be resolved"),
    (r"timeout|timed out", "does not answer in time"),
    (r"Connection refused|No such file or directory|No route to host|unreachable", "is not there: nothing listens at its address"),
    (r"too many clients|remaining connection slots", "has no connection left: raise max_connections, or run with fewer forks"),
    (r"starting up|shutting down", "is starting or stopping"),
    (r"definition of service", "names a service that the service file does not have"),
)
_STATES = {
    "42501": "the user lacks a right, or the schema is one that only its owner may change: see docs/postgresql.md",
    "55P03": f"another writer held a lock for {LOCK_SECONDS} s",
    "57014": f"a statement took longer than {STATEMENT_SECONDS} s",
    "40P01": "two writers waited for each other",
    "40001": "another writer changed the same rows",
    "23505": "another writer added the same row",
    "53100": "its disk is full",
    "25006": "it is read-only: a standby, or default_transaction_read_only",
    "3F000": "no schema of the search_path exists",
}


def make_engine(server: Server, options: t.Mapping[str, t.Any]) -> sa.Engine:
    """An engine for one call. Its first connection tells whether the server can be used."""
    require_postgresql()
    pool = sa.pool.QueuePool(functools.partial(_connect, server), dialect=_dialect())
    return sa.Engine(pool, _dialect(), sa.URL.create("postgresql+psycopg"), hide_parameters=True, execution_options=options)


@functools.cache
def _dialect() -> sa.Dialect:
    """One for all engines, see the one of SQLite. What it would ask a server at its first connection is the same for all that are taken."""
    dialect: t.Any = sa.create_engine("postgresql+psycopg://", use_native_hstore=False).dialect
    dialect.server_version_info = (15,)
    dialect.default_schema_name = None
    dialect.supports_smallserial = dialect.supports_identity_columns = True
    return t.cast("sa.Dialect", dialect)


def _connect(server: Server) -> t.Any:
    psycopg = psycopg_package()
    try:
        connection = psycopg.connect(**server.parameters)
    except psycopg.Error as exc:
        raise InventoryError(f"inventory {server.name!r} {_why_not(str(exc))}") from None
    try:
        _check(connection, server.name)
        connection.execute(_SETTINGS, prepare=False)
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: t.Any, name: str) -> None:
    info = connection.info
    if info.server_version < OLDEST:
        raise InventoryError(f"inventory {name!r} is PostgreSQL {info.server_version // 10000}: version {OLDEST // 10000} or later is needed")
    encoding = info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise InventoryError(f"inventory {name!r} has the encoding {encoding!r}: make it with createdb --encoding=UTF8 --template=template0")


def _why_not(text: str) -> str:
    return next((told for pattern, told in _CONNECT if re.search(pattern, text)), "refuses the connection: its own log says why")


def sentence(error: BaseException | None) -> str:
    """What went wrong, without a statement and without a value: C(DETAIL) would hold the row."""
    state = getattr(error, "sqlstate", None)
    if state in _STATES:
        return _STATES[state]
    diagnosis = getattr(error, "diag", None)
    if state is None:
        return "the connection was lost"
    return f"{getattr(diagnosis, 'message_primary', None) or 'it gives no reason'} (SQLSTATE {state})"
