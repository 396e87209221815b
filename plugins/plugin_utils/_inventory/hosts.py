# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that go by another name from now on, and two names that turned out to be one host. What was seen of them stays theirs."""

from __future__ import annotations

import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.absences import forget_absences
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import upsert
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.scans import is_host
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import clean_text
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Event, HostName, InventoryError

Row = t.Mapping[str, t.Any]


def rename(connection: sa.Connection, host: HostName, to: HostName) -> Event | None:
    """Gives a host another name; None where it has it already. The events before keep the old one."""
    number, other = _number(connection, host), _number(connection, to)
    if number is None and other is not None:
        return None
    if number is None:
        raise InventoryError(f"host {_shown(host)} is not in the inventory: accepted is one that was recorded, as inventory_info lists them with kind hosts")
    if other is not None:
        raise InventoryError(f"host {_shown(to)} is in the inventory already: accepted for rename_to is a new name; merge_into makes one host of two")
    names = {"namespace": clean_text(to.namespace), "name": clean_text(to.name)}
    connection.execute(schema.hosts.update().where(schema.hosts.c.id == number).values(names))
    _look_from(connection, host, to)
    return Event(kind="host.renamed", subject=to.name, host=to, detail={"from": {"namespace": host.namespace, "host": host.name}})


def merge(connection: sa.Connection, host: HostName, into: HostName) -> Event | None:
    """Gives everything of a host to another one; None where only the other is left. What both have counts as seen since the first of both times.

    The next scan is not compared with what was seen before, so that it tells what of both is there.
    """
    number, other = _number(connection, host), _number(connection, into)
    if number is None and other is not None:
        return None
    if other is None or number is None:
        lacking = host if number is None else into
        raise InventoryError(f"host {_shown(lacking)} is not in the inventory: accepted are two that were recorded; rename_to gives one another name")
    if number == other:
        raise InventoryError(f"host {_shown(host)} cannot be merged into itself: merge_into must name another host")
    said = schema.host_ownership_pasts
    connection.execute(said.delete().where(said.c.host_id == number))  # what counts is what was said of the one that stays
    for table in schema.metadata.sorted_tables:
        if "host_id" in table.primary_key:
            _join(connection, table, number, other)
        if "host_id" in table.c:
            connection.execute(table.update().where(table.c.host_id == number).values(host_id=other))
    _look_from(connection, host, into)
    _end(connection, number, other)
    return Event(kind="host.merged", subject=into.name, host=into, detail={"from": {"namespace": host.namespace, "host": host.name}})


def _number(connection: sa.Connection, host: HostName) -> int | None:
    return connection.execute(sa.select(schema.hosts.c.id).where(is_host(host))).scalar()


def _shown(host: HostName) -> str:
    return f"{host.name!r} of the namespace {host.namespace!r}" if host.namespace else repr(host.name)


def _join(connection: sa.Connection, table: sa.Table, number: int, other: int) -> None:
    """Makes one row of two with the same identity: the one that was seen last, since the time of the first."""
    keys = [column.name for column in table.primary_key if column.name != "host_id"]
    rows: dict[tuple[t.Any, ...], list[Row]] = {}
    for row in connection.execute(table.select().where(table.c.host_id.in_((number, other)))).mappings():
        rows.setdefault(tuple(row[name] for name in keys), []).append(dict(row))
    twice = {key: pair for key, pair in rows.items() if len(pair) > 1}
    upsert(connection, table, [_newest(pair) | {"host_id": other} for pair in twice.values()])
    forget_absences(connection, table, twice, hosts=(number, other))
    for key in twice:
        connection.execute(table.delete().where(table.c.host_id == number, *(table.c[name] == value for name, value in zip(keys, key, strict=True))))


def _newest(pair: t.Sequence[Row]) -> dict[str, t.Any]:
    newest = max(pair, key=lambda row: row["scan_id"] if "scan_id" in row else row["changed"])
    return {**newest, **({"first_seen": min(row["first_seen"] for row in pair)} if "first_seen" in newest else {})}


def _look_from(connection: sa.Connection, host: HostName, to: HostName) -> None:
    """Endpoints are known by the host that looked, too: of two that looked at the same, the last look stays."""
    table = schema.endpoints
    new = {"namespace": clean_text(to.namespace), "seen_from": clean_text(to.name)}
    keys = [column.name for column in table.primary_key]
    looked = [dict(row) for row in connection.execute(table.select().where(*_seen_from(host))).mappings()]
    there = {tuple(row[name] for name in keys): row for row in connection.execute(table.select().where(*_seen_from(to))).mappings()}
    moved = [row | new for row in looked]
    connection.execute(table.delete().where(*_seen_from(host)))
    pasts = schema.endpoint_pasts
    connection.execute(pasts.update().where(pasts.c.namespace == clean_text(host.namespace), pasts.c.seen_from == clean_text(host.name)).values(new))
    upsert(connection, table, [row for row in moved if there.get(tuple(row[name] for name in keys), row)["looked_at"] <= row["looked_at"]])


def _seen_from(host: HostName) -> tuple[sa.ColumnElement[bool], ...]:
    return schema.endpoints.c.namespace == clean_text(host.namespace), schema.endpoints.c.seen_from == clean_text(host.name)


def _end(connection: sa.Connection, number: int, other: int) -> None:
    """The one that stays is as old as the older; the other one is no more."""
    hosts = schema.hosts
    both = connection.execute(hosts.select().where(hosts.c.id.in_((number, other)))).all()
    times = {
        "first_seen": min(row.first_seen for row in both),
        "last_seen": max((row.last_seen for row in both if row.last_seen is not None), default=None),
        "compared_after": connection.execute(sa.select(sa.func.max(schema.scans.c.id)).where(schema.scans.c.host_id == other)).scalar(),
    }
    connection.execute(hosts.update().where(hosts.c.id == other).values(times))
    connection.execute(hosts.delete().where(hosts.c.id == number))
