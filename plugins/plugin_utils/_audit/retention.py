# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be removed from the inventory, and that it was: the work of C(inventory_retention)."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime, timedelta

from ansible_collections.certops.fleet.plugins.plugin_utils._audit.announce import announced
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.examine import Wanted, of_database, result
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.settings import AuditError, AuditSettings
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.copies import Copy
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """For how many days what is kept; None removes nothing of it."""

    events_days: int | None
    history_days: int | None
    after_expiry_days: int

    @classmethod
    def from_args(cls, args: t.Mapping[str, t.Any]) -> Kept:
        """Raises AuditError."""
        kept = cls(**{field.name: args[field.name] for field in dataclasses.fields(cls)})
        for name, days in dataclasses.asdict(kept).items():
            if days is not None and not 0 < days < 36_500:
                raise AuditError(f"{name} must be a number of days from 1 to 36499, got {days!r}")
        return kept


def shortened(inventory: Inventory, settings: AuditSettings, kept: Kept, *, now: datetime, check: bool) -> dict[str, t.Any]:
    """As the module returns it."""
    told: dict[str, t.Any] = {"events": 0, "events_to": None, "history": {}, "reason": None}
    if kept.events_days is not None:
        told |= _events(inventory, settings, kept, kept.events_days, now=now, check=check)
    if kept.history_days is not None:
        told["history"] = _history(inventory, now - timedelta(days=kept.history_days), check=check)
    return {"changed": bool(told["events"] or told["history"]), **told}


def _events(inventory: Inventory, settings: AuditSettings, kept: Kept, days: int, *, now: datetime, check: bool) -> dict[str, t.Any]:
    """Only of a log that holds: what is removed cannot be verified any more."""
    problems = result(of_database(inventory, settings, Wanted(limit=0), ()), settings)["problems"]
    if problems:
        raise AuditError(f"the audit log does not hold, nothing was removed: {problems[0]}")
    sent = _sent(inventory, settings)
    limits = {"before": now - timedelta(days=days), "expired_before": now - timedelta(days=kept.after_expiry_days)}
    to = inventory.removable_events(**limits, sent=sent)
    if to is None:
        return {"reason": "no event is old enough, is followed by a signed checkpoint and was copied to every target"}
    count = inventory.remove_events(to, check=True)
    if not check:
        with announced(inventory, "retention.events", subject=f"events up to {to.seq}", days=days, count=count):
            count = inventory.remove_events(to)
    return {"events": count, "events_to": to.seq}


def _sent(inventory: Inventory, settings: AuditSettings) -> int | None:
    """The last event that every target has; None where there is no target."""
    _ends, there = inventory.copies()
    return min((there.get(target.name, Copy(target.name)).events for target in settings.targets), default=None)


def _history(inventory: Inventory, before: datetime, *, check: bool) -> dict[str, int]:
    would = inventory.remove_history(before=before, check=True)
    if check or not would:
        return would
    with announced(inventory, "retention.history", subject="history", before=before.isoformat(), rows=sum(would.values())):
        return inventory.remove_history(before=before)
