# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Issuers and issuances: the intent is stored before a signature, the certificate before it is handed out, and states only go forward."""

from __future__ import annotations

import base64
import json
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import certificates, schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import insert_row
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.scans import host_id, is_host
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import canonical_json, clean_text, clean_value
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import (
    STATES,
    Event,
    HostName,
    Intent,
    InventoryError,
    Issuance,
    Issuer,
    SerialTakenError,
    TransitionError,
    moment,
)
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import certificate_info

# An intent without a certificate may have been signed all the same: everything that ever had a serial can be revoked.
TRANSITIONS: dict[str, frozenset[str]] = {
    "intent": frozenset(("awaiting_issuer", "issued", "failed", "abandoned", "revoked")),
    "awaiting_issuer": frozenset(("issued", "failed", "abandoned", "revoked")),
    "issued": frozenset(("installed", "issued_nowhere", "revoked")),
    "issued_nowhere": frozenset(("installed", "revoked")),
    "installed": frozenset(("revoked",)),
    "failed": frozenset(("revoked",)),
    "abandoned": frozenset(("revoked",)),
    "revoked": frozenset(),
}


def put_issuer(connection: sa.Connection, issuer: Issuer, *, time: int) -> Event | None:
    """Adds or changes an issuer; None where nothing changes."""
    before = get_issuer(connection, issuer.name)
    if before == issuer:
        return None
    row = {
        "name": issuer.name,
        "kind": issuer.kind,
        "certificate": issuer.certificate,
        "chain_json": _chain_json(issuer.chain),
        "facts_json": canonical_json(clean_value(dict(issuer.facts))),
        "changed": time,
    }
    if before is None:
        connection.execute(schema.issuers.insert(), row | {"added": time})
    else:
        connection.execute(schema.issuers.update().where(schema.issuers.c.name == issuer.name), row)
    sha256 = certificates.sha256_of(issuer.certificate) if issuer.certificate else None
    return Event(kind="issuer.changed" if before else "issuer.added", subject=issuer.name, detail={"kind": issuer.kind, "certificate": sha256})


def get_issuer(connection: sa.Connection, name: str) -> Issuer | None:
    """The issuer of that name."""
    row = connection.execute(schema.issuers.select().where(schema.issuers.c.name == name)).first()
    if row is None:
        return None
    return Issuer(name=row.name, kind=row.kind, certificate=row.certificate, chain=chain_from(row.chain_json), facts=json.loads(row.facts_json))


def known_roots(connection: sa.Connection) -> list[bytes]:
    """The self-issued certificates of all issuers and their chains."""
    rows = connection.execute(schema.issuers.select()).all()
    every = [der for row in rows for der in (row.certificate, *chain_from(row.chain_json)) if der]
    return [der for der in dict.fromkeys(every) if certificate_info(der)["self_issued"]]


def begin(connection: sa.Connection, intent: Intent, *, time: int) -> tuple[Issuance, Event]:
    """Stores an intent."""
    if get_issuer(connection, intent.issuer) is None:
        raise InventoryError(f"issuer {intent.issuer!r} is not in the inventory: it is added when the CA is made or first used")
    serial = None if intent.serial is None else certificates.serial_text(intent.serial)
    _check_serial(connection, intent.issuer, serial)
    row = {
        "host_id": host_id(connection, intent.host, time=time),
        "name": clean_text(intent.name),
        "issuer": intent.issuer,
        "serial": serial,
        "csr_digest": intent.csr_digest,
        "request_digest": intent.request_digest,
        "profile": intent.profile,
        "requester": clean_text(intent.requester),
        "job": None if intent.job is None else clean_text(intent.job),
        "transaction": intent.transaction,
        "state": "intent",
        "began": time,
        "changed": time,
    }
    issuance = get(connection, insert_row(connection, schema.issuances, row))
    detail = {name: row[name] for name in ("issuer", "serial", "csr_digest", "profile", "requester", "job", "transaction")}
    return issuance, _event(issuance, "issuance.intent", detail)


def complete(connection: sa.Connection, issuance: int, *, der: bytes, chain: tuple[bytes, ...], time: int) -> tuple[Issuance, Event | None]:
    """Stores what was issued; the same certificate a second time changes nothing, another one is refused."""
    before = get(connection, issuance)
    sha256 = certificates.sha256_of(der)
    if before.sha256 == sha256:
        return before, None
    if before.sha256 is not None:
        raise TransitionError(f"issuance {issuance} has the certificate {before.sha256!r} already: {sha256!r} cannot take its place")
    _check_transition(before, "issued")
    ders = {certificates.sha256_of(each): each for each in (der, *chain)}
    rows, names = certificates.parsed({each: ders[each] for each in certificates.missing(connection, ders)})
    certificates.add(connection, rows, names, time=time)
    serial = connection.execute(sa.select(schema.certificates.c.serial).where(schema.certificates.c.sha256 == sha256)).scalar()
    _check_issued_serial(connection, before, serial)
    values = {"state": "issued", "certificate": sha256, "serial": serial, "chain_json": _chain_json(chain), "issued": time, "changed": time, "reason": None}
    connection.execute(schema.issuances.update().where(schema.issuances.c.id == issuance), values)
    after = get(connection, issuance)
    return after, _event(after, "issuance.issued", {"issuer": before.issuer, "serial": serial, "certificate": sha256})


