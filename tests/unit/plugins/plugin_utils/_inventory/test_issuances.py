# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Issuances go from the intent to the certificate and never back."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.issuances import TRANSITIONS
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import (
    STATES,
    HostName,
    InventoryError,
    Issuer,
    SerialTakenError,
    TransitionError,
)


@pytest.fixture(name="ready")
def _ready(inventory: Inventory, tools: t.Any) -> Inventory:
    """An inventory that knows the issuer."""
    inventory.put_issuer(tools.issuer)
    return inventory


def _kinds(inventory: Inventory) -> list[str]:
    return [event["kind"] for event in inventory.documents("events")]


def _bring_to(inventory: Inventory, tools: t.Any, state: str) -> int:
    """An issuance in that state."""
    number = inventory.begin_issuance(tools.intent()).id
    if state in ("issued", "installed", "issued_nowhere"):
        inventory.complete_issuance(number, der=tools.make_der("web", serial=0xABC), chain=())
    if state not in ("intent", "issued"):
        inventory.set_issuance_state(number, state=state)
    return number


def test_the_way_of_a_certificate(ready: Inventory, path: str, tools: t.Any, clock: t.Any) -> None:
    """Another process sees the intent before the certificate exists, and each step is an event."""
    issuance = ready.begin_issuance(tools.intent(job="4711"))
    with contextlib.closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT state, serial, certificate FROM issuances").fetchall() == [("intent", "abc", None)]
    der, chain = tools.make_der("web", serial=0xABC), (tools.make_der("ca"),)
    clock.move(seconds=5)
    issued = ready.complete_issuance(issuance.id, der=der, chain=chain)
    assert (issued.state, issued.certificate, issued.chain, issued.sha256) == ("issued", der, chain, tools.sha256(der))
    assert (issued.began, issued.issued) == (tools.START, clock())
    assert ready.set_issuance_state(issuance.id, state="installed").state == "installed"
    assert _kinds(ready) == ["issuer.added", "issuance.intent", "issuance.issued", "issuance.installed"]
    for wanted in ({"transaction": "1" * 32}, {"certificate": tools.sha256(der)}, {"host": tools.web}, {"issuance": issuance.id}):
        assert [found.id for found in ready.issuances(**wanted)] == [issuance.id]
    assert ready.issuances(transaction="2" * 32) == ready.issuances(host=HostName("lab", "other")) == ()


@pytest.mark.parametrize(("before", "after"), sorted(itertools.product(STATES, STATES)))
def test_every_transition(ready: Inventory, tools: t.Any, before: str, after: str) -> None:
    """The table decides; the same state again changes nothing, and issued needs a certificate."""
    number = _bring_to(ready, tools, before)
    events = len(_kinds(ready))
    if before == after:
        assert ready.set_issuance_state(number, state=after).state == after
        assert len(_kinds(ready)) == events
    elif after in TRANSITIONS[before] and after != "issued":
        assert ready.set_issuance_state(number, state=after, reason="because").reason == "because"
        assert _kinds(ready)[events:] == [f"issuance.{after}"]
    else:
        with pytest.raises(TransitionError, match=f"^issuance {number} "):
            ready.set_issuance_state(number, state=after)
        assert ready.issuances(issuance=number)[0].state == before


def test_refused_transitions_say_what_is_possible(ready: Inventory, tools: t.Any) -> None:
    """One sentence with the states."""
    number = _bring_to(ready, tools, "revoked")
    with pytest.raises(TransitionError, match="issuance 1 of 'web' is 'revoked' and cannot become 'installed': possible is nothing"):
        ready.set_issuance_state(number, state="installed")
    with pytest.raises(TransitionError, match="issuance 1: the state 'signed' does not exist, there are intent, awaiting_issuer"):
        ready.set_issuance_state(number, state="signed")
    with pytest.raises(TransitionError, match="is 'revoked' and cannot become 'issued'"):
        ready.complete_issuance(number, der=tools.make_der("web", serial=0xABC), chain=())
    with pytest.raises(InventoryError, match="issuance 99 is not in the inventory"):
        ready.set_issuance_state(99, state="failed")


def test_a_serial_is_used_once(ready: Inventory, tools: t.Any) -> None:
    """For one issuer; another issuer may use it, and serials that nobody knows yet do not collide."""
    ready.put_issuer(Issuer(name="other", kind="acme"))
    ready.begin_issuance(tools.intent())
    with pytest.raises(SerialTakenError, match="issuer 'internal' has used the serial 'abc' before"):
        ready.begin_issuance(tools.intent(name="mail"))
    for intent in (tools.intent(issuer="other"), tools.intent(issuer="other", serial=None), tools.intent(issuer="other", serial=None)):
        ready.begin_issuance(intent)
    assert len(ready.issuances()) == 4


def test_a_foreign_issuer_tells_the_serial_later(ready: Inventory, tools: t.Any) -> None:
    """It is taken from the certificate, and must be new as well."""
    first, second = (ready.begin_issuance(tools.intent(serial=None)).id for _round in range(2))
    ready.set_issuance_state(first, state="awaiting_issuer", reason="order 7")
    der = tools.make_der("web", serial=0xDEF)
    assert ready.complete_issuance(first, der=der, chain=()).serial == 0xDEF
    with pytest.raises(SerialTakenError):
        ready.complete_issuance(second, der=der, chain=())


def test_what_was_issued_is_what_was_intended(ready: Inventory, tools: t.Any) -> None:
    """A certificate with another serial is refused; the same one again changes nothing; another one is refused."""
    number = ready.begin_issuance(tools.intent()).id
    with pytest.raises(InventoryError, match="issuance 1 was to have the serial 'abc' of issuer 'internal', the certificate has 'def'"):
        ready.complete_issuance(number, der=tools.make_der("web", serial=0xDEF), chain=())
    assert ready.issuances(issuance=number)[0].state == "intent"
    ready.complete_issuance(number, der=tools.make_der("web", serial=0xABC), chain=())
    events = _kinds(ready)
    ready.complete_issuance(number, der=tools.make_der("web", serial=0xABC), chain=())
    assert _kinds(ready) == events
    with pytest.raises(TransitionError, match=r"issuance 1 has the certificate '[0-9a-f]{64}' already"):
        ready.complete_issuance(number, der=tools.make_der("web2", serial=0xABC), chain=())


def test_issuers(inventory: Inventory, tools: t.Any) -> None:
    """An unknown one cannot issue; a known one is changed only when something differs."""
    with pytest.raises(InventoryError, match="issuer 'internal' is not in the inventory"):
        inventory.begin_issuance(tools.intent())
    assert inventory.get_issuer("internal") is None
    issuer = Issuer(name="internal", kind="embedded", certificate=tools.make_der("ca"), chain=(tools.make_der("root"),), facts={"curve": "secp256r1"})
    for put in (tools.issuer, tools.issuer, issuer, issuer):
        inventory.put_issuer(put)
    assert inventory.get_issuer("internal") == issuer
    assert _kinds(inventory) == ["issuer.added", "issuer.changed"]


def _begin_twice(inventory: Inventory, tools: t.Any) -> None:
    with inventory.transaction():
        inventory.begin_issuance(tools.intent())
        inventory.begin_issuance(tools.intent())


def test_steps_in_one_transaction(ready: Inventory, tools: t.Any) -> None:
    """A caller may join steps; a failure takes all of them back, the events too."""
    with pytest.raises(SerialTakenError):
        _begin_twice(ready, tools)
    assert ready.issuances() == ()
    assert _kinds(ready) == ["issuer.added"]
    assert ready.verify_chain() == ()
