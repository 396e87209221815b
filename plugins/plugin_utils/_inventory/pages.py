# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows that documents are made of: all of them, a page of them, or how many there are.

A page begins behind the key of the last row of the page before it, so that the thousandth costs what the first does, and what was added meanwhile moves
nothing. Rows come in parts: what belongs to them is read for one part after the other.
"""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import CHUNK
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.select_sql import Fields, Selection
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa

Row = t.Mapping[t.Any, t.Any]
Key = tuple[str | int, ...]
Place = tuple[int, Key]  # the number of a source, and the key of one of its rows
_ABOUT = "page_key_"


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of a table with what is joined to it, in the order of C(keys), of which none is null and no two rows have the same.

    C(joins) are tables and what they are joined by, C(outer) whether a row may have none of them; no join adds rows or takes any away. C(only) is a condition
    that all rows have.
    """

    columns: tuple[t.Any, ...]
    table: t.Any
    joins: tuple[tuple[t.Any, t.Any, bool], ...]
    keys: tuple[t.Any, ...]
    fields: Fields
    only: tuple[t.Any, ...] = ()

    def rows(self, wanted: tuple[t.Any, ...]) -> t.Any:
        """The statement for those that have the conditions."""
        keys = [key.label(f"{_ABOUT}{number}") for number, key in enumerate(self.keys)]
        joined = functools.reduce(_join, self.joins, self.table)
        return sa.select(*self.columns, *keys).select_from(joined).where(*self.only, *wanted).order_by(*self.keys)

    def counted(self, wanted: tuple[t.Any, ...]) -> t.Any:
        """The statement for their number; only those tables are joined that a condition asks for."""
        asked = {element.table for clause in wanted for element in sa.sql.visitors.iterate(clause) if isinstance(element, sa.Column)}
        joined = functools.reduce(_join, (join for join in self.joins if join[0] in asked), self.table)
        return sa.select(sa.func.count()).select_from(joined).where(*self.only, *wanted)

    def behind(self, key: Key) -> tuple[t.Any, ...]:
        """The conditions that a row comes after the one with this key. That of the first table's columns alone lets the database begin there."""
        values = [sa.bindparam(None, value, type_=column.type) for column, value in zip(self.keys, key, strict=True)]
        first = sum(column.table is self.keys[0].table for column in self.keys)
        after = sa.tuple_(*self.keys) > sa.tuple_(*values)
        return (after,) if first == len(self.keys) else (sa.tuple_(*self.keys[:first]) >= sa.tuple_(*values[:first]), after)


@dataclass(slots=True)
class Page:
    """At most C(limit) rows behind a place. C(behind) becomes where the next page begins, None after the last one."""

    limit: int
    behind: Place | None = None


@dataclass(slots=True)
class Asked:
    """What of a kind is asked for. A page is only for a selection that makes one element of each document."""

    selection: Selection
    page: Page | None = None
    sort: str | None = None

    def parts(self, connection: sa.Connection, *sources: Source) -> t.Iterator[tuple[int, list[Row]]]:
        """The number of the source and rows of it, all sources one after the other."""
        if self.page is None:
            for number, source in enumerate(sources):
                statement = source.rows(self.selection.conditions(source.fields))
                for part in connection.execute(statement, execution_options={"yield_per": CHUNK}).mappings().partitions():
                    yield number, list(part)
        else:
            yield from _page(connection, self.selection, self.page, sources)


def count(connection: sa.Connection, selection: Selection, sources: t.Sequence[Source]) -> int | None:
    """How many rows there are; None where the database cannot tell."""
    if not all(selection.one_each(source.fields) for source in sources):
        return None
    return sum(int(connection.execute(source.counted(selection.conditions(source.fields))).scalar_one()) for source in sources)


def _page(connection: sa.Connection, selection: Selection, page: Page, sources: t.Sequence[Source]) -> t.Iterator[tuple[int, list[Row]]]:
    """The rows of a page, and one row more to know whether another one follows."""
    begin, key = page.behind or (0, None)
    page.behind, left = None, page.limit
    last: Place | None = None
    for number, source in enumerate(sources[begin:], begin):
        behind = () if key is None else source.behind(key)
        key = None
        rows = connection.execute(source.rows((*selection.conditions(source.fields), *behind)).limit(left + 1)).mappings().all()
        if rows[:left]:
            last = (number, tuple(rows[:left][-1][f"{_ABOUT}{index}"] for index in range(len(source.keys))))
            yield number, list(rows[:left])
        if len(rows) > left:
            page.behind = last
            return
        left -= len(rows)


def _join(joined: t.Any, join: tuple[t.Any, t.Any, bool]) -> t.Any:
    table, condition, outer = join
    return joined.join(table, condition, isouter=outer)