def set_state(connection: sa.Connection, issuance: int, *, state: str, reason: str | None, time: int) -> tuple[Issuance, Event | None]:
    """Goes on to another state; the state that it has already changes nothing."""
    before = get(connection, issuance)
    if state not in STATES:
        raise TransitionError(f"issuance {issuance}: the state {state!r} does not exist, there are {', '.join(STATES)}")
    if before.state == state:
        return before, None
    if state == "issued":
        raise TransitionError(f"issuance {issuance} becomes issued by its certificate and in no other way")
    _check_transition(before, state)
    values = {"state": state, "reason": None if reason is None else clean_text(reason), "changed": time}
    connection.execute(schema.issuances.update().where(schema.issuances.c.id == issuance), values)
    after = get(connection, issuance)
    return after, _event(after, f"issuance.{state}", {"issuer": before.issuer, "from": before.state, "reason": reason})


def get(connection: sa.Connection, issuance: int) -> Issuance:
    """The issuance of that number."""
    found = find(connection, issuance=issuance)
    if not found:
        raise InventoryError(f"issuance {issuance} is not in the inventory")
    return found[0]


def find(
    connection: sa.Connection,
    *,
    issuance: int | None = None,
    transaction: str | None = None,
    certificate: str | None = None,
    host: HostName | None = None,
    state: str | None = None,
) -> tuple[Issuance, ...]:
    """Those that match everything given, oldest first."""
    table = schema.issuances
    columns, joins = parts_of_select()
    statement = sa.select(*columns).order_by(table.c.id)
    for joined, condition, outer in joins:
        statement = statement.join(joined, condition, isouter=outer)
    for column, value in ((table.c.id, issuance), (table.c.transaction, transaction), (table.c.certificate, certificate), (table.c.state, state)):
        if value is not None:
            statement = statement.where(column == value)
    if host is not None:
        statement = statement.where(is_host(host))
    return tuple(from_row(row) for row in connection.execute(statement).mappings())


def parts_of_select() -> tuple[tuple[t.Any, ...], tuple[tuple[t.Any, t.Any, bool], ...]]:
    """The columns that an issuance is made of, and what is joined to its table for them, by which condition and whether there may be none."""
    table, hosts, certificates_of = schema.issuances, schema.hosts, schema.certificates
    columns = (*table.c, hosts.c.namespace, hosts.c.name.label("host_name"), certificates_of.c.der)
    return columns, ((hosts, hosts.c.id == table.c.host_id, False), (certificates_of, certificates_of.c.sha256 == table.c.certificate, True))


def from_row(row: t.Mapping[t.Any, t.Any]) -> Issuance:
    """The issuance of a row with these columns."""
    names = ("id", "name", "issuer", "csr_digest", "request_digest", "profile", "requester", "job", "transaction", "state", "reason")
    return Issuance(
        **{name: row[name] for name in names},
        host=HostName(namespace=row["namespace"], name=row["host_name"]),
        serial=None if row["serial"] is None else int(row["serial"], 16),
        began=moment(row["began"]),
        changed=moment(row["changed"]),
        issued=None if row["issued"] is None else moment(row["issued"]),
        sha256=row["certificate"],
        certificate=row["der"],
        chain=chain_from(row["chain_json"] or "[]"),
    )


def _check_serial(connection: sa.Connection, issuer: str, serial: str | None) -> None:
    issuances = schema.issuances.c
    if serial is not None and connection.execute(sa.select(issuances.id).where(issuances.issuer == issuer, issuances.serial == serial)).first():
        raise SerialTakenError(f"issuer {issuer!r} has used the serial {serial!r} before")


def _check_issued_serial(connection: sa.Connection, before: Issuance, serial: str | None) -> None:
    if before.serial is None:
        _check_serial(connection, before.issuer, serial)
    elif serial != certificates.serial_text(before.serial):
        expected = certificates.serial_text(before.serial)
        raise InventoryError(f"issuance {before.id} was to have the serial {expected!r} of issuer {before.issuer!r}, the certificate has {serial!r}")


def _check_transition(before: Issuance, state: str) -> None:
    allowed = TRANSITIONS[before.state]
    if state not in allowed:
        possible = ", ".join(sorted(allowed)) or "nothing"
        raise TransitionError(f"issuance {before.id} of {before.name!r} is {before.state!r} and cannot become {state!r}: possible is {possible}")


def _event(issuance: Issuance, kind: str, detail: t.Mapping[str, t.Any]) -> Event:
    return Event(kind=kind, subject=issuance.name, host=issuance.host, detail={"issuance": issuance.id, **detail})


def _chain_json(chain: t.Sequence[bytes]) -> str:
    return canonical_json([base64.b64encode(der).decode("ascii") for der in chain])


def chain_from(text: str) -> tuple[bytes, ...]:
    """The DER certificates of a stored chain."""
    return tuple(base64.b64decode(der) for der in json.loads(text))
