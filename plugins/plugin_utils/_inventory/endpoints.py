# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Endpoints in the database: each is a place of its own, by host, port and name as somebody saw it, and linked to a host that is known."""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import parts, present, upsert
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import canonical_json, clean_text, clean_value
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import EndpointsRecord, EndpointsRecorded, Event

Row = dict[str, t.Any]
KEY = ("namespace", "seen_from", "target", "port", "name")
# What is told of an endpoint besides its columns.
FACTS = ("alpn", "chain_complete", "verified", "verify_problem", "name_matches", "ocsp_staple", "protocols")
_LOOPBACK = ("127.", "::1")


def record(connection: sa.Connection, told: EndpointsRecord, *, time: int, new_certificates: int) -> tuple[EndpointsRecorded, Event | None]:
    """Stores what was seen, whose certificates are stored already. Where nobody listens any more a known place is gone; an unknown one is no place."""
    before = _known(connection, told)
    hosts = _hosts(connection, told)
    rows = {state: [_row(item, told, hosts) for item in told.endpoints if item["state"] == state] for state in ("seen", "failed", "closed", "unreachable")}
    stored = present(connection, schema.certificates.c.sha256, {row["certificate"] for row in rows["seen"]})
    times = {"first_seen": time, "last_seen": time, "looked_at": time, "gone_at": None}
    seen = [row | times for row in rows["seen"] if row["certificate"] in stored]
    failed = [row | times for row in rows["failed"]]
    _put_aside(connection, before, [*seen, *failed], time=time)
    upsert(connection, schema.endpoints, seen, keep=("first_seen",))
    # What a listener showed the last time stands until it shows something else.
    kept = [column.name for column in schema.endpoints.c if column.name not in (*KEY, "host_id", "reason", "looked_at", "gone_at")]
    upsert(connection, schema.endpoints, failed, keep=kept)
    gone = [row for row in rows["closed"] if _key(row) in before and before[_key(row)].gone_at is None]
    _look_again(connection, [row for state in ("closed", "unreachable") for row in rows[state] if _key(row) in before], time=time)
    _mark_gone(connection, gone, time=time)
    changed = [row for row in seen if _key(row) not in before or before[_key(row)].certificate != row["certificate"]]
    recorded = EndpointsRecorded(changed=len(changed), gone=len(gone), linked=sum(row["host_id"] is not None for row in seen + failed))
    if not changed and not gone:
        return recorded, None
    detail = {"seen": len(seen), "changed": len(changed), "gone": len(gone), "new_certificates": new_certificates}
    return recorded, Event(kind="endpoints.recorded", subject=told.seen_from or "controller", detail={"namespace": told.namespace, **detail})


def _row(item: t.Mapping[str, t.Any], told: EndpointsRecord, hosts: t.Mapping[str, int]) -> Row:
    """A row without its times; everything that somebody else wrote is bounded."""
    chain = item["chain"]
    own = told.seen_from if told.seen_from and str(item["address"] or "").startswith(_LOOPBACK) else None
    names = (item["inventory_host"], own, item["target"], item["address"])
    return {
        "namespace": clean_text(told.namespace),
        "seen_from": clean_text(told.seen_from),
        **{name: item[name] if name == "port" else clean_text(item[name]) for name in ("target", "port", "name", "starttls")},
        "host_id": next((hosts[name] for name in names if name and name in hosts), None),
        "address": _text(item["address"]),
        "certificate": chain[0] if chain else None,
        "chain_json": canonical_json(chain),
        "protocol": _text(item["protocol"]),
        "cipher": _text(item["cipher"]),
        "facts_json": canonical_json(clean_value({name: item[name] for name in FACTS})),
        "reason": _text(item["reason"]),
    }


def _text(value: str | None) -> str | None:
    return None if value is None else clean_text(value)


def _key(row: t.Mapping[str, t.Any]) -> tuple[t.Any, ...]:
    return tuple(row[name] for name in KEY)


def _known(connection: sa.Connection, told: EndpointsRecord) -> dict[tuple[t.Any, ...], t.Any]:
    """The places that these could be."""
    table = schema.endpoints.c
    columns = [table[name] for name in (*KEY, "certificate", "gone_at")]
    own = sa.select(*columns).where(table.namespace == clean_text(told.namespace), table.seen_from == clean_text(told.seen_from))
    targets = sorted({clean_text(item["target"]) for item in told.endpoints})
    found = {}
    for part in parts(targets):
        for row in connection.execute(own.where(table.target.in_(part))):
            found[_key(dict(row._mapping))] = row
    return found


def _hosts(connection: sa.Connection, told: EndpointsRecord) -> dict[str, int]:
    """Hosts by name and by address, as far as a name or address belongs to one host alone."""
    wanted = {clean_text(str(value)) for item in told.endpoints for value in (item["inventory_host"], item["target"], item["address"]) if value}
    wanted |= {clean_text(told.seen_from)}
    hosts, evidence = schema.hosts.c, schema.host_evidence.c
    namespace = hosts.namespace == clean_text(told.namespace)
    owners: dict[str, set[int]] = collections.defaultdict(set)
    named: dict[str, int] = {}
    for part in parts(sorted(wanted)):
        named |= {row.name: row.id for row in connection.execute(sa.select(hosts.id, hosts.name).where(namespace, hosts.name.in_(part)))}
        statement = sa.select(evidence.value, evidence.host_id).join(schema.hosts, hosts.id == evidence.host_id)
        for row in connection.execute(statement.where(namespace, evidence.kind == "address", evidence.value.in_(part))):
            owners[row.value].add(row.host_id)
    return {**{value: next(iter(ids)) for value, ids in owners.items() if len(ids) == 1}, **named}


def _put_aside(connection: sa.Connection, before: t.Mapping[tuple[t.Any, ...], t.Any], rows: t.Sequence[Row], *, time: int) -> None:
    """Keeps those as they were that come back, or show another certificate; one that failed shows none."""
    known = [(row, before[_key(row)]) for row in rows if _key(row) in before]
    changed = [row for row, was in known if was.gone_at is not None or row["certificate"] not in (was.certificate, None)]
    if changed:
        table, names = schema.endpoints, [column.name for column in schema.endpoints.c]
        same = [table.c[name] == sa.bindparam(f"key_{name}") for name in KEY]
        now = sa.select(*table.c, sa.bindparam("until", time, sa.BigInteger)).where(*same)
        connection.execute(schema.endpoint_pasts.insert().from_select([*names, "until"], now), [{f"key_{name}": row[name] for name in KEY} for row in changed])


def _update(connection: sa.Connection, rows: t.Sequence[Row], values: Row) -> None:
    if rows:
        table = schema.endpoints
        condition = [table.c[name] == sa.bindparam(f"key_{name}") for name in KEY]
        keys = [{f"key_{name}": row[name] for name in KEY} | {"new_reason": row["reason"]} for row in rows]
        connection.execute(table.update().where(*condition).values(reason=sa.bindparam("new_reason"), **values), keys)


def _look_again(connection: sa.Connection, rows: t.Sequence[Row], *, time: int) -> None:
    _update(connection, rows, {"looked_at": time})


def _mark_gone(connection: sa.Connection, rows: t.Sequence[Row], *, time: int) -> None:
    _update(connection, rows, {"gone_at": time})
