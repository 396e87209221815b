# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents of certificates and of where they were seen."""

from __future__ import annotations

import collections
import json
import typing as t
from dataclasses import dataclass

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import fields_sql, imported, schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.document_parts import (
    Document,
    facts,
    health,
    pick,
    placed,
    placed_source,
    rows_of,
    seen,
    told_ownership,
    used_file,
)
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.owned import Owned, ownership_document
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.pages import Asked, Source
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.renewers import Renewed
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.succession import NAMES as SUCCESSION
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.succession import Successions
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import ALARMED, endpoint_place, iso_stored
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import Ownership

_UNKNOWN = ("entry", "alias", "sha256", "spki", "common_name", "is_ca", "not_after", "days_remaining", "status", "size", "ctime", "hard_links", "key")
_IN_CERTIFICATE = ("namespace", "host", "path", "alias", "class", "services", "renewed_by", "first_seen", "last_seen", "gone_at", *SUCCESSION)


@dataclass(frozen=True, slots=True)
class Around:
    """What is known around rows of places: who answers for them, who renews them, and what was there before and after."""

    owned: Owned
    renewed: Renewed
    succeeded: Successions

    @classmethod
    def of(cls, connection: sa.Connection, *, now: int) -> Around:
        return cls(Owned(connection, partly=True), Renewed(connection), Successions(connection, now))

    def know(self, rows: t.Sequence[t.Mapping[t.Any, t.Any]]) -> None:
        """Reads what documents of these rows need; each has a host, and a certificate where there is one."""
        hosts, certificates = ({row[name] for row in rows if row.get(name) is not None} for name in ("host_id", "certificate"))
        self.owned.know(hosts, certificates)
        self.renewed.know(hosts, certificates)
        self.succeeded.know(hosts)


def certificate_sources(namespace: str | None, sort: str | None) -> tuple[Source, ...]:
    table = schema.certificates
    columns = (table.c.sha256, table.c.der, table.c.serial, table.c.not_after, table.c.first_seen)
    fields = fields_sql.certificates(namespace)
    if sort is None:
        return (Source(columns, table, (), (table.c.sha256,), fields),)
    ending = Source(columns, table, (), (table.c.not_after, table.c.sha256), fields, (table.c.not_after.is_not(None),))
    return ending, Source(columns, table, (), (table.c.sha256,), fields, (table.c.not_after.is_(None),))


def certificates(connection: sa.Connection, asked: Asked) -> t.Iterator[Document]:
    around, known = Around.of(connection, now=asked.selection.now), imported.Known(connection)
    for _source, rows in asked.parts(connection, *certificate_sources(asked.selection.namespace, asked.sort)):
        yield from _certificate_documents(connection, asked.selection.now, around, known, rows)


def _certificate_documents(
    connection: sa.Connection, now: int, around: Around, known: imported.Known, rows: t.Sequence[t.Mapping[t.Any, t.Any]]
) -> t.Iterator[Document]:
    identities = [row["sha256"] for row in rows]
    places, ownerships = _placements(connection, now, around, identities)
    bundles = collections.defaultdict(set)
    for member in connection.execute(schema.bundle_members.select().where(schema.bundle_members.c.certificate.in_(identities))):
        bundles[member.certificate].add(member.bundle)
    for row in rows:
        own = places.get(row["sha256"], [])
        ownership = around.owned.of_certificate(row["sha256"], ownerships.get(row["sha256"], ()))
        yield {
            **facts(row["der"], now),
            "serial": row["serial"],
            **health(row["not_after"], now=now),
            "first_seen": iso_stored(row["first_seen"]),
            "places": own,
            "services": sorted({service for place in own if place["gone_at"] is None for service in place["services"]}),
            "renewed_by": ", ".join(sorted({place["renewed_by"] for place in own if place["gone_at"] is None and place["renewed_by"]})) or None,
            "bundles": sorted(bundles.get(row["sha256"], ())),
            **{name: sorted({place[name] for place in own if place[name]}) for name in ("replaced_by", "replaces")},
            "known_to": known.origins(row["sha256"]),
            "management": around.owned.rung(row["sha256"], ownership),
            **told_ownership(ownership),
            "owners": sorted({str(each.values["owner"]) for each in ownerships.get(row["sha256"], ()) if "owner" in each.values}),
        }


