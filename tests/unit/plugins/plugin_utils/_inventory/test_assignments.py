# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Assignments of ownership and what hosts' variables say are stored once, with who and when, and each change is a line of the audit log."""

from __future__ import annotations

import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.assignments import Wanted, rule_row
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import ScanRecord, Stated
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.rules import rule_from
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import Rule


def _rule(host: str, owner: str, source: str = "rules") -> Rule:
    return rule_from({"host": host}, {"owner": owner, "contacts": ["a@x", "ü@x"]}, source=source, origin="ops", where="rule")


def _by_hand(host: str, owner: str | None, reason: str | None = None) -> Wanted:
    rule = _rule(host, owner or "x", "manual")
    return Wanted("manual", "", (rule,) if owner else (), match=rule.match, reason=reason)


def _stored(inventory: Inventory) -> list[tuple[t.Any, ...]]:
    return [
        (row["source"], row["origin"], row["match"], row["set"]["owner"], row["actor"], row["reason"], row["removed_at"] is None)
        for row in inventory.documents("assignments")
    ]


def _events(inventory: Inventory) -> list[tuple[str, str, t.Any]]:
    assert inventory.verify_chain() == ()
    return [(event["kind"], event["subject"], event["detail"]) for event in inventory.documents("events") if event["kind"].startswith("ownership.")]


def test_by_hand(inventory: Inventory) -> None:
    """One assignment for one match: the same again changes nothing, another one takes its place, and what was is kept."""
    assert inventory.assign(_by_hand("web1", "a", "ticket 7")).changed
    assert not inventory.assign(_by_hand("web1", "a", "ticket 8")).changed
    assert inventory.assign(_by_hand("web2", "z")).changed
    replaced = inventory.assign(_by_hand("web1", "b"))
    assert ([rule_row(rule)["set"]["owner"] for part in (replaced.added, replaced.removed) for rule in part], replaced.kept) == (["b", "a"], 0)
    assert inventory.assign(_by_hand("web2", None)).changed
    assert not inventory.assign(_by_hand("web2", None)).changed
    assert _stored(inventory) == [
        ("manual", "", {"host": ["web1"]}, "a", "tester", "ticket 7", False),
        ("manual", "", {"host": ["web2"]}, "z", "tester", None, False),
        ("manual", "", {"host": ["web1"]}, "b", "tester", None, True),
    ]
    kinds = [(kind, subject, (detail["before"] or {}).get("owner"), (detail["after"] or {}).get("owner")) for kind, subject, detail in _events(inventory)]
    assert kinds == [
        ("ownership.assigned", "host web1", None, "a"),
        ("ownership.assigned", "host web2", None, "z"),
        ("ownership.assigned", "host web1", "a", "b"),
        ("ownership.removed", "host web2", "z", None),
    ]


def test_sets_replace_themselves_alone(inventory: Inventory) -> None:
    """Rules of one name are replaced as a whole; other names, imports and assignments by hand stay."""
    inventory.assign(_by_hand("web1", "hand"))
    inventory.assign(Wanted("import", "ops", (_rule("web1", "cmdb", "import"),)))
    inventory.assign(Wanted("rules", "dev", (_rule("web1", "dev"),)))
    first = inventory.assign(Wanted("rules", "ops", (_rule("web1", "a"), _rule("web2", "b"))))
    assert (len(first.added), len(first.removed), first.kept) == (2, 0, 0)
    second = inventory.assign(Wanted("rules", "ops", (_rule("web2", "b"), _rule("web3", "c"))))
    assert (len(second.added), len(second.removed), second.kept) == (1, 1, 1)
    there = [(source, origin, owner) for source, origin, _match, owner, _actor, _reason, now in _stored(inventory) if now]
    assert there == [("manual", "", "hand"), ("import", "ops", "cmdb"), ("rules", "dev", "dev"), ("rules", "ops", "b"), ("rules", "ops", "c")]
    kind, subject, detail = _events(inventory)[-1]
    assert (kind, subject, detail["added"], detail["removed"], detail["rules"]) == ("ownership.rules", "ops", 1, 1, 2)
    assert detail["before"] == _events(inventory)[-2][2]["after"] != detail["after"]


def test_only_asked(inventory: Inventory) -> None:
    """What would be, and nothing is."""
    assert inventory.assign(_by_hand("web1", "a"), write=False).changed
    assert (_stored(inventory), _events(inventory)) == ([], [])


def test_many(inventory: Inventory) -> None:
    """More than a statement has parameters, there and back."""
    rules = tuple(_rule(f"web{number}", "a") for number in range(1201))
    assert len(inventory.assign(Wanted("rules", "ops", rules)).added) == 1201
    assert len(inventory.assign(Wanted("rules", "ops", ())).removed) == 1201


def test_two_at_once_leave_one(url: str, clock: t.Any) -> None:
    """Who comes second sees what the first one wrote."""
    with open_inventory(url, now=clock):
        pass
    start = threading.Barrier(4)

    def put(owner: str) -> None:
        with open_inventory(url, now=clock, actor=owner) as inventory:
            start.wait()
            inventory.assign(_by_hand("web1", owner))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, "abcd"))
    with open_inventory(url, now=clock) as inventory:
        assert [row[-1] for row in _stored(inventory)] == [False, False, False, True]
        assert len(_events(inventory)) == 4


@pytest.mark.parametrize("silent", [False, True])
def test_variables_come_with_the_scan(inventory: Inventory, tools: t.Any, clock: t.Any, silent: bool) -> None:
    """Also of a host that gives nothing. The same again writes nothing, another value is told, and a scan that did not read them leaves them."""

    def record(stated: Stated | None) -> None:
        if silent:
            inventory.record_silent_host(tools.web, reason="away", stated=stated)
        else:
            inventory.record_scan(ScanRecord(tools.web, clock.time, clock.time, tools.answer(), {}, stated=stated))

    for stated in (
        Stated(("web", "dmz")),
        Stated(("web", "dmz"), (("owner", "a"), ("contacts", ("a@x",)))),
        Stated(("web", "dmz"), (("owner", "a"), ("contacts", ("a@x",)))),
        None,
        Stated(("web",), (("owner", "b"),)),
        Stated(),
    ):
        record(stated)
    told = [(subject, detail["before"], detail["after"]) for kind, subject, detail in _events(inventory) if kind == "ownership.variables"]
    first, second = {"owner": "a", "contacts": ["a@x"]}, {"owner": "b"}
    assert told == [("web1", {}, first), ("web1", first, second), ("web1", second, {})]
