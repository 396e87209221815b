# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What inventory_info and the report get."""

from __future__ import annotations

import json
import typing as t
from datetime import timedelta

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._import.values import Imported
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.assignments import Wanted
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.document_parts import health
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.documents import KINDS
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.endpoints import FACTS
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.imported import Listing
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.past import limits
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import EndpointsRecord, HostName, InventoryError, Issuer, Run, seconds
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.rules import rule_from


@pytest.fixture(name="full")
def _full(inventory: Inventory, tools: t.Any, clock: t.Any) -> Inventory:
    """Something of every kind."""
    ders = [tools.make_der(name, days=days) for name, days in (("web", 90), ("old", 1))]
    bundle = {"sha256": "b" * 64, "count": 2, "certificates": [tools.sha256(der) for der in ders], "places": [{"path": "/etc/ca.crt", "links": []}]}
    key = {"path": "/etc/tls/k.pem", "entry": 0, "kind": "ec", "format": "pkcs8", "encrypted": False, "size": 256, "spki": "a" * 64}
    service = {
        "name": "nginx",
        "entry": "nginx",
        "unit": "nginx.service",
        "active": True,
        "configuration": "/etc/nginx/nginx.conf",
        "listeners": [{"port": 443}],
    }
    result = tools.answer(*ders, bundles=[bundle], keys=[key], services=[service])
    crl, request = ({"path": "/etc/tls/x", "sha256": sign * 64} for sign in "cd")
    result |= {"crls": [crl], "requests": [request], "locked": [{"path": "/etc/tls/locked.p12"}]}
    result["trust"] = [{"path": "/etc/ssl/certs", "kind": "debian", "count": 1, "added": [], "removed": []}]
    result["places"][0]["services"] = ["nginx"]
    result["renewers"] = [{"kind": "certbot", "name": "old", "configuration": "/etc/letsencrypt/renewal/old.conf", "paths": ["/etc/tls/1.pem"]}]
    tools.record(inventory, result, at=clock(), machine_id="m1", addresses=["192.0.2.1"])
    inventory.record_silent_host(HostName("lab", "dead"), reason="unreachable", run=Run("nightly", "job 1"))
    facts = dict.fromkeys(("inventory_host", "address", "protocol", "cipher", "reason", *FACTS))
    endpoint = {**facts, "state": "failed", "target": "web1", "port": 443, "name": "", "starttls": "", "chain": []}
    inventory.record_endpoints(EndpointsRecord("lab", "", [endpoint], {}))
    inventory.put_issuer(Issuer(name="internal", kind="embedded", certificate=tools.make_der("ca")))
    inventory.begin_issuance(tools.intent(serial=None))
    inventory.complete_issuance(1, der=ders[0], chain=())
    rule = rule_from({"host": "web1"}, {"owner": "web"}, source="rules", origin="ops", where="rule")
    inventory.assign(Wanted("rules", "ops", (rule,)))
    inventory.put_imported(Listing("sheet", (Imported("1", serial="1"),)))
    clock.move(days=2)
    return inventory


@pytest.mark.parametrize("kind", KINDS)
def test_documents_are_plain(full: Inventory, kind: str) -> None:
    """JSON takes every document of every kind, and there is one of each."""
    documents = list(full.documents(kind))
    assert documents
    assert json.loads(json.dumps(documents, allow_nan=False)) == documents


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_asked_of_a_time(full: Inventory, tools: t.Any, clock: t.Any, kind: str) -> None:
    """Now is told the same as of now, and before the first scan there was nothing; what cannot be told is in words."""
    assert list(full.documents(kind, as_of=clock())) == list(full.documents(kind))
    assert list(full.documents(kind, as_of=tools.START - timedelta(seconds=1))) == []
    assert all(isinstance(text, str) for text in limits(kind))


def test_certificates(full: Inventory, tools: t.Any) -> None:
    """community.crypto's fields, and ours: places, services, health, bundles."""
    document = {document["sha256"]: document for document in full.documents("certificates")}[tools.sha256(tools.make_der("web", days=90))]
    assert document["subject"] == {"commonName": "web"}
    assert document["subject_alt_name"] == ["DNS:web.example"]
    assert document["not_after"] == "20260530120000Z"
    assert int(document["serial"], 16) == document["serial_number"]
    assert (document["status"], document["days_remaining"], document["expired"]) == ("ok", 88, False)
    assert document["services"] == ["nginx"]
    assert document["bundles"] == ["b" * 64]
    expected = {
        "namespace": "lab",
        "host": "web1",
        "path": "/etc/tls/0.pem",
        "class": "installed",
        "alias": None,
        "services": ["nginx"],
        "gone_at": None,
        "renewed_by": "certbot",
    }
    expected |= {"renewed_by": "certops", "replaced_by": None, "replaces": None, "moved_to": None, "moved_from": None}
    assert document["places"] == [{**expected, "first_seen": "2026-03-01T12:00:00Z", "last_seen": "2026-03-01T12:00:00Z"}]


