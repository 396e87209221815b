# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What documents of several kinds are made of."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.owned import ownership_document
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.pages import Source
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.select_sql import Fields
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import clean_value
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import DAY, WARNING_DAYS, iso_stored, moment
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import Ownership
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import certificate_info

Document = dict[str, t.Any]


def health(not_after: int | None, *, now: int) -> Document:
    """Whole days until the end, rounded down (negative after it), and the word for it: ok, warning below 30 days, expired; None where unknown."""
    if not_after is None:
        return {"days_remaining": None, "status": None}
    days = (not_after - now) // DAY
    status = "expired" if not_after < now else "warning" if days < WARNING_DAYS else "ok"
    return {"days_remaining": days, "status": status}


def pick(row: t.Mapping[t.Any, t.Any], *names: str) -> Document:
    return {name: row[name] for name in names}


def seen(row: t.Mapping[t.Any, t.Any]) -> Document:
    return {"first_seen": iso_stored(row["first_seen"]), "last_seen": iso_stored(row["last_seen"]), "gone_at": iso_stored(row["gone_at"])}


def facts(der: bytes, now: int) -> Document:
    """What the certificate says; a certificate may say a lot, so it is bounded like everything else that others wrote."""
    return {name: value if name == "serial_number" else clean_value(value) for name, value in certificate_info(der, now=moment(now)).items()}


def used_file(row: t.Mapping[t.Any, t.Any]) -> Document:
    services = json.loads(row["services_json"])
    return {**pick(row, "class", "owner", "group", "mode", "mtime"), "links": json.loads(row["links_json"]), "services": services}


def told_ownership(ownership: Ownership) -> Document:
    return {"owner": ownership.values.get("owner"), "ownership": ownership_document(ownership)}


def placed(connection: sa.Connection, table: sa.Table, *wanted: t.Any) -> t.Iterator[t.Mapping[t.Any, t.Any]]:
    """Rows that were seen on a host, in order."""
    return rows_of(connection, placed_source(table, {}), *wanted)


def rows_of(connection: sa.Connection, source: Source, *wanted: t.Any) -> t.Iterator[t.Mapping[t.Any, t.Any]]:
    return iter(connection.execute(source.rows(wanted)).mappings())


def placed_source(table: sa.Table, fields: Fields) -> Source:
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
