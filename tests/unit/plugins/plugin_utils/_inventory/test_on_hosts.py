# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificates that hosts have in use or installed, from both kinds of database."""

from __future__ import annotations

import typing as t

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.assignments import Wanted
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.endpoints import FACTS
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import EndpointsRecord, HostName
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.rules import rule_from
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import elliptic_size


def _on_curve(tools: t.Any, curve: t.Any) -> bytes:
    key = ec.generate_private_key(curve)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "curve")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 5, tools.START, tools.START.replace(year=2030))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _endpoint(sha256: str, **other: t.Any) -> dict[str, t.Any]:
    own = {"state": "seen", "inventory_host": "web1", "target": "web1", "port": 443, "name": "", "starttls": "none", "address": "192.0.2.1"}
    return {**dict.fromkeys(FACTS), **own, "chain": [sha256], "protocol": "TLSv1.3", "cipher": None, "reason": None, **other}


@pytest.fixture(name="full")
def _full(inventory: Inventory, tools: t.Any, clock: t.Any) -> Inventory:
    """A host with a certificate of each class and one that is gone, one in another namespace, and one that never answered."""
    used, test, gone = (tools.make_der(name) for name in ("used", "test", "gone"))
    tools.record(inventory, tools.answer(gone), at=clock())
    places = [tools.place(used, "/etc/tls/1.pem", **{"class": "in_use", "services": ["nginx"]}), tools.place(test, "/etc/tls/2.pem", **{"class": "backup"})]
    tools.record(inventory, tools.answer(used, test, places=places), at=clock.move(days=1))
    tools.record(inventory, tools.answer(_on_curve(tools, ec.SECP384R1())), host=HostName("prod", "db1"), at=clock())
    inventory.record_silent_host(HostName("prod", "dead"), reason="unreachable")
    return inventory


def test_files(full: Inventory, tools: t.Any) -> None:
    """Only what raises alarms and is there, with what groups are made of."""
    web, database = full.on_hosts()
    assert (web["namespace"], web["host"], web["path"], web["class"]) == ("lab", "web1", "/etc/tls/1.pem", "in_use")
    assert (web["sha256"], web["common_name"], web["name"]) == (tools.sha256(tools.make_der("used")), "used", "used.example")
    assert (web["services_json"], web["self_issued"], web["revoked"], web["key_type"], web["key_size"]) == ('["nginx"]', True, False, "ECC", 256)
    assert (database["host"], database["key_size"], database["name"]) == ("db1", 384, None)


def test_who_answers_for_it(full: Inventory, tools: t.Any) -> None:
    """Of files by every kind of rule, of listeners by those that fit them."""
    der = tools.make_der("served")
    full.record_endpoints(EndpointsRecord("lab", "", [_endpoint(tools.sha256(der))], {tools.sha256(der): der}))
    rules = [({"host": "web1"}, {"owner": "Team Host", "contacts": "a@x"}), ({"name": "used.example"}, {"owner": "Team Name", "application": "shop"})]
    full.assign(Wanted("rules", "ops", tuple(rule_from(*pair, source="rules", origin="ops", where="rule") for pair in rules)))
    told = [(row["host"], row["purpose"]) for row in full.on_hosts()]
    assert told == [("web1", {"owner": "Team Name", "application": "shop"}), ("db1", {}), ("web1", {"owner": "Team Host"})]
    assert all("host_id" not in row and row["is_ca"] is False for row in full.on_hosts("lab"))


def test_one_namespace(full: Inventory) -> None:
    """Hosts and their certificates."""
    assert list(full.host_names("prod")) == [("prod", "db1"), ("prod", "dead")]
    assert [row["host"] for row in full.on_hosts("prod")] == ["db1"]
    assert list(full.host_names()) == [("lab", "web1"), ("prod", "db1"), ("prod", "dead")]
    assert list(full.on_hosts("nowhere")) == []


def test_what_listeners_show_counts(full: Inventory, tools: t.Any) -> None:
    """For the host that they belong to; what nobody owns is no host's."""
    der = tools.make_der("served")
    owned, other = _endpoint(tools.sha256(der)), _endpoint(tools.sha256(der), inventory_host=None, target="stranger.example")
    full.record_endpoints(EndpointsRecord("lab", "", [owned, other], {tools.sha256(der): der}))
    rows = [row for row in full.on_hosts("lab") if row["sha256"] == tools.sha256(der)]
    assert [(row["host"], row["path"], row["class"], row["services_json"]) for row in rows] == [("web1", "web1:443", "in_use", "[]")]


def test_revoked_ones_are_told(full: Inventory, tools: t.Any) -> None:
    """By the state of their issuance, wherever they lie."""
    tools.record(full, tools.answer(tools.make_der("used")), at=tools.START, host=HostName("lab", "copy"))
    full.put_issuer(tools.issuer)
    number = full.begin_issuance(tools.intent(serial=None)).id
    full.complete_issuance(number, der=tools.make_der("used"), chain=())
    assert [row["revoked"] for row in full.on_hosts()] == [False, False, False]
    full.set_issuance_state(number, state="revoked", reason="key_compromise")
    assert [(row["host"], row["revoked"]) for row in full.on_hosts()] == [("copy", True), ("web1", True), ("db1", False)]


def test_the_size_of_a_curve_in_a_broken_certificate(tools: t.Any) -> None:
    """Is read when its key is whole, and unknown otherwise."""
    der = _on_curve(tools, ec.SECP384R1())
    assert elliptic_size(der) == 384
    assert elliptic_size(der.replace(b"\x17\x0d260301", b"\x17\x0d269901")) == 384
    assert elliptic_size(b"nothing") is None
