# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of the audit log behind a task: a checkpoint is signed when one is due, and what is new is copied out of the database.

It comes after the work of the task and its transactions. What goes wrong is a warning: the lines stay where they are, and the next run goes on behind the
last one that arrived.
"""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._audit import copy_file
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.lines import checkpoint_line, event_line
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.settings import AuditError, AuditSettings, Target
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.signing import sign
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.targets import Sent, to_command, to_syslog
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.chain import Anchor, Checkpoint
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.copies import CHECKPOINTS, Copy
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import iso_stored

PARTS = 20  # of lines, by one task: it goes on with its play, and another one with the rest
Row = t.Mapping[str, t.Any]


def care(inventory: Inventory, settings: AuditSettings) -> list[str]:
    """One sentence for everything that could not be done."""
    told: list[str] = []
    if settings.signing_key:
        told += _told("", lambda: _sign(inventory, settings))
    if settings.targets:
        ends, there = inventory.copies()
        for target in settings.targets:
            done = there.get(target.name, Copy(target.name))
            if (done.events, done.checkpoints) != (ends.event, ends.checkpoint):
                told += _told(f"audit target {target.name!r}: ", functools.partial(_copy, inventory, target))
    return told


def _told(before: str, work: t.Callable[[], None]) -> list[str]:
    try:
        work()
    except ValueError as exc:
        return [f"{before}{exc}; what is done is recorded, and the next run tries again"]
    return []


def _sign(inventory: Inventory, settings: AuditSettings) -> None:
    """One run signs; who comes meanwhile leaves it to that one."""
    due = _due(inventory, settings)
    if due is None:
        return
    held = inventory.claim_copy(CHECKPOINTS)
    if held is None:
        return
    try:
        due = _due(inventory, settings)  # another run may have been faster
        if due is not None:
            inventory.add_checkpoint(sign(due, str(settings.signing_key)))
    except ValueError as exc:
        inventory.fail_copy(held, str(exc))
        raise
    inventory.release_copy(held, rest=True)


def _due(inventory: Inventory, settings: AuditSettings) -> Checkpoint | None:
    return inventory.checkpoint_due(events=settings.checkpoint_events, hours=settings.checkpoint_hours)


def _copy(inventory: Inventory, target: Target) -> None:
    """Copies part after part until nothing is left."""
    held = inventory.claim_copy(target.name)
    if held is None:
        return
    try:
        for _part in range(PARTS):
            after = _SENDERS[target.kind](inventory, target, held)
            if after is None:
                return  # another run has taken over
            held = after
            if inventory.release_copy(held):
                return
        inventory.release_copy(held, rest=True)
    except ValueError as exc:
        inventory.fail_copy(held, str(exc))
        raise


def _sent(inventory: Inventory, target: Target, held: Copy) -> Copy | None:
    """One part to a target that takes what it gets: what arrived is what was sent."""
    rows, checkpoints = inventory.lines_to_copy(events_sent=held.events, checkpoints_sent=held.checkpoints)
    lines = [Sent(event_line(row), "event", str(iso_stored(row["time"]))) for row in rows]
    lines += [Sent(checkpoint_line(each), "checkpoint", str(iso_stored(each.time))) for each in checkpoints]
    if lines:
        (to_syslog if target.kind == "syslog" else to_command)(target, lines)
    return _advance(inventory, held, rows, checkpoints)


def _advance(inventory: Inventory, held: Copy, rows: t.Sequence[Row], checkpoints: t.Sequence[Checkpoint]) -> Copy | None:
    events, seq = rows[-1]["seq"] if rows else held.events, checkpoints[-1].seq if checkpoints else held.checkpoints
    return inventory.advance_copy(held, events=events, checkpoints=seq)


def _appended(inventory: Inventory, target: Target, held: Copy) -> Copy | None:
    """One part to a file, behind what it has, whatever the inventory says of that."""
    with copy_file.opened(target) as descriptor:
        end = copy_file.end_of(descriptor, target)
        began = _beginning(inventory, held) if end == copy_file.End() else None
        events = end.event.seq - 1 if end.event else began.seq if began else end.checkpoint
        sent = max(end.checkpoint, began.seq if began else 0, held.checkpoints if end.event else 0)
        rows, checkpoints = inventory.lines_to_copy(events_sent=events, checkpoints_sent=sent)
        if end.event:
            rows = _behind(end.event, rows)
        first = [checkpoint_line(began)] if began else []
        copy_file.append(descriptor, [*first, *map(event_line, rows), *map(checkpoint_line, checkpoints)])
    done = Copy(held.name, end.event.seq if end.event else events, sent, held.until)
    return _advance(inventory, done, rows, checkpoints)


def _beginning(inventory: Inventory, held: Copy) -> Checkpoint | None:
    """A new file begins with the newest checkpoint that was copied before, so that it can be verified by itself."""
    return next((each for each in reversed(inventory.checkpoints()) if each.seq <= held.events), None)


def _behind(last: Anchor, rows: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The lines behind the last one of a file, which must be one of the inventory's: else that was restored from an older backup, or made anew."""
    if not rows:
        raise AuditError(
            f"{last.source} has event {last.seq} and the inventory has not: it is an older backup, or events were cut off; "
            "nothing was copied, see docs/audit.md"
        )
    if rows[0]["seq"] == last.seq and rows[0]["hash"] != last.hash:
        raise AuditError(f"{last.source} has another event {last.seq} than the inventory: one of them was made anew; nothing was copied, see docs/audit.md")
    return [row for row in rows if row["seq"] > last.seq]


_SENDERS: dict[str, t.Callable[[Inventory, Target, Copy], Copy | None]] = {"path": _appended, "syslog": _sent, "command": _sent}
