# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When things on hosts were gone that are there again. A thing that stays, or stays away, has no row here: its own row tells all of it."""

from __future__ import annotations

import functools
import itertools
import operator
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import insert_new
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa

Row = t.Mapping[str, t.Any]
KEYS = ("key_1", "key_2", "key_3")


def key_columns(table: sa.Table) -> list[sa.Column[t.Any]]:
    """What a row has besides its host to be told by, in the order of KEYS."""
    return [column for column in table.primary_key if column.name != "host_id"]


def keep_absences(connection: sa.Connection, table: sa.Table, rows: t.Sequence[Row], *, host: int, time: int) -> None:
    """Keeps of those rows that are about to be there again when they were gone."""
    if not rows:
        return
    names = [column.name for column in key_columns(table)]
    key = operator.itemgetter(*names)
    gone = {key(row): row["gone_at"] for row in connection.execute(_gone(table), {"host": host}).mappings()}
    back = [(_parts(row, names), gone[key(row)]) for row in rows if key(row) in gone] if gone else []
    times = {"host_id": host, "thing": table.name, "back_at": time}
    insert_new(connection, schema.absences, [{**times, **parts, "gone_at": gone_at} for parts, gone_at in back if gone_at < time])


def forget_absences(connection: sa.Connection, table: sa.Table, keys: t.Iterable[tuple[t.Any, ...]], *, hosts: t.Collection[int]) -> None:
    """Takes back what two hosts, which turned out to be one, each lacked for a time: the other had it."""
    absences = schema.absences
    for key in keys:
        same = [absences.c[name] == part for name, part in itertools.zip_longest(KEYS, key, fillvalue="")]
        connection.execute(absences.delete().where(absences.c.host_id.in_(hosts), absences.c.thing == table.name, *same))


def _parts(row: Row, names: t.Sequence[str]) -> dict[str, str]:
    return {part: row[name] if name else "" for part, name in itertools.zip_longest(KEYS, names, fillvalue="")}


@functools.cache
def _gone(table: sa.Table) -> sa.Select[t.Any]:
    """Made once a table: making it takes longer than running it."""
    return sa.select(*key_columns(table), table.c.gone_at).where(table.c.host_id == sa.bindparam("host"), table.c.gone_at.is_not(None))