def _placements(
    connection: sa.Connection, now: int, around: Around, identities: t.Sequence[str]
) -> tuple[dict[str, list[Document]], dict[str, list[Ownership]]]:
    """Of each certificate its places, and who answers for those that raise alarms."""
    places: dict[str, list[Document]] = collections.defaultdict(list)
    ownerships: dict[str, list[Ownership]] = collections.defaultdict(list)
    files = list(placed(connection, schema.places, schema.places.c.certificate.in_(identities)))
    listeners = list(rows_of(connection, endpoint_source(), schema.endpoints.c.certificate.in_(identities)))
    around.know([{"host_id": None, "certificate": each} for each in identities] + files + listeners)
    for place in files:
        own = {"alias": place["alias"] or None, "services": json.loads(place["services_json"]), "renewed_by": around.renewed.by(place)}
        places[place["certificate"]].append({**pick(place, "namespace", "host", "path", "class"), **own, **seen(place), **around.succeeded.of(place)})
        if place["gone_at"] is None and place["class"] in ALARMED:
            ownerships[place["certificate"]].append(around.owned.of_place(place))
    for row in listeners:
        endpoint = endpoint_document(row, now)
        places[row["certificate"]].append({name: endpoint.get(name) for name in _IN_CERTIFICATE})
        if endpoint["gone_at"] is None:
            ownerships[row["certificate"]].append(around.owned.of_endpoint(row, endpoint["path"]))
    return places, ownerships


def place_sources(_namespace: str | None, _sort: str | None) -> tuple[Source, ...]:
    """Places of certificates, then the stores that are locked: the same keys, without a certificate."""
    return placed_source(schema.places, fields_sql.places()), placed_source(schema.locked_stores, fields_sql.locked_stores())


def places(connection: sa.Connection, asked: Asked) -> t.Iterator[Document]:
    around, unknown = Around.of(connection, now=asked.selection.now), dict.fromkeys((*_UNKNOWN, *SUCCESSION))
    for source, rows in asked.parts(connection, *place_sources(None, None)):
        around.know(rows)
        for row in rows:
            common = {"renewed_by": around.renewed.by(row), **_managed(around.owned, row)}
            if source == 0:
                yield {**_place(row, asked.selection.now), **common, **around.succeeded.of(row)}
            else:
                names = ("namespace", "host", "path", "format", "reason")
                yield {**unknown, **pick(row, *names), **used_file(row), "state": "locked", **common, **seen(row)}


def _place(row: t.Mapping[t.Any, t.Any], now: int) -> Document:
    return {
        **pick(row, "namespace", "host", "path", "entry", "format", "class", "owner", "group", "mode", "size", "mtime", "ctime", "hard_links"),
        "alias": row["alias"] or None,
        "state": "read",
        "reason": None,
        "sha256": row["certificate"],
        "spki": row["spki"],
        "common_name": row["common_name"],
        "is_ca": row["is_ca"],
        "not_after": iso_stored(row["not_after"]),
        **health(row["not_after"], now=now),
        "links": json.loads(row["links_json"]),
        "key": json.loads(row["key_json"] or "null"),
        "services": json.loads(row["services_json"]),
        **seen(row),
    }


def _managed(owned: Owned, row: t.Mapping[t.Any, t.Any]) -> Document:
    ownership = owned.of_place(row)
    return {"management": owned.rung(row.get("certificate"), ownership, row["host_id"]), "ownership": ownership_document(ownership)}


def endpoint_sources(_namespace: str | None, _sort: str | None) -> tuple[Source, ...]:
    return (endpoint_source(),)


def endpoint_source() -> Source:
    endpoints, certificates, hosts = schema.endpoints, schema.certificates.c, schema.hosts.c
    columns = (certificates.not_after, certificates.common_name, certificates.spki, certificates.is_ca, hosts.name.label("host"))
    joins = ((schema.certificates, certificates.sha256 == endpoints.c.certificate, True), (schema.hosts, hosts.id == endpoints.c.host_id, True))
    return Source((*endpoints.c, *columns), endpoints, joins, tuple(endpoints.primary_key), fields_sql.endpoints())


def endpoints(connection: sa.Connection, asked: Asked) -> t.Iterator[Document]:
    around = Around.of(connection, now=asked.selection.now)
    for _source, rows in asked.parts(connection, endpoint_source()):
        around.know(rows)
        for row in rows:
            endpoint = endpoint_document(row, asked.selection.now)
            yield {**endpoint, **told_ownership(around.owned.of_endpoint(row, endpoint["path"]))}


def endpoint_document(row: t.Mapping[t.Any, t.Any], now: int) -> Document:
    """A place that was asked for; its path is host, port and name. A host that is not known goes by the name or address that was asked."""
    names = ("namespace", "target", "port", "name", "seen_from", "starttls", "address", "protocol", "cipher", "spki", "common_name", "is_ca", "reason")
    return {
        **pick(row, *names),
        "host": row["host"] or row["target"],
        "linked": row["host"] is not None,
        "path": endpoint_place(row["target"], row["port"], row["name"]),
        "class": "in_use",  # somebody serves it
        "services": [],
        "sha256": row["certificate"],
        "chain": json.loads(row["chain_json"]),
        "not_after": iso_stored(row["not_after"]),
        **health(row["not_after"], now=now),
        **json.loads(row["facts_json"]),
        "looked_at": iso_stored(row["looked_at"]),
        **seen(row),
    }