def test_who_renews_is_told(full: Inventory, tools: t.Any, clock: t.Any) -> None:
    """What was issued here, what another renewer keeps until it is gone, and certbot's paths also without its configuration."""
    told = {document["path"]: document["renewed_by"] for document in full.documents("places")}
    assert told == {"/etc/tls/0.pem": "certops", "/etc/tls/1.pem": "certbot", "/etc/tls/locked.p12": None}
    der = tools.make_der("old", days=1)
    assert {document["sha256"]: document["renewed_by"] for document in full.documents("certificates")}[tools.sha256(der)] == "certbot"
    live = tools.place(der, "/etc/letsencrypt/archive/x/cert1.pem")
    nss = [tools.place(der, "/etc/db/cert9.db", alias=alias) for alias in ("ours", "other")]
    kept = {"kind": "certmonger", "name": "1", "configuration": "/var/lib/certmonger/requests/1", "alias": "ours", "paths": ["/etc/db/cert9.db"]}
    tools.record(full, tools.answer(der, places=[tools.place(der, "/etc/tls/1.pem"), live, *nss], renewers=[kept]), at=clock())
    told = {(document["path"], document["alias"]): document["renewed_by"] for document in full.documents("places") if not document["gone_at"]}
    assert told[("/etc/tls/1.pem", None)] is None
    assert told[("/etc/letsencrypt/archive/x/cert1.pem", None)] == "certbot"
    assert (told[("/etc/db/cert9.db", "ours")], told[("/etc/db/cert9.db", "other")]) == ("certmonger", None)
    assert {document["kind"]: document["gone_at"] is None for document in full.documents("renewers")} == {"certbot": False, "certmonger": True}


def test_places_tell_the_health_of_their_certificate(full: Inventory) -> None:
    """Seen from today."""
    told = {document["path"]: (document["common_name"], document["status"], document["days_remaining"]) for document in full.documents("places")}
    assert told == {"/etc/tls/0.pem": ("web", "ok", 88), "/etc/tls/1.pem": ("old", "expired", -1), "/etc/tls/locked.p12": (None, None, None)}


def test_hosts_and_scans(full: Inventory) -> None:
    """The last scan of each host, also of one that gave nothing, with what it was allowed to see."""
    dead, web = full.documents("hosts")
    assert (dead["host"], dead["last_seen"], dead["last_scan"]["reason"]) == ("dead", None, "unreachable")
    assert (web["machine_id"], web["addresses"], web["last_seen"]) == ("m1", ["192.0.2.1"], "2026-03-01T12:00:00Z")
    assert (web["last_scan"]["complete"], web["last_scan"]["privileged"], web["last_scan"]["done"]) == (True, True, ["/etc", "/opt"])


def test_a_scan_of_some_paths_says_nothing_of_the_host(full: Inventory, tools: t.Any, clock: t.Any) -> None:
    """What a change looks at afterwards does not make a host scanned completely, and takes nothing from what is known of it."""
    before = {host["host"]: host["last_scan"] for host in full.documents("hosts")}
    for host in (tools.web, HostName("lab", "never")):
        tools.record(full, tools.answer(done=[]), host=host, at=clock.move(days=1), partial=True)
    after = {host["host"]: host["last_scan"] for host in full.documents("hosts")}
    assert after == {**before, "never": None}
    assert [scan["partial"] for scan in full.documents("scans")][-2:] == [True, True]


def test_an_equal_scan_tells_the_scope_of_the_stored_one(full: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Though only a row was written for it."""
    for _night in range(2):
        tools.record(full, tools.answer(problems=[{"path": "/etc/x", "reason": "refused"}]), at=clock.move(days=1))
    first, second = list(full.documents("scans"))[-2:]
    assert (first["changed"], second["changed"]) == (True, False)
    assert first["problems"] == second["problems"] == [{"path": "/etc/x", "reason": "refused"}]


def test_issuances_and_issuers(full: Inventory, tools: t.Any) -> None:
    """Names, states and digests; the certificate by its fingerprint."""
    issuance = next(iter(full.documents("issuances")))
    assert (issuance["host"], issuance["state"], issuance["sha256"]) == ("web1", "issued", tools.sha256(tools.make_der("web", days=90)))
    issuer = next(iter(full.documents("issuers")))
    assert (issuer["name"], issuer["certificate"]["subject"]) == ("internal", {"commonName": "ca"})


def test_an_unknown_kind_is_refused(inventory: Inventory) -> None:
    """With the kinds that there are."""
    with pytest.raises(InventoryError, match="documents of the kind 'secrets' do not exist, there are hosts, coverage"):
        list(inventory.documents("secrets"))


@pytest.mark.parametrize(
    ("remaining", "days", "status"),
    [
        (timedelta(days=30), 30, "ok"),
        (timedelta(days=30, seconds=-1), 29, "warning"),
        (timedelta(0), 0, "warning"),
        (timedelta(seconds=-1), -1, "expired"),
        (timedelta(days=-400), -400, "expired"),
    ],
)
def test_health(tools: t.Any, remaining: timedelta, days: int, status: str) -> None:
    """Warning below thirty days, expired from the second after the end."""
    now = seconds(tools.START)
    assert health(now + int(remaining.total_seconds()), now=now) == {"days_remaining": days, "status": status}
    assert health(None, now=now) == {"days_remaining": None, "status": None}


def test_naive_times_are_refused(tools: t.Any) -> None:
    """Nobody knows which zone they mean."""
    with pytest.raises(InventoryError, match="has no time zone"):
        seconds(tools.START.replace(tzinfo=None))
