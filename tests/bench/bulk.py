# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory of many hosts in minutes: the rows that recording their first night would leave, written many at a time.

    bulk.py URL HOSTS

One certificate is taken apart; the rows of the others are made of its row, and are equal to what taking them apart would give (a unit test compares).
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import typing as t

import nights

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import chain, rows, schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.certificates import certificate_rows
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.scan_rows import Prepared, prepare
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import canonical_json
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import seconds

Row = dict[str, t.Any]
SLICE = 2000  # hosts in a transaction
TIME = seconds(nights.FIRST)
TABLES = ("hosts", "scans", "host_evidence", "certificates", "certificate_names", "places", "events")
_KEY = b"\x30\x59\x30\x13"  # where the public key of a certificate of the pattern begins, which has 91 bytes
# Before a great load; a crash in the middle leaves nothing that anybody wants.
PRAGMAS = ("PRAGMA synchronous = OFF", "PRAGMA cache_size = -1000000", "PRAGMA wal_autocheckpoint = 100000")


class Rows:
    """Rows of hosts and their certificates by number, as recording makes them."""

    def __init__(self) -> None:
        self._made = nights.pattern()
        der = nights.certificate(self._made, 0)
        row, names = certificate_rows(hashlib.sha256(der).hexdigest(), der)
        self._certificate, self._names = row | {"first_seen": TIME}, names
        self._prepared: Prepared = prepare(nights.scan(self._made, 0, "new"))
        self._place, *_others = self._prepared.things().tables["places"]
        self._key = der.index(_KEY)

    def certificate(self, number: int) -> tuple[Row, list[Row]]:
        """The row of a certificate and those of its names."""
        der = nights.certificate(self._made, number)
        sha256, name = hashlib.sha256(der).hexdigest(), f"{number:010d}"
        common, issuer = f"s{name}.bench.example", f"Bench Issuing CA {number % nights.ISSUERS}"
        own = {
            "sha256": sha256,
            "der": der,
            "subject_json": canonical_json([["organizationName", "Bench"], ["commonName", common]]),
            "issuer_json": canonical_json([["commonName", issuer]]),
            "common_name": common,
            "issuer_name": issuer,
            "serial": f"{nights.SERIAL + number:x}",
            "not_after": seconds(nights.end(number)),
            "spki": hashlib.sha256(der[self._key : self._key + 91]).hexdigest(),
        }
        return self._certificate | own, [
            row | {"certificate": sha256, "name": f"{first}{name}.bench.example"} for row, first in zip(self._names, "sw", strict=True)
        ]

    def places(self, host: int, index: int, sha256: str) -> t.Iterator[Row]:
        """The rows of the places of a host's certificate; its number in the table is one more."""
        own = {"certificate": sha256, "host_id": host + 1, "scan_id": host + 1, "first_seen": TIME, "gone_at": None}
        for place in range(nights.PLACES):
            yield self._place | own | {"path": nights.path(place, index)}

    def scan(self, host: int, *, again: bool) -> Row:
        """The row of the scan of a host. The digest of what it found takes most of the time, and only those hosts need it that are recorded ``again``."""
        prepared = prepare(nights.scan(self._made, host, "new")) if again else self._prepared
        digest = prepared.scan["digest"] if again else hashlib.sha256(b"%d" % host).hexdigest()
        return prepared.scan | {"id": host + 1, "host_id": host + 1, "same_as": None, "seen_until": TIME, "digest": digest}

    def slice(self, hosts: t.Iterable[int], again: t.Container[int]) -> dict[str, list[Row]]:
        """The rows of some hosts, by table."""
        told: dict[str, list[Row]] = {name: [] for name in TABLES}
        for host in hosts:
            told["hosts"].append({"id": host + 1, "namespace": "bench", "name": nights.name(host), "first_seen": TIME, "last_seen": TIME})
            told["scans"].append(self.scan(host, again=host in again))
            evidence = {"host_id": host + 1, "scan_id": host + 1, "first_seen": TIME}
            values = nights.evidence(host)
            pairs = (("machine_id", values["machine_id"]), ("python", values["python"]), ("address", values["addresses"][0]))
            told["host_evidence"] += [{"kind": kind, "value": value} | evidence for kind, value in pairs]
            for index in range(nights.CERTIFICATES):
                certificate, names = self.certificate(host * nights.CERTIFICATES + index)
                told["certificates"].append(certificate)
                told["certificate_names"] += names
                told["places"] += self.places(host, index, certificate["sha256"])
        return told


def make(inventory: Inventory, hosts: int) -> None:
    """Write so many hosts, and an event for each."""
    source, again = Rows(), nights.recorded_in("unchanged", hosts)
    for begin in range(0, hosts, SLICE):
        numbers = range(begin, min(begin + SLICE, hosts))
        told = source.slice(numbers, again)
        with inventory._write() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
            told["events"] = list(_events(connection, told["scans"]))
            for name in TABLES:
                rows.insert_new(connection, schema.metadata.tables[name], told[name])


def _events(connection: sa.Connection, scans: t.Sequence[Row]) -> t.Iterator[Row]:
    last = connection.execute(sa.select(schema.events.c.seq, schema.events.c.hash).order_by(schema.events.c.seq.desc()).limit(1)).first()
    number, previous = (last.seq, last.hash) if last else (0, chain.FIRST)
    for scan in scans:
        number += 1
        name = nights.name(scan["host_id"] - 1)
        detail = canonical_json({"scan": scan["id"], "digest": scan["digest"], "complete": True, "new_certificates": nights.CERTIFICATES, "gone": 0})
        row = {"seq": number, "time": TIME, "actor": "bench", "kind": "scan.recorded", "namespace": "bench", "host": name, "subject": name}
        row |= {"version": chain.VERSION, "detail": detail, "previous": previous, **dict.fromkeys(("actor_known", "account", "job", "ticket", "reason"))}
        previous = chain.line_hash(row)
        yield row | {"hash": previous}


def number_on(connection: sa.Connection) -> None:
    """Let a server count on behind the numbers that were given, and look at what it has; a file knows what to expect."""
    if connection.dialect.name == "postgresql":
        for name in ("hosts", "scans"):
            connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))")
        connection.exec_driver_sql("ANALYZE")


def main(url: str, hosts: int) -> None:
    with open_inventory(url, now=lambda: nights.FIRST, actor="bench") as inventory:
        if not url.startswith("postgresql:"):
            with inventory._engine.connect() as connection:
                for pragma in PRAGMAS:
                    connection.exec_driver_sql(pragma)
        make(inventory, hosts)
        with inventory._write() as connection:
            number_on(connection)
        print(json.dumps({"made": hosts}), flush=True)


if __name__ == "__main__":
    os.umask(0o077)
    main(sys.argv[1], int(sys.argv[2]))
