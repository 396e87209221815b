# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many rows at once, on SQLite and on PostgreSQL.

They are written in the order of their keys: two transactions that write the same rows in another order would wait for each other on PostgreSQL.
"""

from __future__ import annotations

import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import postgresql, sa, sqlite

Row = t.Mapping[str, t.Any]
# Databases limit the parameters of a statement (SQLite before 3.32: 999).
CHUNK = 500


def insert_row(connection: sa.Connection, table: sa.Table, row: Row) -> int:
    """Inserts one row and gives the number that it got."""
    key = connection.execute(table.insert(), dict(row)).inserted_primary_key
    return int(key[0]) if key else 0


def insert_new(connection: sa.Connection, table: sa.Table, rows: t.Sequence[Row]) -> None:
    """Inserts those that are not there; the others stay as they are."""
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), _ordered(table, rows))


def upsert(connection: sa.Connection, table: sa.Table, rows: t.Sequence[Row], *, keep: t.Collection[str] = ()) -> None:
    """Inserts, or changes what is there by primary key to exactly this, except for the columns in ``keep``."""
    if not rows:
        return
    statement = _insert(connection, table)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys and name not in keep}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), _ordered(table, rows))


def present(connection: sa.Connection, column: sa.Column[t.Any], values: t.Collection[str]) -> set[str]:
    """Those of the values that the column has."""
    found: set[str] = set()
    ordered = list(values)
    for start in range(0, len(ordered), CHUNK):
        found.update(connection.execute(sa.select(column).where(column.in_(ordered[start : start + CHUNK]))).scalars())
    return found


def _insert(connection: sa.Connection, table: sa.Table) -> t.Any:
    """The INSERT that knows ON CONFLICT: both take the same calls."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def _ordered(table: sa.Table, rows: t.Sequence[Row]) -> list[Row]:
    names = [column.name for column in table.primary_key if column.name in rows[0]]
    return sorted(rows, key=lambda row: tuple(row[name] for name in names))
