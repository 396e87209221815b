# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The noisy host of the host ring's corpus, scanned and recorded: what a reader of the inventory and of the report is alarmed about."""

from __future__ import annotations

import collections
import pathlib
import re
import typing as t
from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.select import selected
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import ALARMED, HostName, ScanRecord
from ansible_collections.certops.fleet.plugins.plugin_utils._report.assemble import assembled
from ansible_collections.certops.fleet.plugins.plugin_utils._report.content import Report, build_report
from ansible_collections.certops.fleet.plugins.plugin_utils._report.papers import Table
from ansible_collections.certops.fleet.plugins.plugin_utils._report.requirements import Settings
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.scan import corpus

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
KINDS = ("places", "keys", "crls", "requests")
PAGE = pathlib.Path(__file__).resolve().parents[5] / "docs" / "discovery.md"


@pytest.fixture(name="inventory", scope="module", params=[False, True], ids=["default", "home"])
def _inventory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[tuple[Inventory, bool]]:
    """The scan of the host in an inventory, and whether homes were looked into."""
    root = str(tmp_path_factory.mktemp("host"))
    corpus.build(root)
    answer = corpus.scanned(root, home=request.param)
    with open_inventory(str(tmp_path_factory.mktemp("data") / "inventory.db"), now=lambda: NOW, actor="tester") as inventory:
        inventory.record_scan(ScanRecord(HostName("lab", "noisy"), NOW - timedelta(seconds=2), NOW, answer, {}))
        yield inventory, request.param


def documents(inventory: Inventory, kind: str) -> list[t.Any]:
    return list(inventory.documents(kind))


def report_of(inventory: Inventory) -> Report:
    return build_report(documents(inventory, "hosts"), documents(inventory, "certificates"), documents(inventory, "places"), NOW)


def test_alarms_of_the_report(inventory: tuple[Inventory, bool]) -> None:
    """They are the true ones, each once, and nothing else; figures count the same."""
    report = report_of(inventory[0])
    alarms = [row for row in report.places if row["class"] in ALARMED and row["status"] != "ok"]
    assert sorted(row["path"] for row in alarms) == corpus.alarms(home=inventory[1])
    assert {row["status"] for row in alarms} == {"expired"}
    assert report.figures["expired"] == len(alarms)
    assert report.figures["warning"] == report.figures["unknown"] == 0
    assert report.figures["certificates"] == len(alarms) + len(corpus.VALID)
    assert [row["problems"] for row in report.hosts] == [1]


def test_register_of_an_inventory(inventory: tuple[Inventory, bool]) -> None:
    """It lists what the report counts and counts it as the report does, each certificate once."""
    report, papers = assembled(inventory[0], Settings(), NOW)
    assert [name for name, _title in report.documents] == [paper.name for paper in papers]
    measures, listed = (block for block in papers[-1].blocks if isinstance(block, Table))
    found = {row[1]: row[2] for row in measures.rows}
    assert len(listed.rows) == report.figures["certificates"]
    assert found["certificates in use or installed"] == str(report.figures["certificates"])
    assert found["certificates that have expired"] == str(report.figures["expired"])
    keys = [key for key in documents(inventory[0], "keys") if key["everyone"]]
    assert found["private keys that every account of their host can read"] == str(len(keys))


def test_expired_certificates_of_other_classes_are_kept(inventory: tuple[Inventory, bool]) -> None:
    """They are listed with their class, and no class is missing."""
    report = report_of(inventory[0])
    quiet = {row["class"] for row in report.places if row["status"] == "expired"} - set(ALARMED)
    assert quiet == {"history", "test_or_package", "container_layer", "backup", "trust_copy", "trust_store"}


def test_alarms_of_inventory_info(inventory: tuple[Inventory, bool]) -> None:
    """The query of its documentation finds what is in use and has ended, and nothing of a trust store."""
    query = "[?status!='ok' && places[?class=='in_use' && !gone_at]].places[].path"
    assert sorted(selected(documents(inventory[0], "certificates"), query)) == sorted("/" + path for _name, path in corpus.USED)
    query = "[?status=='expired' && (class=='in_use' || class=='installed') && gone_at==null].path"
    assert sorted(selected(documents(inventory[0], "places"), query)) == corpus.alarms(home=inventory[1])


def test_rows_of_a_host(inventory: tuple[Inventory, bool]) -> None:
    """As docs/discovery.md says, and none of them is an anchor of a trust store."""
    rows = collections.Counter({kind: len(documents(inventory[0], kind)) for kind in KINDS})
    rows["copies"] = sum(len(bundle["places"]) for bundle in documents(inventory[0], "bundles"))
    if not inventory[1]:
        told = re.search(r"noisy host of the tests costs (\d+) rows: (\d+) places, (\d+) keys, (\d+) trust stores and copies", PAGE.read_text(encoding="utf-8"))
        assert told is not None
        assert [int(number) for number in told.groups()] == [rows.total(), rows["places"], rows["keys"], rows["copies"]]
    anchors = {sha256 for bundle in documents(inventory[0], "bundles") for sha256 in bundle["certificates"]}
    assert not anchors & {place["sha256"] for place in documents(inventory[0], "places")}
