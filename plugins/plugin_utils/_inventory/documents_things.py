# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents of what else lies and runs on hosts."""

from __future__ import annotations

import collections
import json
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import fields_sql, schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.document_parts import (
    Document,
    health,
    pick,
    placed,
    placed_source,
    seen,
    told_ownership,
    used_file,
)
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.owned import Owned
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.pages import Asked, Source
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.pairs import Pairs
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.trust import changes, subjects_of
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import iso_stored


def key_sources(_namespace: str | None, _sort: str | None) -> tuple[Source, ...]:
    return (placed_source(schema.keys, fields_sql.keys()),)


def keys(connection: sa.Connection, asked: Asked) -> t.Iterator[Document]:
    names = ("namespace", "host", "path", "entry", "alias", "kind", "format", "encrypted", "size", "spki", "owner", "group", "mode", "mtime")
    pairs = Pairs(connection)
    for _source, rows in asked.parts(connection, *key_sources(None, None)):
        pairs.know(rows)
        for row in rows:
            readers = {"readers": json.loads(row["readers_json"] or "null"), **pick(row, "readers_count", "everyone")}
            yield {**pick(row, *names), "links": json.loads(row["links_json"]), **readers, **pairs.of_key(row), **seen(row)}


def service_sources(_namespace: str | None, _sort: str | None) -> tuple[Source, ...]:
    return (placed_source(schema.services, fields_sql.services()),)


def services(connection: sa.Connection, asked: Asked) -> t.Iterator[Document]:
    owned = Owned(connection, partly=True)
    for _source, rows in asked.parts(connection, *service_sources(None, None)):
        owned.know({row["host_id"] for row in rows}, ())
        for row in rows:
            own = pick(row, "namespace", "host", "name", "entry", "unit", "active", "configuration")
            yield {**json.loads(row["facts_json"]), **own, **seen(row), **told_ownership(owned.of_service(row["host_id"], row["name"]))}


def bundles(connection: sa.Connection, _now: int) -> t.Iterator[Document]:
    members, places = collections.defaultdict(list), collections.defaultdict(list)
    for row in connection.execute(schema.bundle_members.select().order_by(schema.bundle_members.c.position)):
        members[row.bundle].append(row.certificate)
    for place in placed(connection, schema.bundle_places):
        attributes = pick(place, "namespace", "host", "path", "class", "owner", "group", "mode", "mtime")
        places[place["bundle"]].append({**attributes, "links": json.loads(place["links_json"]), **seen(place)})
    for row in connection.execute(schema.bundles.select().order_by(schema.bundles.c.sha256)):
        yield {
            "sha256": row.sha256,
            "count": row.count,
            "certificates": members.get(row.sha256, []) if row.members_known else None,
            "first_seen": iso_stored(row.first_seen),
            "places": places.get(row.sha256, []),
        }


def trust_stores(connection: sa.Connection, _now: int) -> t.Iterator[Document]:
    rows = list(placed(connection, schema.trust_stores))
    subjects = subjects_of(connection, rows)
    for row in rows:
        yield {**pick(row, "namespace", "host", "path", "kind", "count", "verified", "reason"), **changes(row, subjects), **seen(row)}


def crls(connection: sa.Connection, now: int) -> t.Iterator[Document]:
    for row in _records(connection, "crl"):
        times = {"this_update": iso_stored(row["this_update"]), "next_update": iso_stored(row["next_update"])}
        yield {**_record(row), "issuer": row["name"], "entries": row["entries"], **times, **health(row["next_update"], now=now), **seen(row)}


def requests(connection: sa.Connection, _now: int) -> t.Iterator[Document]:
    for row in _records(connection, "request"):
        yield {**_record(row), "subject": row["name"], **pick(row, "key_type", "spki"), **seen(row)}


def _records(connection: sa.Connection, kind: str) -> t.Iterator[t.Mapping[t.Any, t.Any]]:
    return (row for row in placed(connection, schema.records) if row["kind"] == kind)


def _record(row: t.Mapping[t.Any, t.Any]) -> Document:
    return {**pick(row, "namespace", "host", "path", "entry", "format", "sha256"), **used_file(row)}


def renewers(connection: sa.Connection, _now: int) -> t.Iterator[Document]:
    for row in placed(connection, schema.renewers):
        lists = {name: json.loads(row[f"{name}_json"]) for name in ("paths", "runs", "facts")}
        yield {**pick(row, "namespace", "host", "kind", "name", "configuration", "alias"), **lists, **seen(row)}
