# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates hosts have in use or installed, one row a place, as columns of the database: no certificate is taken apart for it."""

from __future__ import annotations

import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.owned import Owned
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import ALARMED, endpoint_place
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import TEXTS, Ownership

Row = dict[str, t.Any]
OF_CERTIFICATE = ("common_name", "serial", "issuer_json", "not_after", "key_type", "key_size", "self_issued", "is_ca")


def host_names(connection: sa.Connection, namespace: str | None) -> t.Iterator[tuple[str, str]]:
    """Namespace and name of every host, or of those of one namespace."""
    hosts = schema.hosts.c
    statement = sa.select(hosts.namespace, hosts.name).order_by(hosts.namespace, hosts.name)
    for row in connection.execute(_within(statement, hosts.namespace, namespace)):
        yield row.namespace, row.name


def on_hosts(connection: sa.Connection, namespace: str | None) -> t.Iterator[Row]:
    """Every place of a host's that raises alarms and is not gone: files first, then what its listeners showed.

    Each has namespace, host, path, class, services_json, sha256, OF_CERTIFICATE, the first alternative C(name), whether it is C(revoked), and of who
    answers for the place the attributes that are one text, C(purpose).
    """
    owned = Owned(connection)
    for row in connection.execute(_files(namespace)).mappings():
        yield _row(row, owned.of_place({**row, "certificate": row["sha256"]}))
    for row in connection.execute(_listeners(namespace)).mappings():
        path = endpoint_place(row["target"], row["port"], row["asked"])
        own = {name: row[name] for name in row if name not in ("target", "port", "asked", "address")}
        ownership = owned.of_endpoint({**row, "certificate": row["sha256"]}, path)
        yield _row({**own, "path": path, "class": "in_use", "services_json": "[]"}, ownership)


def _files(namespace: str | None) -> t.Any:
    places, hosts = schema.places, schema.hosts.c
    source = places.join(schema.hosts, hosts.id == places.c.host_id)
    statement = _select(places.c.path, places.c["class"], places.c.services_json, of=places, source=source)
    wanted = statement.where(places.c.gone_at.is_(None), places.c["class"].in_(ALARMED))
    return _within(wanted, hosts.namespace, namespace).order_by(hosts.namespace, hosts.name, places.c.path, places.c.certificate, places.c.alias)


def _listeners(namespace: str | None) -> t.Any:
    endpoints, hosts = schema.endpoints, schema.hosts.c
    source = endpoints.join(schema.hosts, hosts.id == endpoints.c.host_id)
    statement = _select(endpoints.c.target, endpoints.c.port, endpoints.c.name.label("asked"), endpoints.c.address, of=endpoints, source=source)
    wanted = statement.where(endpoints.c.gone_at.is_(None))
    return _within(wanted, hosts.namespace, namespace).order_by(hosts.namespace, hosts.name, *endpoints.primary_key)


def _select(*columns: t.Any, of: sa.Table, source: t.Any) -> t.Any:
    certificates, names, issuances = schema.certificates.c, schema.certificate_names.c, schema.issuances.c
    first = sa.select(names.name).where(names.certificate == of.c.certificate, names.position == 0).scalar_subquery()
    revoked = sa.exists().where(issuances.certificate == of.c.certificate, issuances.state == "revoked")
    about = [certificates.sha256, *(certificates[name] for name in OF_CERTIFICATE), first.label("name"), revoked.label("revoked")]
    joined = source.join(schema.certificates, certificates.sha256 == of.c.certificate)
    return sa.select(schema.hosts.c.namespace, schema.hosts.c.name.label("host"), of.c.host_id, *columns, *about).select_from(joined)


def _within(statement: t.Any, column: sa.Column[t.Any], namespace: str | None) -> t.Any:
    return statement if namespace is None else statement.where(column == namespace)


def _row(row: t.Mapping[t.Any, t.Any], ownership: Ownership) -> Row:
    """What is told of one place, as JSON has it."""
    purpose = {name: str(ownership.values[name]) for name in TEXTS if name in ownership.values}
    return {**{name: row[name] for name in row if name != "host_id"}, "revoked": bool(row["revoked"]), "purpose": purpose}
