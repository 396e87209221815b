# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hangs on a certificate, a key, an issuer, a host or a service: the rows of it."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.certificates import sha256_of
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.owned import Owned
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import parts
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.signers import Row, Signers, certificate_rows
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import ALARMED, InventoryError, endpoint_place
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import Ownership

SUBJECTS = ("certificate", "key", "issuer", "host", "service")


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where an affected certificate lies or is served, what uses it there, and who answers for that."""

    certificate: str
    namespace: str
    host: str
    path: str
    services: tuple[str, ...]
    ownership: Ownership


@dataclasses.dataclass(frozen=True, slots=True)
class Affected:
    """Certificates by SHA-256, certificates of CAs above them, their places, and where their keys lie."""

    certificates: t.Mapping[str, Row]
    issuers: t.Mapping[str, Row]
    places: tuple[Place, ...]
    keys: tuple[Row, ...]
    above: t.Mapping[str, tuple[str, ...]]  # of each certificate the CAs that signed it
    not_signed: tuple[Row, ...] = ()  # what claims to be below a CA, and none of its name signed it
    signatures: t.Mapping[str, int] = dataclasses.field(default_factory=dict)  # how many were verified, and how many could not be


def affected(connection: sa.Connection, subject: str, name: str) -> Affected:
    """Everything that hangs on it. Raises InventoryError where the inventory does not know it."""
    signers = Signers(connection, certificate_rows(connection, schema.certificates.c.is_ca))
    chosen = _CHOOSE[subject](connection, name, signers)
    if chosen is None:
        raise InventoryError(f"{subject} {name!r} is not in the inventory")
    column = schema.certificates.c.sha256
    certificates = {row["sha256"]: row for part in parts(sorted(chosen)) for row in certificate_rows(connection, column.in_(part))}
    signers.load(certificates)
    above: dict[str, tuple[str, ...]] = {}
    waiting = list(certificates.values())
    while waiting:
        row = waiting.pop()
        if row["sha256"] not in above:
            above[row["sha256"]] = signers.above(row)
            waiting += [signers.authorities[sha256] for sha256 in above[row["sha256"]]]
    issuers = {sha256: signers.authorities[sha256] for own in above.values() for sha256 in own}
    places, keys = tuple(_places(connection, sorted(certificates))), tuple(_keys(connection, certificates))
    return Affected(certificates, issuers, places, keys, above, signers.not_signed(), signers.counts())


def _certificate(connection: sa.Connection, name: str, _signers: Signers) -> set[str] | None:
    sha256 = name.replace(":", "").lower()
    return _chosen(connection, schema.certificates.c.sha256 == sha256) or None


def _key(connection: sa.Connection, name: str, _signers: Signers) -> set[str] | None:
    spki = name.replace(":", "").lower()
    known = connection.execute(sa.select(schema.keys.c.spki).where(schema.keys.c.spki == spki).limit(1)).first()
    return _chosen(connection, schema.certificates.c.spki == spki) or (set() if known else None)


def _issuer(connection: sa.Connection, name: str, signers: Signers) -> set[str] | None:
    """By its name in the inventory, its common name or its SHA-256: the certificates below it, those of CAs below it, too."""
    stored = connection.execute(sa.select(schema.issuers.c.certificate).where(schema.issuers.c.name == name)).scalar()
    own = {sha256_of(stored)} if stored else set()
    own |= {sha256 for sha256, row in signers.authorities.items() if name in (row["common_name"], sha256)}
    found: set[str] = set()
    waiting = [signers.authorities[sha256] for sha256 in sorted(own) if sha256 in signers.authorities]
    while waiting:
        authority = waiting.pop()
        claiming = {row["sha256"]: row for row in certificate_rows(connection, schema.certificates.c.issuer_json == authority["subject_json"])}
        signers.load(claiming)
        below = {sha256: row for sha256, row in claiming.items() if signers.signed(authority, row)}
        waiting += [row for sha256, row in below.items() if row["is_ca"] and sha256 not in found]
        found |= set(below)
    return found - own if own else None


def _host(connection: sa.Connection, name: str, _signers: Signers) -> set[str] | None:
    """Whoever has the host has its keys: every certificate of them is affected, wherever it lies."""
    hosts = list(connection.execute(sa.select(schema.hosts.c.id).where(schema.hosts.c.name == name)).scalars())
    keys, endpoints = schema.keys.c, schema.endpoints.c
    spki = sa.select(keys.spki).where(keys.host_id.in_(hosts), keys.gone_at.is_(None), keys.spki.is_not(None))
    found = _chosen(connection, schema.certificates.c.spki.in_(spki))
    found |= {row["certificate"] for row in connection.execute(_placed().where(schema.places.c.host_id.in_(hosts))).mappings()}
    served = sa.select(endpoints.certificate).where(endpoints.host_id.in_(hosts), endpoints.gone_at.is_(None), endpoints.certificate.is_not(None))
    return found | set(connection.execute(served).scalars()) if hosts else None


def _service(connection: sa.Connection, name: str, _signers: Signers) -> set[str] | None:
    services = schema.services.c
    known = connection.execute(sa.select(services.name).where(services.name == name).limit(1)).first()
    rows = connection.execute(_placed().where(schema.places.c.services_json != "[]")).mappings()
    found = {row["certificate"] for row in rows if name in json.loads(row["services_json"])}
    return found if known or found else None


_CHOOSE: dict[str, t.Callable[[sa.Connection, str, Signers], set[str] | None]] = {
    "certificate": _certificate,
    "key": _key,
    "issuer": _issuer,
    "host": _host,
    "service": _service,
}


def _chosen(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> set[str]:
    return set(connection.execute(sa.select(schema.certificates.c.sha256).where(condition)).scalars())


def _placed() -> sa.Select[t.Any]:
    """Places that raise alarms, with their hosts."""
    places, hosts = schema.places, schema.hosts
    joined = sa.select(places, hosts.c.namespace, hosts.c.name.label("host")).join(hosts, hosts.c.id == places.c.host_id)
    return joined.where(places.c.gone_at.is_(None), places.c["class"].in_(ALARMED))


def _places(connection: sa.Connection, certificates: t.Sequence[str]) -> t.Iterator[Place]:
    owned = Owned(connection)
    endpoints, hosts = schema.endpoints, schema.hosts
    for part in parts(certificates):
        keys = (hosts.c.namespace, hosts.c.name, schema.places.c.path, schema.places.c.certificate, schema.places.c.alias)
        for row in connection.execute(_placed().where(schema.places.c.certificate.in_(part)).order_by(*keys)).mappings():
            services = tuple(json.loads(row["services_json"]))
            yield Place(row["certificate"], row["namespace"], row["host"], row["path"], services, owned.of_place(row))
        served = sa.select(endpoints, hosts.c.name.label("host")).outerjoin(hosts, hosts.c.id == endpoints.c.host_id)
        served = served.where(endpoints.c.certificate.in_(part), endpoints.c.gone_at.is_(None)).order_by(*endpoints.primary_key)
        for row in connection.execute(served).mappings():
            path = endpoint_place(row["target"], row["port"], row["name"])
            yield Place(row["certificate"], row["namespace"], row["host"] or row["target"], path, (), owned.of_endpoint(row, path))


def _keys(connection: sa.Connection, certificates: t.Mapping[str, Row]) -> t.Iterator[Row]:
    keys, hosts = schema.keys, schema.hosts
    columns = (keys.c.spki, keys.c.path, hosts.c.namespace, hosts.c.name.label("host"))
    statement = sa.select(*columns).join(hosts, hosts.c.id == keys.c.host_id).where(keys.c.gone_at.is_(None))
    for part in parts(sorted({row["spki"] for row in certificates.values() if row["spki"]})):
        found = statement.where(keys.c.spki.in_(part)).order_by(hosts.c.namespace, hosts.c.name, keys.c.path)
        yield from (dict(row) for row in connection.execute(found).mappings())
