# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory as it was at a time.

Every question is asked as it is today. In front of it stand queries that go by the names of the tables (C(WITH places AS ...)) and give what each had at that
time: what came later is not there, what went later or was gone for a while only then is as it was. What was overwritten since is as it was seen later, and
has no C(last_seen).
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.absences import KEYS, key_columns
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa

SEEN = ("places", "bundle_places", "keys", "locked_stores", "records", "trust_stores", "services", "renewers")
# When rows came that are never changed.
_CAME = {"certificates": "first_seen", "bundles": "first_seen", "host_evidence": "first_seen", "issuers": "added", "events": "time", "runs": "began"}
Column = t.Any
# What cannot be told of a time that is over, of the kinds that it matters to.
_OVERWRITTEN = "where last_seen is null it was seen again after that time, and what may change of it, such as its mode or class, is as it was seen later"
_RENAMED = "hosts go by the names that they have today, and merged hosts are one"
_LIMITS: dict[str, tuple[str, ...]] = {
    "hosts": (
        _RENAMED,
        "the first of several machine_id and product_uuid is the one that was seen last until today, and addresses are all that were seen until then",
    ),
    "issuances": ("the state is intent or issued where it changed again after that time, though it may have been installed",),
    "issuers": ("kind, certificate and facts are as they are today",),
    "imported": ("what is told of a certificate is what the last import said of it, and one that an export lacked for a while counts as listed",),
    "runs": ("a run that was not over then has the hosts that were asked until then",),
}
_STATES = "what was issued here counts as enrolled where its state changed again after that time, though it may have been provisioned"
_ON_HOSTS = ("places", "endpoints", "bundles", "keys", "trust_stores", "crls", "requests", "services", "renewers", "certificates", "mismatches")


def limits(kind: str) -> list[str]:
    """What an answer about a time that is over cannot tell, one sentence each."""
    seen = [_OVERWRITTEN, _RENAMED] if kind in _ON_HOSTS else []
    return [*seen, *([_STATES] if kind in ("certificates", "places") else []), *_LIMITS.get(kind, ())]


@contextlib.contextmanager
def as_it_was(connection: sa.Connection, time: int | None) -> t.Iterator[None]:
    """Selects inside see what was there at a time; None is now."""
    if time is None:
        yield
        return
    ctes = _ctes(connection.dialect.name, time)
    made: dict[int, tuple[t.Any, t.Any]] = {}  # with the statement itself, so that no other gets its number

    def rewrite(_connection: t.Any, statement: t.Any, many: t.Any, one: t.Any, _options: t.Any) -> tuple[t.Any, t.Any, t.Any]:
        if id(statement) not in made:
            tables = {part.name for part in sa.sql.visitors.iterate(statement) if isinstance(part, sa.Table)}
            made[id(statement)] = (statement, statement.add_cte(*(ctes[name] for name in ctes if name in tables)))
        return made[id(statement)][1], many, one

    sa.event.listen(connection, "before_execute", rewrite, retval=True)
    try:
        yield
    finally:
        sa.event.remove(connection, "before_execute", rewrite)


def _ctes(dialect: str, time: int) -> dict[str, t.Any]:
    """Those of all tables whose rows tell of a time."""
    at = sa.literal(time, sa.BigInteger)
    made = {name: _came(name, column, dialect, at) for name, column in _CAME.items()}
    made |= {name: _seen(schema.metadata.tables[name], dialect, at) for name in SEEN}
    made |= {"hosts": _hosts(dialect, at), "scans": _scans(dialect, at), "endpoints": _endpoints(dialect, at), "issuances": _issuances(dialect, at)}
    made |= {"bundle_members": _bundle_members(dialect, at), "assignments": _assignments(dialect, at), "host_ownership": _host_ownership(dialect, at)}
    made["imported"] = _imported(dialect, at)
    return {name: statement.cte(name) for name, statement in made.items()}


def _stored(name: str, dialect: str) -> t.Any:
    """The table itself. On PostgreSQL a query does not see itself by its own name; SQLite has another name for what is in the file."""
    columns = (sa.column(column.name, column.type) for column in schema.metadata.tables[name].c)
    return sa.table(name, *columns, schema="main" if dialect == "sqlite" else None)


def _until(column: Column, at: Column) -> Column:
    """A time that was not there yet is none."""
    return sa.case((column <= at, column))


def _changed(table: t.Any, **other: Column) -> t.Any:
    """All columns of a table, some of them made otherwise."""
    return sa.select(*(other.get(column.name, column).label(column.name) for column in table.c))


def _came(name: str, column: str, dialect: str, at: Column) -> t.Any:
    table = _stored(name, dialect)
    return sa.select(table).where(table.c[column] <= at)


