# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Endpoints as places of their own."""

from __future__ import annotations

import base64
import json
import typing as t

import pytest
import sqlalchemy as sa
from alembic import command

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import migrate
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.certificates import checked_certificates
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.endpoints import FACTS
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import EndpointsRecord, EndpointsRecorded, HostName, InventoryError, Issuer
from ansible_collections.certops.fleet.plugins.plugin_utils._report.content import build_report


def row(*chain: str, **changes: t.Any) -> dict[str, t.Any]:
    """An endpoint as the scan tells it."""
    told: dict[str, t.Any] = dict.fromkeys(("inventory_host", "address", "protocol", "cipher", "reason", *FACTS))
    told |= {"state": "seen", "target": "www.example.com", "port": 443, "name": "www.example.com", "starttls": "", "chain": list(chain)}
    return {**told, "address": "192.0.2.7", **changes}


def record(inventory: Inventory, *rows: dict[str, t.Any], ders: t.Sequence[bytes] = (), seen_from: str = "", tools: t.Any = None) -> EndpointsRecorded:
    return inventory.record_endpoints(EndpointsRecord("lab", seen_from, rows, {tools.sha256(der): der for der in ders}))


def only(inventory: Inventory) -> dict[str, t.Any]:
    (document,) = inventory.documents("endpoints")
    return document


def test_what_is_shown_is_a_place(inventory: Inventory, tools: t.Any) -> None:
    """With chain and facts, and with the health of its certificate; the certificate knows the place."""
    leaf, above = tools.make_der("web"), tools.make_der("ca")
    chain = [tools.sha256(leaf), tools.sha256(above)]
    told = row(*chain, protocol="TLSv1.3", verified=True, protocols={"SSLv3": False})
    assert record(inventory, told, ders=[leaf, above], tools=tools) == EndpointsRecorded(changed=1, gone=0, linked=0)
    document = only(inventory)
    expected = {"host": "www.example.com", "linked": False, "path": "www.example.com:443", "class": "in_use", "chain": chain, "protocol": "TLSv1.3"}
    assert expected.items() <= document.items()
    assert (document["verified"], document["protocols"], document["status"], document["sha256"]) == (True, {"SSLv3": False}, "ok", chain[0])
    certificate = {each["sha256"]: each for each in inventory.documents("certificates")}[chain[0]]
    assert [(place["host"], place["path"], place["class"]) for place in certificate["places"]] == [("www.example.com", "www.example.com:443", "in_use")]
    assert [event["kind"] for event in inventory.documents("events")] == ["endpoints.recorded"]


