# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts, services, places, endpoints and certificates say who answers for them, and what of that is missing or in conflict."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.assignments import Wanted
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.endpoints import FACTS
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import EndpointsRecord, HostName, Issuer, ScanRecord, Stated
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.rules import rule_from

WEB1, WEB2 = HostName("lab", "web1"), HostName("lab", "web2")


@pytest.fixture(name="fleet")
def _fleet(inventory: Inventory, tools: t.Any, clock: t.Any) -> Inventory:
    """Two hosts that share a certificate; web1 has another one that nginx uses, and an endpoint of nobody shows that, too."""
    both, web, stored = (tools.make_der(name) for name in ("both", "web", "stored"))
    used = tools.answer(both, web, stored)
    used["places"][1]["services"] = ["nginx"]
    used["places"][2]["class"] = "trust_store"
    used["services"] = [{"name": "nginx", "entry": "nginx", "owner": "what the host says"}]
    for host, answer, groups, address in ((WEB1, used, ("web", "all {{ x }}"), "192.0.2.1"), (WEB2, tools.answer(both), ("db",), "2001:db8::1")):
        inventory.record_scan(ScanRecord(host, clock.time, clock.time, answer, {"addresses": [address, "?"]}, stated=Stated(groups)))
    facts = {**dict.fromkeys(("inventory_host", "protocol", "cipher", "reason", *FACTS)), "state": "seen", "port": 443, "starttls": "", "name": ""}
    endpoint = {**facts, "target": "outside.example", "address": "198.51.100.7", "chain": [tools.sha256(web)]}
    inventory.record_endpoints(EndpointsRecord("lab", "", [endpoint], {tools.sha256(web): web}))
    inventory.put_issuer(Issuer(name="internal", kind="embedded"))
    inventory.begin_issuance(tools.intent(serial=None, host=WEB2))
    inventory.complete_issuance(1, der=tools.make_der("nowhere"), chain=())
    return inventory


def _assign(inventory: Inventory, *rules: tuple[dict[str, t.Any], str]) -> None:
    made = tuple(rule_from(match, {"owner": owner}, source="rules", origin="ops", where="rule") for match, owner in rules)
    inventory.assign(Wanted("rules", "ops", made))


def _owners(inventory: Inventory, kind: str, *names: str) -> dict[t.Any, t.Any]:
    return {tuple(document[name] for name in names): document["ownership"]["owner"] for document in inventory.documents(kind)}


def _of_certificates(inventory: Inventory) -> dict[str, tuple[t.Any, t.Any]]:
    return {document["subject"]["commonName"]: (document["owner"], document["owners"]) for document in inventory.documents("certificates")}


REACHES: tuple[tuple[dict[str, t.Any], set[str], set[str]], ...] = (
    ({"group": "w*"}, {"web1"}, {"both", "web"}),
    ({"cidr": "192.0.2.0/24"}, {"web1"}, {"both", "web"}),
    ({"cidr": "2001:db8::/32"}, {"web2"}, {"both", "nowhere"}),
    ({"cidr": "198.51.100.0/24"}, set(), {"web"}),
    ({"host": "outside.*"}, set(), {"web"}),
    ({"host": "web[2]"}, {"web2"}, {"both", "nowhere"}),
    ({"namespace": "lab"}, {"web1", "web2"}, {"both", "web", "nowhere"}),
    ({"service": "nginx"}, set(), {"web"}),
    ({"path": "/etc/tls/1.pem"}, set(), {"web"}),
    ({"path": "outside.example:443"}, set(), {"web"}),
    ({"name": "nowhere.EXAMPLE"}, set(), {"nowhere"}),
    ({"name": "web"}, set(), {"web"}),
    ({"issuer": "internal"}, set(), {"nowhere"}),
    ({"issuer": "both"}, set(), {"both"}),
    ({"profile": "tls_server"}, set(), {"nowhere"}),
    ({"host": "web1", "name": "both*"}, set(), {"both"}),
    ({"path": "/etc/tls/2.pem"}, set(), set()),
    ({"group": "mail"}, set(), set()),
)


