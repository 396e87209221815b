# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which CA signed a certificate: by names and key identifiers, as chains are built, and by the signature.

Who claims a CA by its name alone is not below it. So many signatures are checked for one question; what is left after that counts by its names.
"""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import parts
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.signature import is_signed_by, readable

Row = t.Mapping[t.Any, t.Any]
CHECKS = 20_000


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


def _fits(authority: Row, row: Row) -> bool:
    """By names and key identifiers (RFC 5280 section 4.2.1.1)."""
    identifiers = (authority["subject_key_identifier"], row["authority_key_identifier"])
    return authority["subject_json"] == row["issuer_json"] and (None in identifiers or identifiers[0] == identifiers[1])
