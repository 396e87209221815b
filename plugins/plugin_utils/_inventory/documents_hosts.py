# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents of hosts and their scans."""

from __future__ import annotations

import collections
import json
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.document_parts import Document, told_ownership
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.owned import Owned
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.scan_rows import COMPARED
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import iso_stored


def hosts(connection: sa.Connection, _now: int) -> t.Iterator[Document]:
    owned = Owned(connection)
    for number, document in host_rows(connection):
        yield {**document, **told_ownership(owned.of_host(number))}


def host_rows(connection: sa.Connection) -> t.Iterator[tuple[int, Document]]:
    """The numbers of hosts and what was seen of them, without who answers for them."""
    evidence = _evidence(connection)
    scans = {scan["host_id"]: scan for scan in connection.execute(_latest_scans()).mappings()}
    hosts = connection.execute(schema.hosts.select().order_by(schema.hosts.c.namespace, schema.hosts.c.name)).all()
    names = {row.id: {"namespace": row.namespace, "host": row.name} for row in hosts}
    holders = _holders(evidence)
    for row in hosts:
        own, last = evidence[row.id], scans.get(row.id)
        equal = _equal_evidence(row.id, own, holders)
        document = {
            **names[row.id],
            "first_seen": iso_stored(row.first_seen),
            "last_seen": iso_stored(row.last_seen),
            "machine_id": next(iter(own["machine_id"]), None),
            "product_uuid": next(iter(own["product_uuid"]), None),
            "ssh_host_keys": own["ssh_host_key"],
            "addresses": own["address"],
            "equal_evidence": [{**names[other], "evidence": kinds} for other, kinds in sorted(equal.items())],
            "last_scan": None if last is None else _scan(last),
        }
        yield row.id, document


def _evidence(connection: sa.Connection) -> dict[int, dict[str, list[str]]]:
    """Per host the values of each kind, newest first."""
    table = schema.host_evidence
    own: dict[int, dict[str, list[str]]] = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in connection.execute(table.select().order_by(table.c.scan_id.desc(), table.c.value)):
        own[row.host_id][row.kind].append(row.value)
    return own


def _holders(evidence: t.Mapping[int, t.Mapping[str, t.Sequence[str]]]) -> dict[tuple[str, str], set[int]]:
    """The hosts that have a value."""
    holders: dict[tuple[str, str], set[int]] = collections.defaultdict(set)
    for host, own in evidence.items():
        for kind in COMPARED:
            for value in own.get(kind, ()):
                holders[kind, value].add(host)
    return holders


def _equal_evidence(host: int, own: t.Mapping[str, t.Sequence[str]], holders: t.Mapping[tuple[str, str], set[int]]) -> dict[int, list[str]]:
    """Other hosts and what they share with this one."""
    equal: dict[int, list[str]] = collections.defaultdict(list)
    for kind in COMPARED:
        for other in {other for value in own.get(kind, ()) for other in holders[kind, value]} - {host}:
            equal[other].append(kind)
    return equal


def _latest_scans() -> t.Any:
    """Of each host the last one that was to see all of it."""
    scans = schema.scans
    latest = sa.select(sa.func.max(scans.c.id)).where(sa.not_(scans.c.partial)).group_by(scans.c.host_id)
    return _scan_select().where(scans.c.id.in_(latest))


def _scan_select() -> t.Any:
    """Scans with the scope of the scan whose result they share."""
    scans, full = schema.scans, schema.scans.alias("full")
    return (
        sa.select(scans, schema.hosts.c.namespace, schema.hosts.c.name.label("host"), full.c.scope_json.label("full_scope_json"))
        .join(schema.hosts, schema.hosts.c.id == scans.c.host_id)
        .outerjoin(full, full.c.id == scans.c.same_as)
    )


def _scan(row: t.Mapping[t.Any, t.Any]) -> Document:
    scope = json.loads(row["full_scope_json"] or row["scope_json"] or "{}")
    return {
        "id": row["id"],
        "namespace": row["namespace"],
        "host": row["host"],
        "started": iso_stored(row["started"]),
        "ended": iso_stored(row["ended"]),
        "duration": row["duration"],
        "complete": row["complete"],
        "partial": row["partial"],
        "privileged": row["privileged"],
        "changed": row["digest"] is not None and row["same_as"] is None,
        "reason": row["reason"],
        "summary": json.loads(row["summary_json"] or "{}"),
        **{name: scope.get(name, []) for name in ("done", "problems", "skipped", "left_over")},
    }


def scans(connection: sa.Connection, _now: int) -> t.Iterator[Document]:
    for row in connection.execute(_scan_select().order_by(schema.scans.c.id)).mappings():
        yield _scan(row)
