# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that are renamed and merged."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName, InventoryError, ScanRecord, Stated

OLD, WEB = HostName("lab", "old1"), HostName("lab", "web1")


def _told(inventory: Inventory, kind: str, *names: str) -> list[tuple[t.Any, ...]]:
    return [tuple(document[name] for name in names) for document in inventory.documents(kind)]


def test_a_new_name_keeps_everything(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Places, scans and times; the next scan is an unchanged one; the events before keep the old name."""
    result = tools.answer(tools.make_der("a"))
    tools.record(inventory, result, at=clock(), host=OLD, machine_id="m")
    assert inventory.rename_host(OLD, WEB)
    assert _told(inventory, "hosts", "host", "first_seen", "machine_id") == [("web1", "2026-03-01T12:00:00Z", "m")]
    assert not tools.record(inventory, result, at=clock.move(days=1), host=WEB, machine_id="m").changed
    assert _told(inventory, "places", "host", "first_seen", "last_seen") == [("web1", "2026-03-01T12:00:00Z", "2026-03-02T12:00:00Z")]
    assert _told(inventory, "events", "kind", "host") == [("scan.recorded", "old1"), ("host.renamed", "web1")]
    assert inventory.verify_chain() == ()


def test_again_is_nothing(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Neither a second rename nor a second merge; nor is there anything of one that was only to be checked."""
    tools.record(inventory, tools.answer(), at=clock(), host=OLD)
    assert inventory.rename_host(OLD, WEB, check=True)
    assert _told(inventory, "hosts", "host") == [("old1",)]
    assert [inventory.rename_host(OLD, WEB) for _time in range(2)] == [True, False]
    tools.record(inventory, tools.answer(), at=clock(), host=OLD)
    assert [inventory.merge_host(OLD, WEB) for _time in range(2)] == [True, False]
    assert _told(inventory, "events", "kind") == [("scan.recorded",), ("host.renamed",), ("scan.recorded",), ("host.merged",)]


def test_two_become_one(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """What both have is one thing since the first time; what the next scan does not see is gone then."""
    both, gone, new = (tools.make_der(name) for name in ("both", "gone", "new"))
    places = [tools.place(both, "/etc/tls/both.pem"), tools.place(gone, "/etc/tls/gone.pem")]
    tools.record(inventory, tools.answer(both, gone, places=places), at=clock(), host=OLD, machine_id="m", addresses=["192.0.2.1"])
    now = tools.answer(both, new, places=[tools.place(both, "/etc/tls/both.pem", mode="0600"), tools.place(new, "/etc/tls/new.pem")])
    tools.record(inventory, now, at=clock.move(days=1), machine_id="m")
    assert inventory.merge_host(OLD, WEB)
    told = {place["path"]: place for place in inventory.documents("places")}
    assert {place["host"] for place in told.values()} == {"web1"}
    assert (told["/etc/tls/both.pem"]["first_seen"], told["/etc/tls/both.pem"]["mode"]) == ("2026-03-01T12:00:00Z", "0600")
    assert told["/etc/tls/gone.pem"]["last_seen"] == "2026-03-01T12:00:00Z"
    assert _told(inventory, "hosts", "host", "first_seen", "addresses", "equal_evidence") == [("web1", "2026-03-01T12:00:00Z", ["192.0.2.1"], [])]
    assert len(list(inventory.documents("scans"))) == 2
    assert tools.record(inventory, now, at=clock.move(days=1), machine_id="m").gone == 1
    assert not tools.record(inventory, now, at=clock.move(days=1), machine_id="m").changed


def test_what_a_host_looked_at_stays(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Of two looks at one listener the last."""
    first, last = tools.make_der("a"), tools.make_der("b")
    for host, der in ((OLD, first), (WEB, last)):
        clock.move(days=1)
        tools.record(inventory, tools.answer(), at=clock(), host=host)
        with inventory._write() as connection:
            connection.execute(schema.certificates.insert(), {"sha256": tools.sha256(der), "der": der, "first_seen": 1, "names_count": 0})
            row = {"namespace": "lab", "seen_from": host.name, "target": "192.0.2.9", "port": 443, "name": "", "starttls": "", "chain_json": "[]"}
            times = {"first_seen": 1, "last_seen": 1, "looked_at": int(clock().timestamp())}
            connection.execute(schema.endpoints.insert(), {**row, "certificate": tools.sha256(der), "facts_json": "{}", **times})
    inventory.merge_host(OLD, WEB)
    assert _told(inventory, "endpoints", "seen_from", "sha256") == [("web1", tools.sha256(last))]
    inventory.rename_host(WEB, OLD)
    assert _told(inventory, "endpoints", "seen_from", "sha256") == [("old1", tools.sha256(last))]


def test_who_answers_is_what_was_said_last(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Of two hosts that both have an owner."""
    for host, owner in ((OLD, "before"), (WEB, "now")):
        at = clock.move(days=1)
        inventory.record_scan(ScanRecord(host, at, at, tools.answer(), {}, partial=False, stated=Stated((), (("owner", owner),))))
    inventory.merge_host(OLD, WEB)
    assert _told(inventory, "hosts", "host", "owner") == [("web1", "now")]


def test_issuances_go_with_the_host(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """They are found under the name that stays."""
    inventory.put_issuer(tools.issuer)
    inventory.begin_issuance(tools.intent(host=OLD))
    tools.record(inventory, tools.answer(), at=clock())
    inventory.merge_host(OLD, WEB)
    assert [issuance.name for issuance in inventory.issuances(host=WEB)] == ["web"]


@pytest.mark.parametrize(
    ("method", "host", "to", "message"),
    [
        (
            "rename_host",
            HostName("lab", "x"),
            HostName("lab", "y"),
            "host 'x' of the namespace 'lab' is not in the inventory: accepted is one that was recorded",
        ),
        ("rename_host", WEB, OLD, "host 'old1' of the namespace 'lab' is in the inventory already: accepted for rename_to is a new name"),
        ("merge_host", HostName("", "x"), HostName("lab", "y"), "host 'x' is not in the inventory: accepted are two that were recorded"),
        ("merge_host", WEB, HostName("", "web1"), "host 'web1' is not in the inventory: accepted are two that were recorded"),
        ("merge_host", WEB, WEB, "host 'web1' of the namespace 'lab' cannot be merged into itself: merge_into must name another host"),
    ],
)
def test_what_cannot_be_is_told(inventory: Inventory, tools: t.Any, clock: t.Any, *, method: str, host: HostName, to: HostName, message: str) -> None:
    """And nothing has changed."""
    for known in (WEB, OLD):
        tools.record(inventory, tools.answer(), at=clock(), host=known)
    with pytest.raises(InventoryError) as raised:
        getattr(inventory, method)(host, to)
    assert str(raised.value).startswith(message)
    assert _told(inventory, "hosts", "host") == [("old1",), ("web1",)]
