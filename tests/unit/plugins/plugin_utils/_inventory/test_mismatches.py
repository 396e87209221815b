# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far certificates have come, and where what is declared, issued, found and served does not go together."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.assignments import Wanted
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.endpoints import FACTS
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import EndpointsRecord, HostName, Issuer
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.rules import rule_from

WEB1, WEB2 = HostName("lab", "web1"), HostName("lab", "web2")


@pytest.fixture(name="fleet")
def _fleet(inventory: Inventory, tools: t.Any, clock: t.Any) -> Inventory:
    """An issuer that may issue."""
    inventory.put_issuer(Issuer(name="internal", kind="embedded"))
    return inventory


def _issue(inventory: Inventory, tools: t.Any, name: str, *, installed: bool, declared: str | None = None) -> bytes:
    der: bytes = tools.make_der(name)
    issuance = inventory.begin_issuance(tools.intent(name=declared or name, serial=None))
    inventory.complete_issuance(issuance.id, der=der, chain=())
    if installed:
        inventory.set_issuance_state(issuance.id, state="installed")
    return der


def _found(inventory: Inventory, *findings: str) -> list[tuple[str, str, str]]:
    every = [(each["finding"], each["host"], each["name"]) for each in inventory.documents("mismatches")]
    return [each for each in every if not findings or each[0] in findings]


def test_the_ladder(fleet: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Of certificates by the best that is known of them, of places by what was done on that host."""
    put, got = _issue(fleet, tools, "put", installed=True), _issue(fleet, tools, "got", installed=False)
    tools.record(fleet, tools.answer(put, got, tools.make_der("found"), locked=[{"path": "/etc/tls/x.p12"}]), at=clock.time)
    tools.record(fleet, tools.answer(put, tools.make_der("copied")), at=clock.time, host=WEB2)
    fleet.assign(Wanted("rules", "ops", (rule_from({"host": "web2"}, {"owner": "x"}, source="rules", origin="ops", where="rule"),)))
    rungs = {document["subject"]["commonName"]: document["management"] for document in fleet.documents("certificates")}
    assert rungs == {"put": "provisioned", "got": "enrolled", "found": "unmanaged", "copied": "monitored"}
    places = {(place["host"], place["path"]): place["management"] for place in fleet.documents("places")}
    of_web1 = {"/etc/tls/0.pem": "provisioned", "/etc/tls/1.pem": "enrolled", "/etc/tls/2.pem": "unmanaged", "/etc/tls/x.p12": "unmanaged"}
    of_web2 = {"/etc/tls/0.pem": "enrolled", "/etc/tls/1.pem": "monitored"}
    assert places == {**{("web1", path): rung for path, rung in of_web1.items()}, **{("web2", path): rung for path, rung in of_web2.items()}}
    undeclared = _found(fleet, "found_undeclared")
    assert undeclared == [("found_undeclared", "web1", "found"), ("found_undeclared", "web2", "put"), ("found_undeclared", "web2", "copied")]


def test_issued_and_nowhere(fleet: Inventory, tools: t.Any, clock: t.Any) -> None:
    """As long as it is valid, not seen anywhere, and the newest of its declaration."""
    _issue(fleet, tools, "replaced", installed=False, declared="web")
    der = _issue(fleet, tools, "lost", installed=False, declared="web")
    assert _found(fleet) == [("issued_nowhere", "web1", "web")]
    tools.record(fleet, tools.answer(der), at=clock.time, host=WEB2)
    assert _found(fleet, "issued_nowhere") == []
    tools.record(fleet, tools.answer(), at=clock.move(days=1), host=WEB2)
    assert _found(fleet, "issued_nowhere") == [("issued_nowhere", "web1", "web")]
    clock.move(days=365)
    assert _found(fleet) == []


def test_put_in_place_and_gone(fleet: Inventory, tools: t.Any, clock: t.Any) -> None:
    """From the host that it was put on, though a copy may lie elsewhere."""
    der = _issue(fleet, tools, "web", installed=True)
    tools.record(fleet, tools.answer(der), at=clock.time)
    tools.record(fleet, tools.answer(der), at=clock.time, host=WEB2)
    assert _found(fleet, "declared_absent") == []
    tools.record(fleet, tools.answer(), at=clock.move(days=1))
    assert _found(fleet, "declared_absent", "issued_nowhere") == [("declared_absent", "web1", "web")]


def test_served(fleet: Inventory, tools: t.Any, clock: t.Any) -> None:
    """What a service shows instead of its files, and what lies in no file; certificates of CAs and what is gone are not told."""
    old, new, other = (tools.make_der(name) for name in ("old", "new", "other"))
    look = {"address": "::", "port": 443, "name": "www", "sha256": tools.sha256(old), "state": "not_loaded", "not_after": 1800000000}
    service = {"name": "nginx", "served": [look, {**look, "state": "ok", "port": 444}, {"state": "not_loaded"}]}
    tools.record(fleet, tools.answer(new, services=[service]), at=clock.time)
    facts = {**dict.fromkeys(("inventory_host", "address", "protocol", "cipher", "reason", *FACTS)), "state": "seen", "port": 443, "starttls": "", "name": ""}
    endpoints = [{**facts, "target": name, "chain": [tools.sha256(der)]} for name, der in (("web1", other), ("outside", new))]
    fleet.record_endpoints(EndpointsRecord("lab", "", endpoints, {tools.sha256(der): der for der in (new, other)}))
    assert _found(fleet) == [("served_not_file", "web1", "www"), ("served_unknown", "web1", "other"), ("found_undeclared", "web1", "new")]
    tools.record(fleet, tools.answer(other), at=clock.move(days=1))
    assert _found(fleet, "served_not_file", "served_unknown") == [("served_unknown", "outside", "new")]
