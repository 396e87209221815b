# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory holds as plain dictionaries, for ``inventory_info`` and the report.

Times are ``2026-11-23T09:43:04Z`` or None, except that certificates keep community.crypto's formats. A host is named by ``namespace`` and ``host``.
"""

from __future__ import annotations

import collections
import json
import typing as t
from dataclasses import dataclass

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import fields_sql, imported, issuances, schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.certificates import serial_text, sha256_of
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.covered import coverage
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.mismatches import mismatches
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.owned import Owned, ownership_document
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.pages import Asked, Source, count
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.pairs import Pairs
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.renewers import Renewed
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.runs import runs
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.scan_rows import COMPARED
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.select_sql import Fields, Selection
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.succession import NAMES as SUCCESSION
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.succession import Successions
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import clean_value
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.trust import changes, subjects_of
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import (
    ALARMED,
    DAY,
    WARNING_DAYS,
    InventoryError,
    endpoint_place,
    iso,
    iso_stored,
    moment,
)
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.findings import ownership_findings
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import Ownership
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import certificate_info

Document = dict[str, t.Any]
_UNKNOWN = ("entry", "alias", "sha256", "spki", "common_name", "is_ca", "not_after", "days_remaining", "status", "size", "ctime", "hard_links", "key")


def documents(connection: sa.Connection, kind: str, asked: Asked) -> t.Iterator[Document]:
    """The documents of a kind, in a stable order. Those that an expression does not select, in ``asked``, may be missing; it is not applied here."""
    if kind in NARROWED:
        return NARROWED[kind](connection, asked)
    if kind not in OTHERS:
        raise InventoryError(f"documents of the kind {kind!r} do not exist, there are {', '.join(KINDS)}")
    return OTHERS[kind](connection, asked.selection.now)


def pages(kind: str, selection: Selection) -> bool:
    """Whether the database can tell which documents are on a page: the expression makes one element of each document that it selects."""
    return kind in SOURCES and all(selection.one_each(source.fields) for source in SOURCES[kind](selection.namespace, None))


def counted(connection: sa.Connection, kind: str, selection: Selection) -> int | None:
    """How many documents are selected; None where the database cannot tell."""
    return count(connection, selection, SOURCES[kind](selection.namespace, None)) if kind in SOURCES else None


def health(not_after: int | None, *, now: int) -> Document:
    """Whole days until the end, rounded down (negative after it), and the word for it: ok, warning below 30 days, expired; None where unknown."""
    if not_after is None:
        return {"days_remaining": None, "status": None}
    days = (not_after - now) // DAY
    status = "expired" if not_after < now else "warning" if days < WARNING_DAYS else "ok"
    return {"days_remaining": days, "status": status}


def _hosts(connection: sa.Connection, _now: int) -> t.Iterator[Document]:
    owned = Owned(connection)
    for number, document in _host_rows(connection):
        yield {**document, **_owned(owned.of_host(number))}


def _host_rows(connection: sa.Connection) -> t.Iterator[tuple[int, Document]]:
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


def _owned(ownership: Ownership) -> Document:
    return {"owner": ownership.values.get("owner"), "ownership": ownership_document(ownership)}


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


def _scans(connection: sa.Connection, _now: int) -> t.Iterator[Document]:
    for row in connection.execute(_scan_select().order_by(schema.scans.c.id)).mappings():
        yield _scan(row)


@dataclass(frozen=True, slots=True)
class _Around:
    """What is known around rows of places: who answers for them, who renews them, and what was there before and after."""

    owned: Owned
    renewed: Renewed
    succeeded: Successions

    @classmethod
    def of(cls, connection: sa.Connection, *, now: int) -> _Around:
        return cls(Owned(connection, partly=True), Renewed(connection), Successions(connection, now))

    def know(self, rows: t.Sequence[t.Mapping[t.Any, t.Any]]) -> None:
        """Reads what documents of these rows need; each has a host, and a certificate where there is one."""
        hosts, certificates = ({row[name] for row in rows if row.get(name) is not None} for name in ("host_id", "certificate"))
        self.owned.know(hosts, certificates)
        self.renewed.know(hosts, certificates)
        self.succeeded.know(hosts)


_IN_CERTIFICATE = ("namespace", "host", "path", "alias", "class", "services", "renewed_by", "first_seen", "last_seen", "gone_at", *SUCCESSION)


def _placements(
    connection: sa.Connection, now: int, around: _Around, identities: t.Sequence[str]
) -> tuple[dict[str, list[Document]], dict[str, list[Ownership]]]:
    """Of each certificate its places, and who answers for those that raise alarms."""
    places: dict[str, list[Document]] = collections.defaultdict(list)
    ownerships: dict[str, list[Ownership]] = collections.defaultdict(list)
    files = list(_placed(connection, schema.places, schema.places.c.certificate.in_(identities)))
    listeners = list(_rows(connection, _endpoint_source(), schema.endpoints.c.certificate.in_(identities)))
    around.know([{"host_id": None, "certificate": each} for each in identities] + files + listeners)
    for place in files:
        own = {"alias": place["alias"] or None, "services": json.loads(place["services_json"]), "renewed_by": around.renewed.by(place)}
        places[place["certificate"]].append({**_pick(place, "namespace", "host", "path", "class"), **own, **_seen(place), **around.succeeded.of(place)})
        if place["gone_at"] is None and place["class"] in ALARMED:
            ownerships[place["certificate"]].append(around.owned.of_place(place))
    for row in listeners:
        endpoint = _endpoint(row, now)
        places[row["certificate"]].append({name: endpoint.get(name) for name in _IN_CERTIFICATE})
        if endpoint["gone_at"] is None:
            ownerships[row["certificate"]].append(around.owned.of_endpoint(row, endpoint["path"]))
    return places, ownerships


def _certificate_sources(namespace: str | None, sort: str | None) -> tuple[Source, ...]:
    table = schema.certificates
    columns = (table.c.sha256, table.c.der, table.c.serial, table.c.not_after, table.c.first_seen)
    fields = fields_sql.certificates(namespace)
    if sort is None:
        return (Source(columns, table, (), (table.c.sha256,), fields),)
    ending = Source(columns, table, (), (table.c.not_after, table.c.sha256), fields, (table.c.not_after.is_not(None),))
    return ending, Source(columns, table, (), (table.c.sha256,), fields, (table.c.not_after.is_(None),))


def _certificates(connection: sa.Connection, asked: Asked) -> t.Iterator[Document]:
    around, known = _Around.of(connection, now=asked.selection.now), imported.Known(connection)
    for _source, rows in asked.parts(connection, *_certificate_sources(asked.selection.namespace, asked.sort)):
        yield from _certificate_documents(connection, asked.selection.now, around, known, rows)


def _certificate_documents(
    connection: sa.Connection, now: int, around: _Around, known: imported.Known, rows: t.Sequence[t.Mapping[t.Any, t.Any]]
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
            **_facts(row["der"], now),
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
            **_owned(ownership),
            "owners": sorted({str(each.values["owner"]) for each in ownerships.get(row["sha256"], ()) if "owner" in each.values}),
        }


def _facts(der: bytes, now: int) -> Document:
    """What the certificate says; a certificate may say a lot, so it is bounded like everything else that others wrote."""
    return {name: value if name == "serial_number" else clean_value(value) for name, value in certificate_info(der, now=moment(now)).items()}


def _placed(connection: sa.Connection, table: sa.Table, *wanted: t.Any) -> t.Iterator[t.Mapping[t.Any, t.Any]]:
    """Rows that were seen on a host, in order."""
    return _rows(connection, _placed_source(table, {}), *wanted)


def _rows(connection: sa.Connection, source: Source, *wanted: t.Any) -> t.Iterator[t.Mapping[t.Any, t.Any]]:
    return iter(connection.execute(source.rows(wanted)).mappings())


def _placed_source(table: sa.Table, fields: Fields) -> Source:
    """Rows that were seen on a host, with the host's names and, where they name a certificate, its end and its subject."""
    hosts, scans = schema.hosts.c, schema.scans.c
    columns: list[t.Any] = [*table.c, hosts.namespace, hosts.name.label("host"), scans.seen_until.label("last_seen")]
    # What was seen again after the time that is asked for has no scan of then, see C(past).
    joins: list[t.Any] = [(schema.hosts, hosts.id == table.c.host_id, False), (schema.scans, scans.id == table.c.scan_id, True)]
    if "certificate" in table.c:
        certificates = schema.certificates
        columns += [certificates.c.not_after, certificates.c.common_name, certificates.c.spki, certificates.c.is_ca]
        joins.append((certificates, certificates.c.sha256 == table.c.certificate, False))
    keys = [key for key in table.primary_key if key.name != "host_id"]
    return Source(tuple(columns), table, tuple(joins), (hosts.namespace, hosts.name, *keys), fields)


