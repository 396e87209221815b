# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What other programs list of certificates, in the database, and which certificate of the inventory each of that is."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import itertools
import json
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._import.values import Imported
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import parts, upsert
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import canonical_json, clean_text, digest_of
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import DAY, Event

Row = dict[str, t.Any]
TOLD = ("sha1", "serial", "subject", "common_name", "issuer", "not_after", "owner", "reference")
ENOUGH = 16  # digits of a serial number that nobody else's has by chance
TOLERANCE = 2 * DAY  # a date has no time, and its zone is not known


@dataclasses.dataclass(frozen=True, slots=True)
class Listing:
    """All that an export lists, to take the place of what its C(origin) had listed before."""

    origin: str
    certificates: tuple[Imported, ...]
    reason: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """What an import changes, each as ``shown``; C(kept) is how many stay as they were."""

    added: tuple[Row, ...]
    updated: tuple[Row, ...]
    removed: tuple[Row, ...]
    kept: int

    @property
    def changed(self) -> bool:
        return bool(self.added or self.updated or self.removed)


def put(connection: sa.Connection, listing: Listing, *, actor: str, time: int, write: bool) -> tuple[Listed, Event | None]:
    """Makes it as it is listed now; C(write=False) only says what would be."""
    table = schema.imported.c
    names = ("identity", "digest", "certificate", "serial", "common_name", "not_after", "owner")
    statement = sa.select(*(table[name] for name in names)).where(table.origin == listing.origin, table.gone_at.is_(None))
    there = {row["identity"]: row for row in connection.execute(statement.order_by(table.identity)).mappings()}
    rows = {row["identity"]: row for row in sorted(map(_row, listing.certificates), key=lambda row: str(row["identity"]))}
    new = [row for identity, row in rows.items() if identity not in there]
    other = [row for identity, row in rows.items() if identity in there and there[identity]["digest"] != row["digest"]]
    gone = [row for identity, row in there.items() if identity not in rows]
    added, updated, removed = (tuple(map(shown, each)) for each in (new, other, gone))
    done = Listed(added, updated, removed, len(rows) - len(new) - len(other))
    if not done.changed or not write:
        return done, None
    own = {"origin": listing.origin, "actor": clean_text(actor), "first_imported": time, "changed": time, "gone_at": None}
    upsert(connection, schema.imported, [{**row, **own} for row in (*new, *other)], keep=("first_imported",))
    for part in parts([row["identity"] for row in gone]):
        connection.execute(schema.imported.update().where(table.origin == listing.origin, table.identity.in_(part)).values(gone_at=time))
    counts = {"added": len(new), "updated": len(other), "removed": len(gone), "certificates": len(rows)}
    digests = {"before": digest_of([each["digest"] for each in there.values()]), "after": digest_of([each["digest"] for each in rows.values()])}
    return done, Event(kind="inventory.import", subject=listing.origin, detail={**counts, **digests, "reason": listing.reason})


def shown(row: t.Mapping[t.Any, t.Any]) -> Row:
    """Enough of it to find it again."""
    return {"sha256": row["certificate"], **{name: row[name] for name in ("serial", "common_name", "not_after", "owner")}}


def _row(imported: Imported) -> Row:
    lists = {"names_json": canonical_json(list(imported.names)), "locations_json": canonical_json(list(imported.locations))}
    told = {"certificate": imported.sha256, **{name: getattr(imported, name) for name in TOLD}, **lists}
    return {"identity": imported.identity, **told, "digest": digest_of({**told, "body": imported.der is not None}), "der": imported.der}


class Known:
    """Which certificates of the inventory others list: C(origins) by SHA-256, and C(here) the SHA-256 by origin and identity. What is gone does not count."""

    def __init__(self, connection: sa.Connection) -> None:
        self.here: dict[tuple[str, str], str] = {}
        self._origins: dict[str, set[str]] = collections.defaultdict(set)
        found = itertools.chain(_execute(connection, _by_certificate()), filter(_agrees, _execute(connection, _by_serial())))
        for row in found if any_imported(connection) else ():
            self.here[row["origin"], row["identity"]] = row["sha256"]
            self._origins[row["sha256"]].add(row["origin"])

    def origins(self, sha256: str) -> list[str]:
        """The names of the exports that list a certificate."""
        return sorted(self._origins.get(sha256, ()))


def any_imported(connection: sa.Connection) -> bool:
    """Whether anybody lists anything."""
    return connection.execute(sa.select(schema.imported.c.origin).where(schema.imported.c.gone_at.is_(None)).limit(1)).first() is not None


def rows(connection: sa.Connection, *, gone: bool) -> t.Iterator[t.Mapping[t.Any, t.Any]]:
    """Everything that is listed, or was."""
    table = schema.imported
    statement = table.select().order_by(table.c.origin, table.c.identity)
    return iter(connection.execute(statement if gone else statement.where(table.c.gone_at.is_(None))).mappings())


def lists(row: t.Mapping[t.Any, t.Any]) -> Row:
    """What is stored as JSON."""
    return {name: json.loads(row[f"{name}_json"]) for name in ("names", "locations")}


def _execute(connection: sa.Connection, statement: sa.Select[t.Any]) -> t.Iterator[t.Mapping[t.Any, t.Any]]:
    """Asked when the first row is wanted."""
    yield from connection.execute(statement).mappings()


def _by_certificate() -> sa.Select[t.Any]:
    imported, certificates = schema.imported.c, schema.certificates.c
    statement = sa.select(imported.origin, imported.identity, certificates.sha256)
    joined = statement.select_from(schema.imported.join(schema.certificates, certificates.sha256 == imported.certificate))
    return joined.where(imported.gone_at.is_(None))


def _by_serial() -> sa.Select[t.Any]:
    imported, certificates = schema.imported.c, schema.certificates.c
    told = (imported.origin, imported.identity, imported.serial, imported.sha1, imported.common_name, imported.not_after)
    own = (certificates.sha256, certificates.der, certificates.common_name.label("own_name"), certificates.not_after.label("own_end"))
    joined = sa.select(*told, *own).select_from(schema.imported.join(schema.certificates, certificates.serial == imported.serial))
    return joined.where(imported.gone_at.is_(None), imported.certificate.is_(None)).order_by(imported.origin, imported.identity, certificates.sha256)


def _agrees(row: t.Mapping[t.Any, t.Any]) -> bool:
    """Whether a certificate with the serial number is the one that is meant: other issuers may have used it, and every program calls issuers differently."""
    if row["sha1"] is not None:
        return bool(hashlib.sha1(row["der"], usedforsecurity=False).hexdigest() == row["sha1"])
    agreeing = []
    if row["not_after"] is not None and row["own_end"] is not None:
        agreeing.append(abs(row["not_after"] - row["own_end"]) <= TOLERANCE)
    if row["common_name"] and row["own_name"]:
        agreeing.append(row["common_name"].lower() == row["own_name"].lower())
    return all(agreeing) if agreeing else len(row["serial"]) >= ENOUGH
