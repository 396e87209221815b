# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many rows written into the inventory's tables, by its own code and by the driver's fastest way with rows and statements that are ready.

    upserts.py URL HOSTS

The inventory has these hosts (bulk.py makes them) with ten certificates each. Those of some slices of the fleet are written again, by the floor and by ours in
turn: each certificate with two names and five places. It prints the seconds of processor of both for each slice, with those of the server where there is one.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import typing as t

import bulk
import nights
from questions import used

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import rows, schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory

TABLES = ("certificates", "certificate_names", "places")
Rows = dict[str, list[dict[str, t.Any]]]


SLICES = 4
UPSERTED = 80_000  # certificates of all slices together


def made_rows(source: bulk.Rows, hosts: t.Iterable[int]) -> Rows:
    """Rows of these hosts for the three tables, as they are there."""
    told = source.slice(hosts, ())
    return {name: told[name] for name in TABLES}


def write_ours(inventory: Inventory, told: Rows) -> float:
    with inventory._write() as connection:
        meter = Meter(backend(connection) if connection.dialect.name == "postgresql" else None)
        rows.insert_new(connection, schema.certificates, told["certificates"])
        rows.insert_new(connection, schema.certificate_names, told["certificate_names"])
        rows.upsert(connection, schema.places, told["places"], keep=("first_seen",))
    return meter.seconds()


def statement(name: str, columns: t.Sequence[str], source: str) -> str:
    """The SQL that both databases know: a place is changed, the others stay."""
    keys = ("host_id", "path", "certificate", "alias")
    changed = ", ".join(f'"{column}" = excluded."{column}"' for column in columns if column not in (*keys, "first_seen"))
    conflict = f"({', '.join(keys)}) DO UPDATE SET {changed}" if name == "places" else "DO NOTHING"
    return f"INSERT INTO {name} ({quoted(columns)}) {source} ON CONFLICT {conflict}"


def quoted(columns: t.Iterable[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def write_sqlite(path: str, told: Rows) -> float:
    """The floor of a file: executemany of sqlite3."""
    ready = {name: (list(told[name][0]), [tuple(row.values()) for row in told[name]]) for name in TABLES}
    connection = sqlite3.connect(path)
    meter = Meter(None)
    with connection:
        for name, (columns, values) in ready.items():
            connection.executemany(statement(name, columns, f"VALUES ({', '.join('?' * len(columns))})"), values)
    seconds = meter.seconds()
    connection.close()
    return seconds


def write_postgresql(url: str, told: Rows) -> float:
    """The floor of a server: COPY into a temporary table, and from there."""
    import psycopg

    ready = {name: (list(told[name][0]), [tuple(row.values()) for row in told[name]]) for name in TABLES}
    with psycopg.connect(url) as connection:
        meter = Meter(connection.info.backend_pid)
        for name, (columns, values) in ready.items():
            connection.execute(f"CREATE TEMPORARY TABLE given ON COMMIT DROP AS SELECT {quoted(columns)} FROM {name} WITH NO DATA")
            with connection.cursor().copy("COPY given FROM STDIN") as stream:
                for row in values:
                    stream.write_row(row)
            connection.execute(statement(name, columns, "SELECT * FROM given"))
            connection.execute("DROP TABLE given")
        connection.commit()
        return meter.seconds()


class Meter:
    """Seconds of processor from here on, of this process and of a server's that works for it."""

    def __init__(self, server: int | None) -> None:
        self._server = server
        self._began = used(server)

    def seconds(self) -> float:
        return (used(self._server) - self._began) / 1000


def backend(connection: t.Any) -> int:
    """The process of the server that answers a connection."""
    return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar())


def main(url: str, hosts: int) -> None:
    floor = write_postgresql if url.startswith("postgresql:") else write_sqlite
    source, each = bulk.Rows(), UPSERTED // SLICES // nights.CERTIFICATES
    with open_inventory(url, now=lambda: nights.FIRST, actor="bench") as inventory:
        for begin in range(0, hosts, max(hosts // SLICES, 1)):
            told = made_rows(source, range(begin, min(begin + each, hosts)))
            seconds = {"floor": floor(url, told), "ours": write_ours(inventory, told)}
            print(json.dumps({"ours": seconds["ours"], "floor": seconds["floor"], "places": len(told["places"])}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