def _seen(row: t.Mapping[t.Any, t.Any]) -> Document:
    return {"first_seen": iso_stored(row["first_seen"]), "last_seen": iso_stored(row["last_seen"]), "gone_at": iso_stored(row["gone_at"])}


def _pick(row: t.Mapping[t.Any, t.Any], *names: str) -> Document:
    return {name: row[name] for name in names}


def _place(row: t.Mapping[t.Any, t.Any], now: int) -> Document:
    return {
        **_pick(row, "namespace", "host", "path", "entry", "format", "class", "owner", "group", "mode", "size", "mtime", "ctime", "hard_links"),
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
        **_seen(row),
    }


def _place_sources(_namespace: str | None, _sort: str | None) -> tuple[Source, ...]:
    """Places of certificates, then the stores that are locked: the same keys, without a certificate."""
    return _placed_source(schema.places, fields_sql.places()), _placed_source(schema.locked_stores, fields_sql.locked_stores())


def _places(connection: sa.Connection, asked: Asked) -> t.Iterator[Document]:
    around, unknown = _Around.of(connection, now=asked.selection.now), dict.fromkeys((*_UNKNOWN, *SUCCESSION))
    for source, rows in asked.parts(connection, *_place_sources(None, None)):
        around.know(rows)
        for row in rows:
            common = {"renewed_by": around.renewed.by(row), **_managed(around.owned, row)}
            if source == 0:
                yield {**_place(row, asked.selection.now), **common, **around.succeeded.of(row)}
            else:
                names = ("namespace", "host", "path", "format", "reason")
                yield {**unknown, **_pick(row, *names), **_used_file(row), "state": "locked", **common, **_seen(row)}


