# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents of what was issued, imported and assigned, and of the audit log."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import fields_sql, imported, issuances, schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.certificates import serial_text, sha256_of
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.document_parts import Document, facts, health, pick
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.pages import Asked, Source
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import iso, iso_stored, moment
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import certificate_info


def issuance_sources(_namespace: str | None, _sort: str | None) -> tuple[Source, ...]:
    columns, joins = issuances.parts_of_select()
    return (Source(columns, schema.issuances, joins, (schema.issuances.c.id,), fields_sql.issuances()),)


def issuance_documents(connection: sa.Connection, asked: Asked) -> t.Iterator[Document]:
    texts = ("name", "issuer", "csr_digest", "request_digest", "profile", "requester", "job", "transaction", "state", "reason", "sha256")
    for _source, rows in asked.parts(connection, *issuance_sources(None, None)):
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


def issuers(connection: sa.Connection, now: int) -> t.Iterator[Document]:
    for row in connection.execute(schema.issuers.select().order_by(schema.issuers.c.name)):
        yield {
            "name": row.name,
            "kind": row.kind,
            "sha256": sha256_of(row.certificate) if row.certificate else None,
            "certificate": facts(row.certificate, now) if row.certificate else None,
            "chain": [sha256_of(der) for der in issuances.chain_from(row.chain_json)],
            "facts": json.loads(row.facts_json),
            "added": iso_stored(row.added),
            "changed": iso_stored(row.changed),
        }


def imported_documents(connection: sa.Connection, now: int) -> t.Iterator[Document]:
    """What others list: nothing of it was seen here unless C(seen_as) says so."""
    known = imported.Known(connection)
    for row in imported.rows(connection, gone=True):
        own = pick(row, "origin", "sha1", "serial", "subject", "common_name", "issuer", "owner", "reference")
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


def assignments(connection: sa.Connection, _now: int) -> t.Iterator[Document]:
    for row in connection.execute(schema.assignments.select().order_by(schema.assignments.c.id)).mappings():
        times = {name: iso_stored(row[name]) for name in ("time", "removed_at")}
        parts = {name: json.loads(row[f"{name}_json"]) for name in ("match", "set")}
        yield {**pick(row, "id", "source", "origin", "actor", "reason", "removed_by"), **parts, **times}


def event_sources(_namespace: str | None, _sort: str | None) -> tuple[Source, ...]:
    return (Source(tuple(schema.events.c), schema.events, (), (schema.events.c.seq,), fields_sql.events()),)


def events(connection: sa.Connection, asked: Asked) -> t.Iterator[Document]:
    for _source, rows in asked.parts(connection, *event_sources(None, None)):
        yield from map(event_document, rows)


def event_document(row: t.Mapping[t.Any, t.Any]) -> Document:
    """A line of the audit log as users get it."""
    names = ("seq", "actor", "actor_known", "account", "job", "ticket", "reason", "kind", "namespace", "host", "subject", "previous", "hash")
    return {**pick(row, *names), "time": iso_stored(row["time"]), "detail": json.loads(row["detail"])}
