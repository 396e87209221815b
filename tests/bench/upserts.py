# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many rows written into the inventory's tables, by its own code and by the driver's fastest way with rows and statements that are ready.

    upserts.py URL CERTIFICATES

Each certificate with two names and five places, all of them there already. It prints the seconds of ours and of the floor.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
import time
import typing as t

import nights

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import rows, schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.certificates import parsed
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory

TABLES = ("certificates", "certificate_names", "places")
Rows = dict[str, list[dict[str, t.Any]]]


def made_rows(number: int) -> Rows:
    """Rows of one host for the three tables."""
    pattern = nights.pattern()
    ders = [nights.certificate(pattern, index) for index in range(number)]
    certificates, names = parsed({hashlib.sha256(der).hexdigest(): der for der in ders})
    file = {"entry": 0, "format": "pem", "class": "installed", "owner": "root", "group": "root", "mode": "0644", "size": 900, "mtime": 1.5, "ctime": 2.5}
    other = {"alias": "", "hard_links": 1, "links_json": "[]", "key_json": None, "services_json": "[]", "scan_id": 1, "first_seen": 1, "gone_at": None}
    places = [
        {"host_id": 1, "path": f"/etc/ssl/application{place}/{index}.pem", "certificate": row["sha256"], **file, **other}
        for index, row in enumerate(certificates)
        for place in range(nights.PLACES)
    ]
    return {"certificates": [row | {"first_seen": 1} for row in certificates], "certificate_names": names, "places": places}


def write_ours(inventory: Inventory, told: Rows) -> float:
    began = time.perf_counter()
    with inventory._write() as connection:
        rows.insert_new(connection, schema.certificates, told["certificates"])
        rows.insert_new(connection, schema.certificate_names, told["certificate_names"])
        rows.upsert(connection, schema.places, told["places"], keep=("first_seen",))
    return time.perf_counter() - began


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
    began = time.perf_counter()
    with connection:
        for name, (columns, values) in ready.items():
            connection.executemany(statement(name, columns, f"VALUES ({', '.join('?' * len(columns))})"), values)
    seconds = time.perf_counter() - began
    connection.close()
    return seconds


def write_postgresql(url: str, told: Rows) -> float:
    """The floor of a server: COPY into a temporary table, and from there."""
    import psycopg

    ready = {name: (list(told[name][0]), [tuple(row.values()) for row in told[name]]) for name in TABLES}
    with psycopg.connect(url) as connection:
        began = time.perf_counter()
        for name, (columns, values) in ready.items():
            connection.execute(f"CREATE TEMPORARY TABLE given ON COMMIT DROP AS SELECT {quoted(columns)} FROM {name} WITH NO DATA")
            with connection.cursor().copy("COPY given FROM STDIN") as stream:
                for row in values:
                    stream.write_row(row)
            connection.execute(statement(name, columns, "SELECT * FROM given"))
            connection.execute("DROP TABLE given")
        connection.commit()
        return time.perf_counter() - began


def main(url: str, number: int) -> None:
    told = made_rows(number)
    floor = write_postgresql if url.startswith("postgresql:") else write_sqlite
    with open_inventory(url, now=lambda: nights.FIRST, actor="bench") as inventory:
        inventory.record_scan(nights.scan(nights.pattern(), 0, 0))
        write_ours(inventory, told)
        for _run in range(3):
            print(json.dumps({"ours": write_ours(inventory, told), "floor": floor(url, told)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