def _managed(owned: Owned, row: t.Mapping[t.Any, t.Any]) -> Document:
    ownership = owned.of_place(row)
    return {"management": owned.rung(row.get("certificate"), ownership, row["host_id"]), "ownership": ownership_document(ownership)}


def _used_file(row: t.Mapping[t.Any, t.Any]) -> Document:
    services = json.loads(row["services_json"])
    return {**_pick(row, "class", "owner", "group", "mode", "mtime"), "links": json.loads(row["links_json"]), "services": services}


def _crls(connection: sa.Connection, now: int) -> t.Iterator[Document]:
    for row in _records(connection, "crl"):
        times = {"this_update": iso_stored(row["this_update"]), "next_update": iso_stored(row["next_update"])}
        yield {**_record(row), "issuer": row["name"], "entries": row["entries"], **times, **health(row["next_update"], now=now), **_seen(row)}


def _requests(connection: sa.Connection, _now: int) -> t.Iterator[Document]:
    for row in _records(connection, "request"):
        yield {**_record(row), "subject": row["name"], **_pick(row, "key_type", "spki"), **_seen(row)}


def _records(connection: sa.Connection, kind: str) -> t.Iterator[t.Mapping[t.Any, t.Any]]:
    return (row for row in _placed(connection, schema.records) if row["kind"] == kind)


def _record(row: t.Mapping[t.Any, t.Any]) -> Document:
    return {**_pick(row, "namespace", "host", "path", "entry", "format", "sha256"), **_used_file(row)}


def _endpoint_sources(_namespace: str | None, _sort: str | None) -> tuple[Source, ...]:
    return (_endpoint_source(),)


def _endpoint_source() -> Source:
    endpoints, certificates, hosts = schema.endpoints, schema.certificates.c, schema.hosts.c
    columns = (certificates.not_after, certificates.common_name, certificates.spki, certificates.is_ca, hosts.name.label("host"))
    joins = ((schema.certificates, certificates.sha256 == endpoints.c.certificate, True), (schema.hosts, hosts.id == endpoints.c.host_id, True))
    return Source((*endpoints.c, *columns), endpoints, joins, tuple(endpoints.primary_key), fields_sql.endpoints())


def _endpoints(connection: sa.Connection, asked: Asked) -> t.Iterator[Document]:
    around = _Around.of(connection, now=asked.selection.now)
    for _source, rows in asked.parts(connection, _endpoint_source()):
        around.know(rows)
        for row in rows:
            endpoint = _endpoint(row, asked.selection.now)
            yield {**endpoint, **_owned(around.owned.of_endpoint(row, endpoint["path"]))}


def _endpoint(row: t.Mapping[t.Any, t.Any], now: int) -> Document:
    """A place that was asked for; its path is host, port and name. A host that is not known goes by the name or address that was asked."""
    names = ("namespace", "target", "port", "name", "seen_from", "starttls", "address", "protocol", "cipher", "spki", "common_name", "is_ca", "reason")
    return {
        **_pick(row, *names),
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
        **_seen(row),
    }