def test_the_same_again_is_no_event(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Only the times move on; another certificate is told."""
    first, second = tools.make_der("web"), tools.make_der("web", days=180)
    for der, changed in ((first, 1), (first, 0), (second, 1)):
        clock.move(days=1)
        assert record(inventory, row(tools.sha256(der)), ders=[der], tools=tools).changed == changed
    document = only(inventory)
    assert (document["sha256"], document["first_seen"], document["last_seen"]) == (tools.sha256(second), "2026-03-02T12:00:00Z", "2026-03-04T12:00:00Z")
    assert len(list(inventory.documents("events"))) == 2


def test_a_listener_that_fails_keeps_what_it_showed(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """With the reason why it was not seen the last time; one that never showed anything is a place without a certificate."""
    der = tools.make_der("web")
    record(inventory, row(tools.sha256(der)), ders=[der], tools=tools)
    clock.move(days=1)
    failing = {"state": "failed", "reason": "did not finish the handshake within 10 s"}
    record(inventory, row(**failing), row(**failing, target="new.example.com"), tools=tools)
    new, known = inventory.documents("endpoints")
    assert (known["sha256"], known["reason"], known["last_seen"]) == (tools.sha256(der), failing["reason"], "2026-03-01T12:00:00Z")
    assert (known["looked_at"], known["gone_at"]) == ("2026-03-02T12:00:00Z", None)
    assert (new["sha256"], new["reason"], new["status"]) == (None, failing["reason"], None)


def test_where_nobody_listens(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """A known place is gone when the machine says so, stays when nobody answers, and comes back; an unknown one is no place."""
    der = tools.make_der("web")
    record(inventory, row(tools.sha256(der)), row(target="nobody", state="closed"), row(target="nowhere", state="unreachable"), ders=[der], tools=tools)
    clock.move(days=1)
    assert record(inventory, row(state="unreachable", reason="took no connection within 5 s"), tools=tools).gone == 0
    assert (only(inventory)["gone_at"], only(inventory)["reason"]) == (None, "took no connection within 5 s")
    assert record(inventory, row(state="closed", reason="cannot be connected to: Connection refused"), tools=tools).gone == 1
    assert record(inventory, row(state="closed"), tools=tools).gone == 0
    assert only(inventory)["gone_at"] == "2026-03-02T12:00:00Z"
    record(inventory, row(tools.sha256(der)), tools=tools)
    assert only(inventory)["gone_at"] is None


@pytest.mark.parametrize(
    ("changes", "seen_from", "host"),
    [
        ({"target": "web1"}, "", "web1"),
        ({"inventory_host": "web1", "target": "198.51.100.1", "address": "198.51.100.1"}, "", "web1"),
        ({"address": "192.0.2.1"}, "", "web1"),
        ({"target": "192.0.2.1"}, "", "web1"),
        ({"target": "localhost", "address": "127.0.0.1"}, "web1", "web1"),
        ({"target": "localhost", "address": "127.0.0.1"}, "", None),
        ({"address": "192.0.2.9"}, "", None),
        ({"address": "198.51.100.9"}, "", None),
    ],
)
def test_hosts_are_linked(inventory: Inventory, tools: t.Any, changes: dict[str, t.Any], seen_from: str, host: str | None) -> None:
    """By name, by an address that is one host's alone, and on loopback to the host that looked."""
    for name, addresses in (("web1", ["192.0.2.1", "192.0.2.9"]), ("web2", ["192.0.2.2", "192.0.2.9"])):
        tools.record(inventory, tools.answer(), host=HostName("lab", name), at=tools.START, addresses=addresses)
    der = tools.make_der("web")
    recorded = record(inventory, row(tools.sha256(der), **changes), ders=[der], seen_from=seen_from, tools=tools)
    document = only(inventory)
    assert (document["host"], document["linked"]) == ((host, True) if host else (document["target"], False))
    assert recorded.linked == int(host is not None)


def test_places_differ_by_name_port_and_who_looked(inventory: Inventory, tools: t.Any) -> None:
    """What answers differs with all of them."""
    der = tools.make_der("web")
    rows = [row(tools.sha256(der), name=name, port=port) for name in ("", "a.example") for port in (443, 8443)]
    for seen_from in ("", "web1"):
        record(inventory, *rows, ders=[der], seen_from=seen_from, tools=tools)
    paths = [(document["seen_from"], document["path"]) for document in inventory.documents("endpoints")]
    names = ["www.example.com:443", "www.example.com:443 (a.example)", "www.example.com:8443", "www.example.com:8443 (a.example)"]
    assert paths == [(seen_from, name) for seen_from in ("", "web1") for name in names]


def test_hostile_text_is_bounded(inventory: Inventory, tools: t.Any) -> None:
    """Whatever a listener said."""
    der = tools.make_der("web")
    facts = {"verify_problem": "\x00" + "x" * 9000, "alpn": "\ud800{{ 7*7 }}", "reason": "x" * 9000}
    record(inventory, row(tools.sha256(der), **facts), ders=[der], tools=tools)
    document = only(inventory)
    assert len(json.dumps(document)) < 15000
    assert document["alpn"] == "\\ud800{{ 7*7 }}"


def test_certificates_of_an_answer() -> None:
    """Only those that have their fingerprint."""
    assert checked_certificates(None)[0] == {}
    assert checked_certificates({"a" * 64: base64.b64encode(b"x").decode(), "b": 5, "c": "%"})[0] == {}
    with pytest.raises(InventoryError, match=r"result.certificates of the host's answer is \['x'\]: an object is expected"):
        checked_certificates(["x"])


def test_they_are_in_the_report(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """As places in use, by where they answer."""
    der = tools.make_der("web", days=10)
    record(inventory, row(tools.sha256(der)), ders=[der], tools=tools)
    report = build_report(*(inventory.documents(kind) for kind in ("hosts", "certificates", "endpoints")), clock())
    (place,) = report.places
    assert (place["host"], place["path"], place["class"], place["status"], place["name"]) == (
        "www.example.com",
        "www.example.com:443",
        "in_use",
        "warning",
        "web",
    )
    assert report.figures["warning"] == 1


def test_the_roots_of_issuers(inventory: Inventory, tools: t.Any) -> None:
    """The self-issued ones, each once."""
    root = tools.make_der("root")
    inventory.put_issuer(Issuer(name="internal", kind="embedded", certificate=root, chain=(root,)))
    inventory.put_issuer(Issuer(name="foreign", kind="embedded"))
    assert inventory.known_roots() == [root]


def test_the_migration_goes_both_ways() -> None:
    """Down to the first release takes away what came after it and leaves the rest, up makes it again."""
    engine = sa.create_engine("sqlite://")
    with engine.begin() as opened:
        config = migrate.configuration(opened)
        migrate.upgrade(opened)
        everything = set(sa.inspect(opened).get_table_names())
        command.downgrade(config, "0001")
        added = {"assignments", "endpoints", "host_ownership", "imported", "locked_stores", "records", "renewers", "trust_stores"}
        added |= {"absences", "audit_targets", "checkpoints", "endpoint_pasts", "host_ownership_pasts", "runs"}
        assert everything - set(sa.inspect(opened).get_table_names()) == added
        assert migrate.version(opened) == "0001"
        migrate.upgrade(opened)
        assert set(sa.inspect(opened).get_table_names()) == everything


def test_an_inventory_of_the_release_before_is_brought_up_to_date(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """With everything that it holds; what has several aliases now was one place then."""
    der = tools.make_der("web")
    tools.record(inventory, tools.answer(der, places=[tools.place(der, "/tls/store", alias=alias) for alias in ("a", "b")]), at=clock())
    with inventory._write() as opened:
        config = migrate.configuration(opened)
        command.downgrade(config, "0001")
        migrate.upgrade(opened)
    assert len(list(inventory.documents("places"))) == 1
    assert list(inventory.documents("endpoints")) == []
