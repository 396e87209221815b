# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which CA signed a certificate: by names and key identifiers, as chains are built, and by the signature.

Who claims a CA by its name alone is not below it. So many signatures are checked for one question; what is left after that counts by its names.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import parts
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import ALARMED
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.signature import is_signed_by, readable

Row = t.Mapping[t.Any, t.Any]
CHECKS = 20_000


@dataclasses.dataclass(frozen=True, slots=True)
class Chains:
    """The CAs above what is in use or installed, and by SHA-256 which of them signed each of that, as a number in C(authorities).

    Each has sha256, name, whether it is a root, and the numbers of the CAs that signed it.
    """

    authorities: tuple[dict[str, t.Any], ...] = ()
    signed_by: t.Mapping[str, int] = dataclasses.field(default_factory=dict)


class Signers:
    """The CAs of the inventory, and what was found out about signatures for one question: each pair is checked once."""

    def __init__(self, connection: sa.Connection, authorities: t.Iterable[Row]) -> None:
        self.authorities = {row["sha256"]: row for row in authorities}
        self._connection = connection
        self._left = CHECKS
        self._read: dict[str, t.Any] = {}
        self._pairs: dict[tuple[str, str], bool | None] = {}
        self._refused: dict[str, Row] = {}
        self._called: dict[str, list[Row]] = collections.defaultdict(list)
        for row in self.authorities.values():
            self._called[row["subject_json"]].append(row)

    def load(self, certificates: t.Iterable[str]) -> None:
        """Reads at once what is asked about next; not more than may be checked."""
        wanted = [sha256 for sha256 in certificates if sha256 not in self._read][: self._left]
        table = schema.certificates.c
        for part in parts(wanted):
            for row in self._connection.execute(sa.select(table.sha256, table.der).where(table.sha256.in_(part))):
                self._read[row.sha256] = readable(row.der)

    def above(self, row: Row) -> tuple[str, ...]:
        """The CAs that signed a certificate, itself aside."""
        return tuple(authority["sha256"] for authority in self._called[row["issuer_json"]] if self.signed(authority, row))

    def signed(self, authority: Row, row: Row) -> bool:
        """Whether a CA signed a certificate, as far as that can be told."""
        if authority["sha256"] == row["sha256"] or not _fits(authority, row):
            return False
        pair = (authority["sha256"], row["sha256"])
        if pair not in self._pairs:
            self._pairs[pair] = self._checked(*pair)
        if self._pairs[pair] is False:
            self._refused[row["sha256"]] = row
        return self._pairs[pair] is not False

    def not_signed(self) -> tuple[Row, ...]:
        """What claims a CA that did not sign it, and no other one of that name did."""
        refused = sorted(self._refused.values(), key=lambda row: (row["common_name"] or "", row["sha256"]))
        return tuple(row for row in refused if not self.above(row))

    def counts(self) -> dict[str, int]:
        """How many signatures hold, and how many nobody could check."""
        told = list(self._pairs.values())
        return {"verified": told.count(True), "unchecked": told.count(None)}

    def _checked(self, authority: str, certificate: str) -> bool | None:
        if self._left <= 0:
            return None
        self.load([authority, certificate])
        self._left -= 1
        return is_signed_by(self._read.get(certificate), self._read.get(authority))


def chains(connection: sa.Connection) -> Chains:
    """Of what is in use or installed. Where several CAs signed it, as one that was renewed with its key, the one that ends last counts."""
    signers = Signers(connection, certificate_rows(connection, schema.certificates.c.is_ca))
    rows = list(certificate_rows(connection, _is_alarmed()))
    signers.load(row["sha256"] for row in rows)
    above: dict[str, tuple[str, ...]] = {}
    waiting = rows[:]
    while waiting:
        row = waiting.pop()
        if row["sha256"] not in above:
            above[row["sha256"]] = signers.above(row)
            waiting += [signers.authorities[sha256] for sha256 in above[row["sha256"]]]
    used = sorted(
        {sha256 for own in above.values() for sha256 in own}, key=lambda sha256: (signers.authorities[sha256]["not_after"] or 0, sha256), reverse=True
    )
    numbers = {sha256: number for number, sha256 in enumerate(used)}
    authorities = tuple(_authority(signers.authorities[sha256], sorted(numbers[each] for each in above[sha256])) for sha256 in used)
    return Chains(authorities, {row["sha256"]: min(numbers[each] for each in above[row["sha256"]]) for row in rows if above[row["sha256"]]})


def _authority(row: Row, above: list[int]) -> dict[str, t.Any]:
    return {"sha256": row["sha256"], "name": row["common_name"], "root": bool(row["self_issued"]), "above": above}


def _is_alarmed() -> sa.ColumnElement[bool]:
    places, endpoints, sha256 = schema.places.c, schema.endpoints.c, schema.certificates.c.sha256
    alarmed = sa.select(places.certificate).where(places.gone_at.is_(None), places["class"].in_(ALARMED))
    served = sa.select(endpoints.certificate).where(endpoints.gone_at.is_(None), endpoints.certificate.is_not(None))
    return sa.or_(sha256.in_(alarmed), sha256.in_(served))


def certificate_rows(connection: sa.Connection, condition: t.Any) -> t.Iterator[Row]:
    """What chains are built by, of the certificates of a condition."""
    names = ("sha256", "common_name", "subject_json", "issuer_json", "not_after", "spki", "is_ca", "self_issued")
    columns = [schema.certificates.c[name] for name in (*names, "subject_key_identifier", "authority_key_identifier")]
    return iter(connection.execute(sa.select(*columns).where(condition).order_by(schema.certificates.c.sha256)).mappings())


def _fits(authority: Row, row: Row) -> bool:
    """By names and key identifiers (RFC 5280 section 4.2.1.1)."""
    identifiers = (authority["subject_key_identifier"], row["authority_key_identifier"])
    return authority["subject_json"] == row["issuer_json"] and (None in identifiers or identifiers[0] == identifiers[1])