def _key_sources(_namespace: str | None, _sort: str | None) -> tuple[Source, ...]:
    return (_placed_source(schema.keys, fields_sql.keys()),)


def _keys(connection: sa.Connection, asked: Asked) -> t.Iterator[Document]:
    names = ("namespace", "host", "path", "entry", "alias", "kind", "format", "encrypted", "size", "spki", "owner", "group", "mode", "mtime")
    pairs = Pairs(connection)
    for _source, rows in asked.parts(connection, *_key_sources(None, None)):
        pairs.know(rows)
        for row in rows:
            readers = {"readers": json.loads(row["readers_json"] or "null"), **_pick(row, "readers_count", "everyone")}
            yield {**_pick(row, *names), "links": json.loads(row["links_json"]), **readers, **pairs.of_key(row), **_seen(row)}


def _trust_stores(connection: sa.Connection, _now: int) -> t.Iterator[Document]:
    rows = list(_placed(connection, schema.trust_stores))
    subjects = subjects_of(connection, rows)
    for row in rows:
        yield {**_pick(row, "namespace", "host", "path", "kind", "count", "verified", "reason"), **changes(row, subjects), **_seen(row)}


def _bundles(connection: sa.Connection, _now: int) -> t.Iterator[Document]:
    members, places = collections.defaultdict(list), collections.defaultdict(list)
    for row in connection.execute(schema.bundle_members.select().order_by(schema.bundle_members.c.position)):
        members[row.bundle].append(row.certificate)
    for place in _placed(connection, schema.bundle_places):
        attributes = _pick(place, "namespace", "host", "path", "class", "owner", "group", "mode", "mtime")
        places[place["bundle"]].append({**attributes, "links": json.loads(place["links_json"]), **_seen(place)})
    for row in connection.execute(schema.bundles.select().order_by(schema.bundles.c.sha256)):
        yield {
            "sha256": row.sha256,
            "count": row.count,
            "certificates": members.get(row.sha256, []) if row.members_known else None,
            "first_seen": iso_stored(row.first_seen),
            "places": places.get(row.sha256, []),
        }


def _service_sources(_namespace: str | None, _sort: str | None) -> tuple[Source, ...]:
    return (_placed_source(schema.services, fields_sql.services()),)


def _services(connection: sa.Connection, asked: Asked) -> t.Iterator[Document]:
    owned = Owned(connection, partly=True)
    for _source, rows in asked.parts(connection, *_service_sources(None, None)):
        owned.know({row["host_id"] for row in rows}, ())
        for row in rows:
            own = _pick(row, "namespace", "host", "name", "entry", "unit", "active", "configuration")
            yield {**json.loads(row["facts_json"]), **own, **_seen(row), **_owned(owned.of_service(row["host_id"], row["name"]))}


def _renewers(connection: sa.Connection, _now: int) -> t.Iterator[Document]:
    for row in _placed(connection, schema.renewers):
        lists = {name: json.loads(row[f"{name}_json"]) for name in ("paths", "runs", "facts")}
        yield {**_pick(row, "namespace", "host", "kind", "name", "configuration", "alias"), **lists, **_seen(row)}


def _ownership_findings(connection: sa.Connection, now: int) -> t.Iterator[Document]:
    return ownership_findings(_hosts(connection, now), _certificates(connection, Asked(Selection.of(None, now=now))))


def _assignments(connection: sa.Connection, _now: int) -> t.Iterator[Document]:
    for row in connection.execute(schema.assignments.select().order_by(schema.assignments.c.id)).mappings():
        times = {name: iso_stored(row[name]) for name in ("time", "removed_at")}
        parts = {name: json.loads(row[f"{name}_json"]) for name in ("match", "set")}
        yield {**_pick(row, "id", "source", "origin", "actor", "reason", "removed_by"), **parts, **times}


def _imported(connection: sa.Connection, now: int) -> t.Iterator[Document]:
    """What others list: nothing of it was seen here unless C(seen_as) says so."""
    known = imported.Known(connection)
    for row in imported.rows(connection, gone=True):
        own = _pick(row, "origin", "sha1", "serial", "subject", "common_name", "issuer", "owner", "reference")
        times = {name: iso_stored(row[name]) for name in ("not_after", "first_imported", "changed", "gone_at")}
        yield {
            **own,
            "source": "import",
            "sha256": row["certificate"],
            "body": row["der"] is not None,
            **imported.lists(row),
            **times,
            **health(row["not_after"], now=now),
            "imported_by": row["actor"],
            "seen_as": known.here.get((row["origin"], row["identity"])),
        }