def _seen(table: sa.Table, dialect: str, at: Column) -> t.Any:
    stored, absences = _stored(table.name, dialect), schema.absences.c
    keys: list[Column] = [stored.c[key.name] for key in key_columns(table)]
    keys += [sa.literal("")] * (len(KEYS) - len(keys))
    same = (absences[name] == key for name, key in zip(KEYS, keys, strict=True))
    here = (absences.host_id == stored.c.host_id, absences.thing == table.name, *same)
    absent = sa.select(sa.func.min(absences.gone_at)).where(*here, absences.gone_at <= at, absences.back_at > at).scalar_subquery()
    return _changed(stored, gone_at=sa.func.coalesce(absent, _until(stored.c.gone_at, at))).where(stored.c.first_seen <= at)


def _hosts(dialect: str, at: Column) -> t.Any:
    hosts, scans = _stored("hosts", dialect), _stored("scans", dialect)
    answered = sa.select(sa.func.max(scans.c.ended)).where(scans.c.host_id == hosts.c.id, scans.c.digest.is_not(None), scans.c.ended <= at)
    return _changed(hosts, last_seen=answered.scalar_subquery()).where(hosts.c.first_seen <= at)


def _scans(dialect: str, at: Column) -> t.Any:
    """Their C(seen_until) is the end of the last scan with the same result until then: to be looked for where there was one later."""
    scans = _stored("scans", dialect)
    again = scans.alias("again")
    same = sa.or_(again.c.id == scans.c.id, again.c.same_as == scans.c.id)
    last = sa.select(sa.func.max(again.c.ended)).where(again.c.host_id == scans.c.host_id, same, again.c.ended <= at).scalar_subquery()
    until = sa.case((scans.c.seen_until > at, last), else_=scans.c.seen_until)
    return _changed(scans, seen_until=until).where(scans.c.ended <= at)


def _endpoints(dialect: str, at: Column) -> t.Any:
    """What the first row that was put aside later had, or where there is none, what it has now."""
    endpoints, pasts = _stored("endpoints", dialect), schema.endpoint_pasts
    names = [key.name for key in schema.endpoints.primary_key]
    columns = [column.name for column in schema.endpoints.c]
    order = sa.func.row_number().over(partition_by=[pasts.c[name] for name in names], order_by=(pasts.c.until, pasts.c.id)).label("place")
    later = sa.select(*(pasts.c[name] for name in columns), order).where(pasts.c.until > at).subquery("later")
    put_aside = sa.exists().where(*(pasts.c[name] == endpoints.c[name] for name in names), pasts.c.until > at)
    current = sa.select(endpoints).where(sa.not_(put_aside))
    shown = sa.union_all(sa.select(*(later.c[name] for name in columns)).where(later.c.place == 1), current).subquery("shown")
    times = {name: _until(shown.c[name], at) for name in ("last_seen", "looked_at", "gone_at")}
    reason = sa.case((shown.c.looked_at <= at, shown.c.reason))
    return _changed(shown, **times, reason=reason).where(shown.c.first_seen <= at)


def _issuances(dialect: str, at: Column) -> t.Any:
    """Their state is known as far as that: an intent, or issued."""
    table = _stored("issuances", dialect)
    issued, same = table.c.issued <= at, table.c.changed <= at
    other = {name: sa.case((issued, table.c[name])) for name in ("issued", "certificate", "chain_json")}
    other["state"] = sa.case((same, table.c.state), (issued, "issued"), else_="intent")
    other["changed"] = sa.case((same, table.c.changed), (issued, table.c.issued), else_=table.c.began)
    other["reason"] = sa.case((same, table.c.reason))
    return _changed(table, **other).where(table.c.began <= at)


def _bundle_members(dialect: str, at: Column) -> t.Any:
    members, bundles = _stored("bundle_members", dialect), _stored("bundles", dialect)
    return sa.select(members).where(members.c.bundle.in_(sa.select(bundles.c.sha256).where(bundles.c.first_seen <= at)))


def _assignments(dialect: str, at: Column) -> t.Any:
    table = _stored("assignments", dialect)
    other = {name: sa.case((table.c.removed_at <= at, table.c[name])) for name in ("removed_at", "removed_by")}
    return _changed(table, **other).where(table.c.time <= at)


def _imported(dialect: str, at: Column) -> t.Any:
    table = _stored("imported", dialect)
    return _changed(table, gone_at=_until(table.c.gone_at, at)).where(table.c.first_imported <= at)


def _host_ownership(dialect: str, at: Column) -> t.Any:
    """As it was said to be until something else was."""
    table, pasts = _stored("host_ownership", dialect), schema.host_ownership_pasts
    current = sa.select(table).where(table.c.changed <= at)
    before = sa.select(*(pasts.c[column.name] for column in table.c)).where(pasts.c.changed <= at, pasts.c.until > at)
    return sa.union_all(current, before)