def test_what_a_rule_reaches(fleet: Inventory) -> None:
    """Hosts, and certificates by their places that raise alarms, or by the host that they were issued for."""
    for match, hosts, certificates in REACHES:
        _assign(fleet, (match, "x"))
        assert {host for (host,), owner in _owners(fleet, "hosts", "host").items() if owner} == hosts, match
        assert {name for name, (owner, _owners) in _of_certificates(fleet).items() if owner} == certificates, match


def test_services_inherit_from_hosts_and_certificates_from_services(fleet: Inventory) -> None:
    """What is nearer decides."""
    _assign(fleet, ({"host": "web1"}, "host"))
    assert _owners(fleet, "services", "host", "name") == {("web1", "nginx"): "host"}
    _assign(fleet, ({"host": "web1"}, "host"), ({"service": "nginx"}, "service"))
    assert _owners(fleet, "services", "host", "name") == {("web1", "nginx"): "service"}
    assert _owners(fleet, "places", "host", "path") == {
        ("web1", "/etc/tls/0.pem"): "host",
        ("web1", "/etc/tls/1.pem"): "service",
        ("web1", "/etc/tls/2.pem"): "host",
        ("web2", "/etc/tls/0.pem"): None,
    }
    assert _of_certificates(fleet) == {"both": ("host", ["host"]), "web": ("service", ["service"]), "stored": (None, []), "nowhere": (None, [])}
    assert all(place["owner"] == "root" for place in fleet.documents("places"))  # that of the file


def test_variables_are_candidates_like_the_others(fleet: Inventory, tools: t.Any, clock: t.Any) -> None:
    """With the name of the variable; what the CMDB says otherwise of the same host is a conflict."""
    rule = rule_from({"host": "web2"}, {"owner": "cmdb"}, source="import", origin="cmdb", where="rule")
    fleet.assign(Wanted("import", "cmdb", (rule,)))
    stated = Stated(("db",), (("owner", "variable"), ("contacts", ("b@x",))))
    fleet.record_scan(ScanRecord(WEB2, clock.time, clock.time, tools.answer(tools.make_der("both")), {}, stated=stated))
    host = {document["host"]: document for document in fleet.documents("hosts")}["web2"]
    assert (host["owner"], host["ownership"]["contacts"], host["ownership"]["conflicts"]) == ("variable", ["b@x"], ["owner"])
    assert host["ownership"]["candidates"] == [
        {"attribute": "owner", "value": "variable", "source": "variable", "origin": "certops_owner", "match": {"host": "web2"}},
        {"attribute": "owner", "value": "cmdb", "source": "import", "origin": "cmdb", "match": {"host": "web2"}},
        {"attribute": "contacts", "value": ["b@x"], "source": "variable", "origin": "certops_contacts", "match": {"host": "web2"}},
    ]
    findings = {(each["subject"], each["name"], each["finding"]): each["values"] for each in fleet.documents("ownership_findings")}
    assert [value["value"] for value in findings["host", "web2", "conflict"]] == ["variable", "cmdb"]
    assert ("certificate", "both", "conflict") in findings


def test_findings(fleet: Inventory) -> None:
    """What nobody owns and what several do; what only lies in a trust store is nobody's."""
    found = [(each["subject"], each["name"], each["finding"]) for each in fleet.documents("ownership_findings")]
    assert sorted(found) == [
        ("certificate", "both", "no_owner"),
        ("certificate", "web", "no_owner"),
        ("host", "web1", "no_owner"),
        ("host", "web2", "no_owner"),
    ]
    _assign(fleet, ({"host": "web1"}, "a"), ({"host": "web2"}, "b"), ({"host": "outside.example"}, "a"))
    (finding,) = fleet.documents("ownership_findings")
    assert (finding["name"], finding["finding"], finding["values"]) == ("both", "several_owners", [{"value": "a"}, {"value": "b"}])
