# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is gone long enough leaves the inventory; what anything names stays."""

from __future__ import annotations

import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory


def _count(inventory: Inventory, kind: str) -> int:
    return len(list(inventory.documents(kind)))


def test_nights(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Of many nights with three results the last one of the host stays, and the scan that holds its result."""
    results = [tools.answer(tools.make_der("a")), tools.answer(tools.make_der("b")), tools.answer(tools.make_der("c"))]
    for result in results:
        for _night in range(4):
            tools.record(inventory, result, at=clock.move(days=1))
    clock.move(days=100)
    # What a place replaced is forgotten with it.
    before = (list(inventory.documents("hosts")), [place | {"replaces": None} for place in inventory.documents("places") if not place["gone_at"]])
    assert inventory.remove_history(before=clock(), check=True)["scans"] == 10
    assert _count(inventory, "scans") == 12
    counts = inventory.remove_history(before=clock())
    assert counts == {"places": 2, "scans": 10, "certificates": 2}
    assert (_count(inventory, "scans"), _count(inventory, "certificates")) == (2, 1)
    assert (list(inventory.documents("hosts")), list(inventory.documents("places"))) == before
    assert not tools.record(inventory, results[2], at=clock.move(days=1)).changed
    assert inventory.remove_history(before=clock.time) == {"scans": 1}
    assert inventory.verify_chain() == ()


def test_what_is_named_stays(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """A certificate that was issued, those of a chain that an endpoint showed, and what is gone for a shorter time."""
    issued, gone, late = tools.make_der("issued", serial=0xABC), tools.make_der("gone"), tools.make_der("late")
    inventory.put_issuer(tools.issuer)
    inventory.complete_issuance(inventory.begin_issuance(tools.intent()).id, der=issued, chain=())
    tools.record(inventory, tools.answer(issued, gone, late), at=clock())
    tools.record(inventory, tools.answer(places=[tools.place(late, "/etc/tls/2.pem")]), at=clock.move(days=1))
    middle = clock.move(days=1)
    tools.record(inventory, tools.answer(), at=clock.move(days=1))
    assert inventory.remove_history(before=middle) == {"places": 2, "scans": 1, "certificates": 1}
    assert {certificate["sha256"] for certificate in inventory.documents("certificates")} == {tools.sha256(issued), tools.sha256(late)}
    assert [issuance["sha256"] for issuance in inventory.documents("issuances")] == [tools.sha256(issued)]


def test_many(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """More than a statement has parameters, with bundles."""
    ders = [tools.make_der(f"many{number}") for number in range(3)]
    bundles = [
        {"sha256": f"{number:064x}", "count": 3, "certificates": [tools.sha256(der) for der in ders], "places": [{"path": f"/b/{number}", "links": []}]}
        for number in range(600)
    ]
    tools.record(inventory, tools.answer(*ders, places=[], bundles=bundles, done=["/b"]), at=clock())
    tools.record(inventory, tools.answer(done=["/b"]), at=clock.move(days=1))
    counts = inventory.remove_history(before=clock.move(days=1))
    assert (counts["bundle_places"], counts["bundles"], counts["certificates"]) == (600, 600, 3)
    assert _count(inventory, "bundles") == 0


def test_the_past_goes_too(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """When something was gone that came back long ago."""
    result = tools.answer(tools.make_der("back"))
    for seen in (result, tools.answer(), result):
        tools.record(inventory, seen, at=clock.move(days=1))
    assert inventory.remove_history(before=clock.time) == {"scans": 2}
    assert inventory.remove_history(before=clock.move(days=2)) == {"absences": 1}
