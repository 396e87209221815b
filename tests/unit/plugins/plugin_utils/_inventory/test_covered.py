# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much was seen: never without its denominator."""

from __future__ import annotations

import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.covered import coverage
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName


def test_what_lacks_has_a_reason(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Complete, incomplete, without root, in part, silent: two namespaces, each with its own numbers."""
    tools.record(inventory, tools.answer(), at=clock())
    for name, other in (("cut", {"complete": False}), ("user", {"privileged": False})):
        tools.record(inventory, tools.answer(**other), at=clock(), host=HostName("lab", name))
    tools.record(inventory, tools.answer(), at=clock.move(days=1), host=HostName("lab", "part"), partial=True)
    inventory.record_silent_host(HostName("lab", "dead"), reason="unreachable")
    tools.record(inventory, tools.answer(), at=clock(), host=HostName("prod", "web1"))
    lab, prod = inventory.documents("coverage")
    assert {name: lab[name] for name in ("namespace", "hosts_known", "hosts_answered", "hosts_complete")} == {
        "namespace": "lab",
        "hosts_known": 5,
        "hosts_answered": 4,
        "hosts_complete": 1,
    }
    assert {lacking["host"]: lacking["reason"] for lacking in lab["hosts_lacking"]} == {
        "cut": "the scan did not see everything it was to see",
        "user": "it was scanned without root",
        "part": "it was never scanned as a whole",
        "dead": "it gave nothing: unreachable",
    }
    assert (lab["hosts_unprivileged"], lab["hosts_silent"]) == (1, 1)
    assert {lacking["host"]: lacking["privileged"] for lacking in lab["hosts_lacking"]} == {"cut": True, "user": False, "part": None, "dead": None}
    assert (lab["oldest_scan"], lab["newest_scan"]) == ("2026-03-01T12:00:00Z", "2026-03-02T12:00:00Z")
    assert (prod["hosts_known"], prod["hosts_complete"], prod["hosts_lacking"]) == (1, 1, [])


def test_addresses_that_no_host_owns(inventory: Inventory) -> None:
    """Each once, whatever the names that were asked for; not those of known hosts, nor those that showed nothing."""
    endpoint = {"namespace": "lab", "target": "www", "address": "2001:db8::1", "port": 443, "sha256": "a" * 64, "linked": False, "gone_at": None}
    changes = ({"target": "www2"}, {"port": 1, "linked": True}, {"port": 2, "sha256": None}, {"port": 3, "gone_at": "x"}, {"address": None})
    (document,) = coverage([], [endpoint, *({**endpoint, **change} for change in changes)])
    assert document["addresses_seen"] == 3
    assert document["addresses_without_host"] == ["[2001:db8::1]:443", "www:443"]
    assert (document["hosts_known"], document["oldest_scan"]) == (0, None)
    assert list(inventory.documents("coverage")) == []
