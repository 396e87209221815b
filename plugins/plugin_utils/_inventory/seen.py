# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the last discovery left of one host, as far as a declaration can be made of it."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.renewers import Renewed
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.scans import is_host
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.told import uses
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import ALARMED, HostName

Row = dict[str, t.Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """Rows of what is there: ``places`` with their certificate (no ``der`` in a store that is locked), ``keys``, and what services use (``uses``).

    ``kept`` is the kind and the name of the renewer of a file, None where nobody else keeps it.
    """

    places: tuple[Row, ...]
    keys: tuple[Row, ...]
    uses: tuple[Row, ...]


def seen_on(connection: sa.Connection, host: HostName) -> Seen | None:
    """What was seen on a host and is not gone, of the classes that raise alarms; None for a host that never answered."""
    number = connection.execute(sa.select(schema.hosts.c.id).where(is_host(host), schema.hosts.c.last_seen.is_not(None))).scalar()
    if number is None:
        return None
    renewed = Renewed(connection, number)
    services = [json.loads(row["facts_json"]) for row in _rows(connection, schema.services, number)]
    return Seen(
        places=tuple(_with_lists(row, renewed) for row in (*_places(connection, number), *_rows(connection, schema.locked_stores, number))),
        keys=tuple(_with_lists(row, renewed) for row in _rows(connection, schema.keys, number)),
        uses=tuple(use for service in services for use in uses(service)),
    )


def _places(connection: sa.Connection, host: int) -> t.Iterator[Row]:
    places, certificates = schema.places, schema.certificates.c
    columns = (certificates.der, certificates.is_ca, certificates.self_issued, certificates.not_after, certificates.subject_json, certificates.issuer_json)
    joined = places.join(schema.certificates, certificates.sha256 == places.c.certificate)
    statement = sa.select(places, *columns, certificates.spki).select_from(joined)
    wanted = statement.where(places.c.host_id == host, places.c.gone_at.is_(None), places.c["class"].in_(ALARMED))
    for row in connection.execute(wanted.order_by(places.c.path, places.c.entry)).mappings():
        yield dict(row)


def _rows(connection: sa.Connection, table: sa.Table, host: int) -> t.Iterator[Row]:
    keys = [key for key in table.primary_key if key.name != "host_id"]
    rows = table.select().where(table.c.host_id == host, table.c.gone_at.is_(None)).order_by(*keys)
    if table is schema.locked_stores:
        rows = rows.where(table.c["class"].in_(ALARMED))
    return (dict(row) for row in connection.execute(rows).mappings())


def _with_lists(row: Row, renewed: Renewed) -> Row:
    """The row with what is stored as JSON read, and who else keeps its file."""
    return {
        **row,
        "kept": renewed.kept(row),
        **{name: json.loads(row[f"{name}_json"] or "null") for name in ("links", "services", "key") if f"{name}_json" in row},
    }