def _issuance_sources(_namespace: str | None, _sort: str | None) -> tuple[Source, ...]:
    columns, joins = issuances.parts_of_select()
    return (Source(columns, schema.issuances, joins, (schema.issuances.c.id,), fields_sql.issuances()),)


def _issuances(connection: sa.Connection, asked: Asked) -> t.Iterator[Document]:
    texts = ("name", "issuer", "csr_digest", "request_digest", "profile", "requester", "job", "transaction", "state", "reason", "sha256")
    for _source, rows in asked.parts(connection, *_issuance_sources(None, None)):
        for issuance in map(issuances.from_row, rows):
            end = certificate_info(issuance.certificate, now=moment(asked.selection.now))["not_after"] if issuance.certificate else None
            yield {
                "id": issuance.id,
                "namespace": issuance.host.namespace,
                "host": issuance.host.name,
                **{name: getattr(issuance, name) for name in texts},
                "serial": None if issuance.serial is None else serial_text(issuance.serial),
                "began": iso(issuance.began),
                "changed": iso(issuance.changed),
                "issued": None if issuance.issued is None else iso(issuance.issued),
                "not_after": end,
            }


def _issuers(connection: sa.Connection, now: int) -> t.Iterator[Document]:
    for row in connection.execute(schema.issuers.select().order_by(schema.issuers.c.name)):
        yield {
            "name": row.name,
            "kind": row.kind,
            "sha256": sha256_of(row.certificate) if row.certificate else None,
            "certificate": _facts(row.certificate, now) if row.certificate else None,
            "chain": [sha256_of(der) for der in issuances.chain_from(row.chain_json)],
            "facts": json.loads(row.facts_json),
            "added": iso_stored(row.added),
            "changed": iso_stored(row.changed),
        }


def _event_sources(_namespace: str | None, _sort: str | None) -> tuple[Source, ...]:
    return (Source(tuple(schema.events.c), schema.events, (), (schema.events.c.seq,), fields_sql.events()),)


def _events(connection: sa.Connection, asked: Asked) -> t.Iterator[Document]:
    for _source, rows in asked.parts(connection, *_event_sources(None, None)):
        yield from map(event_document, rows)


def event_document(row: t.Mapping[t.Any, t.Any]) -> Document:
    """A line of the audit log as users get it."""
    names = ("seq", "actor", "actor_known", "account", "job", "ticket", "reason", "kind", "namespace", "host", "subject", "previous", "hash")
    return {**_pick(row, *names), "time": iso_stored(row["time"]), "detail": json.loads(row["detail"])}


def _coverage(connection: sa.Connection, now: int) -> t.Iterator[Document]:
    hosts = (document for _number, document in _host_rows(connection))
    return coverage(hosts, (_endpoint(row, now) for row in _rows(connection, _endpoint_source())))


_Documents = t.Callable[["sa.Connection", Asked], t.Iterator[Document]]
# Those of which the database reads only what an expression may select, or a page, or their number.
NARROWED: dict[str, _Documents] = {
    "certificates": _certificates,
    "places": _places,
    "endpoints": _endpoints,
    "keys": _keys,
    "services": _services,
    "issuances": _issuances,
    "events": _events,
}
SOURCES: dict[str, t.Callable[[str | None, str | None], tuple[Source, ...]]] = {
    "certificates": _certificate_sources,
    "places": _place_sources,
    "endpoints": _endpoint_sources,
    "keys": _key_sources,
    "services": _service_sources,
    "issuances": _issuance_sources,
    "events": _event_sources,
}
OTHERS: dict[str, t.Callable[[sa.Connection, int], t.Iterator[Document]]] = {
    "hosts": _hosts,
    "coverage": _coverage,
    "bundles": _bundles,
    "trust_stores": _trust_stores,
    "crls": _crls,
    "requests": _requests,
    "renewers": _renewers,
    "assignments": _assignments,
    "ownership_findings": _ownership_findings,
    "mismatches": mismatches,
    "imported": _imported,
    "scans": _scans,
    "runs": runs,
    "issuers": _issuers,
}
# In the order in which the documentation has them.
KINDS = (
    *("hosts", "coverage", "certificates", "places", "endpoints", "bundles", "keys", "trust_stores", "crls", "requests", "services", "renewers"),
    *("assignments", "ownership_findings", "mismatches", "imported", "scans", "runs", "issuances", "issuers", "events"),
)
SORTS = {"certificates": ("not_after",)}
