# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to a large inventory, as inventory_info puts them: their first page, and their number.

    questions.py URL

For each it prints the milliseconds of processor, of this process and of the server's that answers it, and those by the clock: medians of some runs in an
inventory that is open. The first run does not count: statements are made once a process.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
import typing as t
from dataclasses import replace
from pathlib import Path

import nights

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.certificates import certificate_rows, sha256_of
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.ask import Question, answer

RUNS = 7
PAGE = 20
HOST = 500  # one that every size has


def questions() -> dict[str, Question]:
    """By what they are called in the figures."""
    der = nights.certificate(nights.pattern(), HOST * nights.CERTIFICATES + 1)
    row, _names = certificate_rows(sha256_of(der), der)
    there = f"host=='{nights.name(HOST)}' && !gone_at"
    return {
        "certificates": Question(),
        "certificates that end within 30 days, by their end": Question(select="[?status=='warning']", sort="not_after"),
        "certificates of an issuer": Question(select=f"[?issuer.commonName=='{row['issuer_name']}']"),
        "certificates with a name": Question(select=f"[?subject_alt_name[?@=='DNS:{row['common_name']}']]"),
        "certificates of a subject": Question(select=f"[?subject.commonName=='{row['common_name']}']"),
        "a certificate by its fingerprint": Question(select=f"[?sha256=='{row['sha256']}']"),
        "certificates of a key": Question(select=f"[?spki=='{row['spki']}']"),
        "certificates on a host": Question(select=f"[?places[?{there}]]"),
        "places on a host": Question("places", f"[?{there}]", "bench"),
        "places": Question("places"),
        "places that are installed": Question("places", "[?class=='installed' && !gone_at]"),
        "events": Question("events"),
    }


def used(process: int | None) -> float:
    """Milliseconds of processor so far, of this process and of another one."""
    other = 0 if process is None else int(Path(f"/proc/{process}/schedstat").read_text(encoding="ascii").split()[0])
    return (time.process_time_ns() + other) / 1e6


def timed(inventory: Inventory, question: Question, server: int | None) -> dict[str, t.Any]:
    """The median of the runs."""
    samples = []
    for _run in range(RUNS + 1):
        began, before = time.perf_counter(), used(server)
        documents = answer(inventory, question).documents
        samples.append((used(server) - before, (time.perf_counter() - began) * 1000))
    processor, clock = (statistics.median(values) for values in zip(*samples[1:], strict=True))
    return {"processor": processor, "clock": clock, "found": documents[0] if question.count else len(documents)}


def main(url: str) -> None:
    with open_inventory(url, now=lambda: nights.FIRST, actor="bench") as inventory:
        server = None
        if url.startswith("postgresql:"):
            with inventory._engine.connect() as connection:
                server = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        for name, question in questions().items():
            for how, asked in (("page", replace(question, limit=PAGE)), ("count", replace(question, count=True))):
                print(json.dumps({"question": name, "how": how, **timed(inventory, asked, server)}), flush=True)


if __name__ == "__main__":
    os.umask(0o077)
    main(sys.argv[1])
