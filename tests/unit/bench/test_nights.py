# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fleet that does not exist."""

from __future__ import annotations

import collections
import json
import subprocess
import sys
from pathlib import Path

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import open_inventory
from ansible_collections.certops.fleet.tests.bench import nights

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
    """Two hosts: the first has a new certificate in the third night; each night is a row for each, and the second night nothing else."""
    path = str(tmp_path / "inventory.db")
    assert [figures["night"] for figures in nights.nights(path, 2)] == list(nights.NIGHTS)
    with open_inventory(path, now=lambda: nights.FIRST) as inventory:
        kinds = {kind: list(inventory.documents(kind)) for kind in ("certificates", "places", "scans", "events")}
    assert len(kinds["certificates"]) == 2 * nights.CERTIFICATES + 1
    assert collections.Counter(place["gone_at"] is None for place in kinds["places"]) == {True: 100, False: 5}
    assert [scan["changed"] for scan in kinds["scans"]] == [True, True, False, False, True, False]
    assert len(kinds["events"]) == 3


def test_many_rows_are_written_both_ways(tmp_path: Path) -> None:
    """What is compared writes the same rows: after each of them the file holds what it held."""
    path = tmp_path / "inventory.db"
    done = subprocess.run([sys.executable, BENCH / "upserts.py", path, "7"], capture_output=True, check=True, text=True)
    assert [sorted(json.loads(line)) for line in done.stdout.splitlines()] == [["floor", "ours"]] * 3
    with open_inventory(str(path), now=lambda: nights.FIRST) as inventory:
        assert len(list(inventory.documents("places"))) == 50 + 7 * nights.PLACES
