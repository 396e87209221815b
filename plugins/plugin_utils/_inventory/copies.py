# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far the audit log was copied to each target, and which run is at it: one at a time for each target, so that lines go once and in their order."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import insert_new
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa

LEASE_SECONDS = 180  # longer than a target may take for a part
RETRY_SECONDS = 60  # a target that failed is left alone so long, whatever the number of hosts
CHECKPOINTS = ""  # the target that stands for the making of checkpoints


@dataclasses.dataclass(frozen=True, slots=True)
class Copy:
    """One target: up to which event and which checkpoint it has the log. ``until`` is the lease of the run that is at it."""

    name: str
    events: int = 0
    checkpoints: int = 0
    until: int | None = None
    failed_at: int | None = None
    problem: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Ends:
    """The last event and the last checkpoint that there are, 0 where there is none."""

    event: int
    checkpoint: int


def ends(connection: sa.Connection) -> Ends:
    return Ends(*(connection.execute(sa.select(sa.func.max(table.c.seq))).scalar() or 0 for table in (schema.events, schema.checkpoints)))


def copies(connection: sa.Connection) -> dict[str, Copy]:
    """All that were ever begun, by name."""
    table = schema.audit_targets
    return {row.name: _copy(row) for row in connection.execute(table.select().order_by(table.c.name))}


def free(connection: sa.Connection, name: str, *, now: int) -> Copy | None:
    """The target; None where another run is at it, or where it failed a moment ago."""
    there = copies(connection).get(name, Copy(name))
    if (there.until or 0) > now or (there.failed_at is not None and now - there.failed_at < RETRY_SECONDS):
        return None
    return there


def claim(connection: sa.Connection, name: str, *, now: int) -> Copy | None:
    """The same, for this run alone from now on."""
    insert_new(connection, schema.audit_targets, [{"name": name, "events_sent": 0, "checkpoints_sent": 0, "changed": now}])
    there = free(connection, name, now=now)
    if there is None:
        return None
    claimed = dataclasses.replace(there, until=now + LEASE_SECONDS)
    return claimed if _update(connection, there, claimed, now=now) else None


def advance(connection: sa.Connection, held: Copy, *, events: int, checkpoints: int, now: int) -> Copy | None:
    """That so much has arrived; None where the lease ended meanwhile and another run has taken over."""
    after = dataclasses.replace(held, events=events, checkpoints=checkpoints, until=now + LEASE_SECONDS, failed_at=None, problem=None)
    return after if _update(connection, held, after, now=now) else None


def release(connection: sa.Connection, held: Copy, *, now: int, rest: bool) -> bool:
    """Ends the lease; False, and nothing is ended, while lines are left. ``rest`` leaves them. Nobody may append meanwhile: no line is left to nobody."""
    there = ends(connection)
    if not rest and (held.events, held.checkpoints) != (there.event, there.checkpoint):
        return False
    _update(connection, held, dataclasses.replace(held, until=None), now=now)
    return True


def fail(connection: sa.Connection, held: Copy, problem: str, *, now: int) -> None:
    """Ends the lease and says why nothing more was copied."""
    _update(connection, held, dataclasses.replace(held, until=None, failed_at=now, problem=problem), now=now)


def _update(connection: sa.Connection, held: Copy, after: Copy, *, now: int) -> bool:
    """Nothing where somebody else has changed the lease meanwhile."""
    table = schema.audit_targets
    values = {
        "events_sent": after.events,
        "checkpoints_sent": after.checkpoints,
        "claimed_until": after.until,
        "failed_at": after.failed_at,
        "problem": after.problem,
        "changed": now,
    }
    mine = (table.c.name == held.name, table.c.claimed_until == held.until)
    return bool(connection.execute(table.update().where(*mine), values).rowcount)


def _copy(row: t.Any) -> Copy:
    return Copy(row.name, row.events_sent, row.checkpoints_sent, row.claimed_until, row.failed_at, row.problem)
