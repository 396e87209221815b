# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fleet that does not exist."""

from __future__ import annotations

import collections
import json
import subprocess
import sys
import typing as t
from dataclasses import replace
from pathlib import Path

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory

# They import each other by their names alone.
sys.path.append(str(Path(__file__).resolve().parents[2] / "bench"))
import bulk
import nights
import questions

BENCH = Path(nights.__file__).parent


def test_its_certificates_differ() -> None:
    """openssl reads other serials, names and keys in each."""
    made = nights.pattern()
    seen = []
    for number in (0, 1, 999_999):
        options = ["-inform", "DER", "-noout", "-serial", "-subject", "-ext", "subjectAltName", "-nameopt", "RFC2253"]
        text = subprocess.run(["openssl", "x509", *options], input=nights.certificate(made, number), capture_output=True, check=True).stdout.decode()
        assert f"s{number:010d}.bench.example" in text
        seen.append(text)
    assert len(set(seen)) == 3


def test_three_nights(tmp_path: Path) -> None:
    """Of a fleet of two: two hosts more, two on which nothing has changed, and two that have a new certificate each."""
    path = str(tmp_path / "inventory.db")
    with open_inventory(path, now=lambda: nights.FIRST) as inventory:
        bulk.make(inventory, 2)
    assert [figures["night"] for figures in nights.nights(path, 2)] == list(nights.NIGHTS)
    with open_inventory(path, now=lambda: nights.FIRST) as inventory:
        kinds = {kind: list(inventory.documents(kind)) for kind in ("certificates", "places", "scans", "events")}
        assert inventory.verify_chain() == ()
    assert len(kinds["certificates"]) == 4 * nights.CERTIFICATES + 2
    assert collections.Counter(place["gone_at"] is None for place in kinds["places"]) == {True: 200, False: 10}
    assert [scan["changed"] for scan in kinds["scans"]] == [True, True, True, True, False, False, True, True]
    assert len(kinds["events"]) == 6


def _rows(inventory: Inventory) -> dict[str, list[t.Any]]:
    with inventory._read() as connection:
        return {name: sorted(connection.exec_driver_sql(f"SELECT * FROM {name}").all(), key=repr) for name in bulk.TABLES}


def test_rows_in_bulk_are_those_of_a_recording(tmp_path: Path) -> None:
    """All columns of all tables."""
    with open_inventory(str(tmp_path / "one.db"), now=lambda: nights.FIRST, actor="bench") as inventory:
        for host in range(3):
            inventory.record_scan(nights.scan(nights.pattern(), host, "new"))
        recorded = _rows(inventory)
    with open_inventory(str(tmp_path / "other.db"), now=lambda: nights.FIRST, actor="bench") as inventory:
        bulk.make(inventory, 3)
        made = _rows(inventory)
    assert made == recorded


def test_questions_are_asked(tmp_path: Path) -> None:
    """Each finds something, both ways, and counts at least what is on its page."""
    path = str(tmp_path / "inventory.db")
    with open_inventory(path, now=lambda: nights.FIRST) as inventory:
        bulk.make(inventory, questions.HOST + 1)
        told = {
            how: {name: questions.answer(inventory, replace(question, **asked)).documents for name, question in questions.questions().items()}
            for how, asked in (("page", {"limit": questions.PAGE}), ("count", {"count": True}))
        }
    assert all(len(page) == min(questions.PAGE, told["count"][name][0]) > 0 for name, page in told["page"].items())


def test_many_rows_are_written_both_ways(tmp_path: Path) -> None:
    """What is compared writes the same rows: after each of them the file holds what it held."""
    path = tmp_path / "inventory.db"
    with open_inventory(str(path), now=lambda: nights.FIRST, actor="bench") as inventory:
        bulk.make(inventory, 8)
        before = _rows(inventory)
    done = subprocess.run([sys.executable, BENCH / "upserts.py", path, "8"], capture_output=True, check=True, text=True)
    assert [sorted(json.loads(line)) for line in done.stdout.splitlines()] == [["floor", "ours", "places"]] * 4
    with open_inventory(str(path), now=lambda: nights.FIRST) as inventory:
        assert _rows(inventory) == before
