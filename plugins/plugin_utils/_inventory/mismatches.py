# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where what is declared, issued, found and served does not go together, as far as the inventory knows."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import imported, schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.told import looks
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import ALARMED, iso_stored

Document = dict[str, t.Any]
Row = t.Mapping[t.Any, t.Any]


def mismatches(connection: sa.Connection, now: int) -> t.Iterator[Document]:
    """A document for each, in a stable order."""
    yield from _served_not_file(connection)
    yield from _served_unknown(connection)
    yield from _issued(connection, now)
    yield from _found_undeclared(connection)
    yield from _listed(connection, now)


def _document(finding: str, row: Row, **other: t.Any) -> Document:
    own = {name: other.get(name) for name in ("path", "service", "port", "sha256", "name", "not_after", "origin")}
    return {"finding": finding, "namespace": row["namespace"], "host": row["host"], **own}


def _served_not_file(connection: sa.Connection) -> t.Iterator[Document]:
    """A service shows another certificate than its files hold."""
    services, hosts = schema.services, schema.hosts
    statement = sa.select(services.c.name, services.c.facts_json, hosts.c.namespace, hosts.c.name.label("host")).join(hosts, hosts.c.id == services.c.host_id)
    rows = statement.where(services.c.gone_at.is_(None)).order_by(hosts.c.namespace, hosts.c.name, services.c.name)
    for row in connection.execute(rows).mappings():
        for look in looks(json.loads(row["facts_json"])):
            if look["state"] == "not_loaded":
                told = {"service": row["name"], "port": look["port"], "sha256": look["sha256"], "name": look["name"]}
                yield _document("served_not_file", row, **told, not_after=iso_stored(look["not_after"]))


def _served_unknown(connection: sa.Connection) -> t.Iterator[Document]:
    """A listener shows a certificate that lies in no file that was seen, or that only was there once."""
    endpoints, hosts, certificates = schema.endpoints, schema.hosts, schema.certificates.c
    columns = (endpoints, certificates.common_name, certificates.not_after, hosts.c.name.label("host_name"))
    joined = sa.select(*columns).join(schema.certificates, certificates.sha256 == endpoints.c.certificate)
    joined = joined.outerjoin(hosts, hosts.c.id == endpoints.c.host_id).order_by(*endpoints.primary_key)
    filed = sa.select(schema.places.c.certificate).where(schema.places.c.gone_at.is_(None))
    for row in connection.execute(joined.where(endpoints.c.gone_at.is_(None), endpoints.c.certificate.not_in(filed))).mappings():
        own = {"namespace": row["namespace"], "host": row["host_name"] or row["target"]}
        told = {"port": row["port"], "sha256": row["certificate"], "name": row["common_name"]}
        yield _document("served_unknown", own, **told, not_after=iso_stored(row["not_after"]))


def _issued(connection: sa.Connection, now: int) -> t.Iterator[Document]:
    """Of each declared certificate what was got last: put in place and not there any more, or never put anywhere and still valid."""
    issuances, hosts, certificates, places, endpoints = schema.issuances, schema.hosts, schema.certificates.c, schema.places.c, schema.endpoints.c
    latest = sa.select(sa.func.max(issuances.c.id)).where(issuances.c.certificate.is_not(None)).group_by(issuances.c.host_id, issuances.c.name)
    columns = (issuances, certificates.not_after, hosts.c.namespace, hosts.c.name.label("host"))
    statement = sa.select(*columns).join(hosts, hosts.c.id == issuances.c.host_id).join(schema.certificates, certificates.sha256 == issuances.c.certificate)
    here = sa.exists().where(places.certificate == issuances.c.certificate, places.host_id == issuances.c.host_id, places.gone_at.is_(None))
    anywhere = sa.or_(
        sa.exists().where(places.certificate == issuances.c.certificate, places.gone_at.is_(None)),
        sa.exists().where(endpoints.certificate == issuances.c.certificate, endpoints.gone_at.is_(None)),
    )
    absent = sa.and_(issuances.c.state == "installed", sa.not_(here))
    nowhere = sa.and_(issuances.c.state.in_(("issued", "issued_nowhere")), certificates.not_after >= now, sa.not_(anywhere))
    wanted = statement.where(issuances.c.id.in_(latest), sa.or_(absent, nowhere)).order_by(hosts.c.namespace, hosts.c.name, issuances.c.id)
    for row in connection.execute(wanted).mappings():
        finding = "declared_absent" if row["state"] == "installed" else "issued_nowhere"
        yield _document(finding, row, sha256=row["certificate"], name=row["name"], not_after=iso_stored(row["not_after"]))


def _found_undeclared(connection: sa.Connection) -> t.Iterator[Document]:
    """A certificate that is in use or installed on a host and was not issued for it through this inventory; those of CAs are in every chain."""
    places, issuances = schema.places, schema.issuances.c
    own = sa.exists().where(issuances.certificate == places.c.certificate, issuances.host_id == places.c.host_id)
    for row in connection.execute(_found().where(sa.not_(own))).mappings():
        yield _document("found_undeclared", row, **_told(row))


def _found() -> t.Any:
    """Places of certificates in use or installed that are of no CA."""
    places, hosts, certificates = schema.places, schema.hosts, schema.certificates.c
    columns = (places.c.path, places.c.certificate, certificates.common_name, certificates.not_after, hosts.c.namespace, hosts.c.name.label("host"))
    joined = sa.select(*columns).join(hosts, hosts.c.id == places.c.host_id).join(schema.certificates, certificates.sha256 == places.c.certificate)
    found = sa.and_(places.c.gone_at.is_(None), places.c["class"].in_(ALARMED), sa.or_(certificates.is_ca.is_(None), sa.not_(certificates.is_ca)))
    return joined.where(found).order_by(hosts.c.namespace, hosts.c.name, places.c.path, places.c.certificate, places.c.alias)


def _told(row: Row) -> Document:
    return {"path": row["path"], "sha256": row["certificate"], "name": row["common_name"], "not_after": iso_stored(row["not_after"])}


def _listed(connection: sa.Connection, now: int) -> t.Iterator[Document]:
    """What others list and nobody saw here while it is valid, and what is here and nobody lists, where anybody lists anything."""
    if not imported.any_imported(connection):
        return
    known = imported.Known(connection)
    for row in imported.rows(connection, gone=False):
        if (row["origin"], row["identity"]) not in known.here and (row["not_after"] is None or row["not_after"] >= now):
            told = {"origin": row["origin"], "sha256": row["certificate"], "name": row["common_name"], "not_after": iso_stored(row["not_after"])}
            yield _document("imported_unseen", {"namespace": None, "host": None}, **told)
    for row in connection.execute(_found()).mappings():
        if not known.origins(row["certificate"]):
            yield _document("seen_unimported", row, **_told(row))
