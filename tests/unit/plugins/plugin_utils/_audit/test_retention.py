# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The audit log is shortened, and holds."""

from __future__ import annotations

import typing as t
from datetime import timedelta

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._audit.retention import Kept, shortened
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.settings import AuditError
from ansible_collections.certops.fleet.tests.unit.plugins.plugin_utils._audit.conftest import EVENTS, Log
from ansible_collections.certops.fleet.tests.unit.plugins.plugin_utils._audit.test_examine import examined, in_copy
from ansible_collections.certops.fleet.tests.unit.plugins.plugin_utils._inventory.conftest import Tools


def shorten(log: Log, *, check: bool = False, days: int = 100, after_expiry: int = 730) -> dict[str, t.Any]:
    return shortened(log.inventory, log.settings, Kept(days, None, after_expiry), now=log.clock(), check=check)


def test_events_go_up_to_a_checkpoint(log: Log) -> None:
    """And the log holds after it, as does the copy, which has all; a second time nothing goes."""
    log.clock.move(days=101)
    assert shorten(log, check=True) == {"changed": True, "events": 5, "events_to": 5, "history": {}, "reason": None}
    assert len(list(log.inventory.documents("events"))) == EVENTS
    assert shorten(log)["events"] == 5
    assert log.care() == []
    told = examined(log)
    assert (told["problems"], told["first_seq"], told["count"]) == ([], 6, 5)
    assert [event["kind"] for event in told["events"][-2:]] == ["retention.events_begins", "retention.events_removed"]
    assert (in_copy(log)["problems"], in_copy(log)["first_seq"], in_copy(log)["last_seq"]) == ([], 1, 10)
    assert shorten(log)["reason"].startswith("no event is old enough")


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("DELETE FROM events WHERE seq = 6", "events 1 to 6 are missing"),
        ("UPDATE checkpoints SET hash = previous", "event 6 does not continue the one before it"),
        ("DELETE FROM checkpoints WHERE seq = 5", "events 1 to 5 are missing"),
        ("DELETE FROM events WHERE seq > 9", "the log ends with event 9, and "),
        ("DELETE FROM events WHERE seq <= 10", "events 1 to 10 are missing"),
    ],
)
def test_a_shortened_log_is_tampered_with(log: Log, statement: str, problem: str) -> None:
    """What is left shows it as before."""
    log.clock.move(days=101)
    shorten(log)
    log.add(1)
    log.care()
    log.tamper(statement)
    assert any(text.startswith(problem) for text in examined(log)["problems"])


def test_what_is_young_or_not_copied_stays(log: Log) -> None:
    """So does everything where there is no checkpoint."""
    assert shorten(log)["events"] == 0
    log.clock.move(days=101)
    log.tamper("UPDATE audit_targets SET events_sent = 4 WHERE name = 'file'")
    assert shorten(log)["events"] == 0
    log.tamper("UPDATE audit_targets SET events_sent = 8 WHERE name = 'file'; DELETE FROM checkpoints")
    assert shorten(log)["events"] == 0


def test_issuances_keep_their_events(log: Log) -> None:
    """Until two years after the end of their certificates."""
    log.inventory.put_issuer(Tools.issuer)
    der = Tools.make_der("kept", days=90, serial=0xABC)
    log.inventory.complete_issuance(log.inventory.begin_issuance(Tools.intent()).id, der=der, chain=())
    log.clock.move(days=90 + 729)
    log.add(5)
    assert log.care() == []
    assert shorten(log)["events_to"] is None
    log.clock.move(days=2)
    assert shorten(log)["events_to"] == 5


def test_a_log_that_does_not_hold(log: Log) -> None:
    """Is left as it is."""
    log.clock.move(days=101)
    log.tamper("UPDATE events SET actor = 'x' WHERE seq = 3")
    with pytest.raises(AuditError, match="the audit log does not hold, nothing was removed: event 3 was altered"):
        shorten(log)
    assert len(list(log.inventory.documents("events"))) == EVENTS


def test_history(log: Log) -> None:
    """What is gone for longer goes, with events around it."""
    Tools.record(log.inventory, Tools.answer(Tools.make_der("gone")), at=log.clock())
    Tools.record(log.inventory, Tools.answer(), at=log.clock.move(days=1))
    log.clock.move(days=50)
    kept = Kept(None, 49, 730)
    told = shortened(log.inventory, log.settings, kept, now=log.clock(), check=False)
    assert told["history"] == {"places": 1, "scans": 1, "certificates": 1}
    assert [event["kind"] for event in examined(log)["events"][-2:]] == ["retention.history_begins", "retention.history_removed"]
    assert not shortened(log.inventory, log.settings, kept, now=log.clock() + timedelta(days=1), check=False)["changed"]


@pytest.mark.parametrize("days", [0, -1, 36_500])
def test_days(days: int) -> None:
    """Are a number that makes sense."""
    with pytest.raises(AuditError, match="history_days must be a number of days from 1 to 36499, got "):
        Kept.from_args({"events_days": None, "history_days": days, "after_expiry_days": 730})
