# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many rows at once, on SQLite and on PostgreSQL.

They are written in the order of their keys: two transactions that write the same rows in another order would wait for each other on PostgreSQL.
"""

from __future__ import annotations

import functools
import itertools
import operator
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa, server_dialect, sqlite

Row = t.Mapping[str, t.Any]
V = t.TypeVar("V")
# Databases limit the parameters of a statement (SQLite before 3.32: 999).
CHUNK = 500
# So many rows go to a server faster by COPY than one after the other.
COPIED = 1000
_COPY = "given_rows"


def insert_row(connection: sa.Connection, table: sa.Table, row: Row) -> int:
    """Inserts one row and gives the number that it got."""
    key = connection.execute(table.insert(), dict(row)).inserted_primary_key
    return int(key[0]) if key else 0


def insert_new(connection: sa.Connection, table: sa.Table, rows: t.Sequence[Row]) -> None:
    """Inserts those that are not there; the others stay as they are."""
    _write(connection, table, rows, changed=())


def upsert(connection: sa.Connection, table: sa.Table, rows: t.Sequence[Row], *, keep: t.Collection[str] = ()) -> None:
    """Inserts, or changes what is there by primary key to exactly this, except for the columns in ``keep``. Every row has the same columns."""
    keys = [column.name for column in table.primary_key]
    _write(connection, table, rows, changed=tuple(name for name in (rows[0] if rows else ()) if name not in keys and name not in keep))


def present(connection: sa.Connection, column: sa.Column[t.Any], values: t.Collection[str]) -> set[str]:
    """Those of the values that the column has."""
    found: set[str] = set()
    for part in parts(values):
        found.update(connection.execute(sa.select(column).where(column.in_(part))).scalars())
    return found


def parts(values: t.Iterable[V]) -> t.Iterator[list[V]]:
    """The values in lists that are not too long for the parameters of a statement."""
    left = iter(values)
    return iter(lambda: list(itertools.islice(left, CHUNK)), [])


def _write(connection: sa.Connection, table: sa.Table, rows: t.Sequence[Row], *, changed: tuple[str, ...]) -> None:
    """Hands the rows to the driver as they are: what SQLAlchemy does for each of them takes longer than the database."""
    if not rows:
        return
    names = tuple(rows[0])
    pick = operator.itemgetter(*names, names[0])  # with one more, so that it is a tuple for a single column, too
    values = [pick(row)[:-1] for row in _ordered(table, rows)]
    into = _into(connection.dialect.name, table, names)
    conflict = _conflict(connection.dialect.name, table, changed)
    if connection.dialect.name == "postgresql" and len(values) >= COPIED:
        _copy(connection, table, names, values)
        connection.exec_driver_sql(f"{into} SELECT * FROM {_COPY} {conflict}")  # noqa: S608 -- names of the schema alone
        connection.exec_driver_sql(f"DROP TABLE {_COPY}")
    else:
        mark = "%s" if connection.dialect.name == "postgresql" else "?"
        connection.exec_driver_sql(f"{into} VALUES ({', '.join([mark] * len(names))}) {conflict}", values)


@functools.cache
def _into(kind: str, table: sa.Table, names: tuple[str, ...]) -> str:
    quote = _quote(kind)
    return f"INSERT INTO {quote(table.name)} ({', '.join(map(quote, names))})"


@functools.cache
def _conflict(kind: str, table: sa.Table, changed: tuple[str, ...]) -> str:
    """What becomes of a row that is there: without a column that is ``changed`` it stays as it is."""
    quote = _quote(kind)
    if not changed:
        return "ON CONFLICT DO NOTHING"
    keys = ", ".join(quote(column.name) for column in table.primary_key)
    values = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in changed)
    return f"ON CONFLICT ({keys}) DO UPDATE SET {values}"


def _copy(connection: sa.Connection, table: sa.Table, names: tuple[str, ...], values: t.Iterable[tuple[t.Any, ...]]) -> None:
    """Brings many rows to a server in one go, into a table of this transaction's own."""
    quote = _quote("postgresql")
    columns = ", ".join(map(quote, names))
    shape = f"SELECT {columns} FROM {quote(table.name)} WITH NO DATA"  # noqa: S608 -- as above
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {_COPY} ON COMMIT DROP AS {shape}")
    try:
        with t.cast(t.Any, connection.connection.cursor()) as cursor, cursor.copy(f"COPY {_COPY} FROM STDIN") as stream:
            for row in values:
                stream.write_row(row)
    except connection.dialect.loaded_dbapi.Error as exc:
        raise sa.exc.DBAPIError("COPY", None, exc) from exc


def _quote(kind: str) -> t.Callable[[str], str]:
    """Names as the database wants them, those that are words of SQL in quotes."""
    return (server_dialect() if kind == "postgresql" else sqlite).dialect().identifier_preparer.quote  # type: ignore[no-any-return]


def _ordered(table: sa.Table, rows: t.Sequence[Row]) -> t.Sequence[Row]:
    """The rows by their key, of equal ones the last; without a key as they are, because the database makes it."""
    names = [column.name for column in table.primary_key]
    if not set(names) <= set(rows[0]):
        return rows
    key = operator.itemgetter(*names)
    last = {key(row): row for row in rows}
    return [last[name] for name in sorted(last)]
