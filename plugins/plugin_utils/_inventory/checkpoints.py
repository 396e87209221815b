# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checkpoints of the audit log as rows."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.chain import FIRST, Anchor, Chain, Checkpoint
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.events import lines
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa

_COLUMNS = tuple(field.name for field in dataclasses.fields(Checkpoint))


def checkpoints(connection: sa.Connection, *, after: int = 0, limit: int | None = None) -> tuple[Checkpoint, ...]:
    """Those of events behind a number, oldest first."""
    table = schema.checkpoints
    rows = connection.execute(table.select().where(table.c.seq > after).order_by(table.c.seq).limit(limit)).mappings()
    return tuple(Checkpoint(**{name: row[name] for name in _COLUMNS}) for row in rows)


def newest(connection: sa.Connection) -> Checkpoint | None:
    table = schema.checkpoints
    row = connection.execute(table.select().order_by(table.c.seq.desc()).limit(1)).mappings().first()
    return Checkpoint(**{name: row[name] for name in _COLUMNS}) if row else None


def due(connection: sa.Connection, *, events: int, seconds: int, now: int) -> Checkpoint | None:
    """The checkpoint that is to be signed now: so many events came since the last one, or the first of them is so old."""
    table, before = schema.events, newest(connection)
    seq = before.seq if before else 0
    end = connection.execute(sa.select(table.c.seq, table.c.hash).order_by(table.c.seq.desc()).limit(1)).first()
    if end is None or end.seq <= seq:
        return None
    since = connection.execute(sa.select(table.c.time).where(table.c.seq > seq).order_by(table.c.seq).limit(1)).scalar_one()
    if end.seq - seq < events and now - since < seconds:
        return None
    return Checkpoint(end.seq, now, end.hash, end.seq - seq, before.digest if before else FIRST)


def add(connection: sa.Connection, checkpoint: Checkpoint) -> bool:
    """Stores one that was signed; False where another one was made meanwhile."""
    before = newest(connection)
    if checkpoint.previous != (before.digest if before else FIRST):
        return False
    connection.execute(schema.checkpoints.insert(), dataclasses.asdict(checkpoint))
    return True


def anchors(known: t.Iterable[Checkpoint]) -> list[Anchor]:
    return [Anchor(each.seq, each.hash, f"the checkpoint of event {each.seq}") for each in known]


def verify(connection: sa.Connection, more: t.Iterable[Anchor] = (), *, see: t.Callable[[t.Mapping[str, t.Any]], None] = lambda _row: None) -> Chain:
    """The chain as it is stored, after all its lines, against the checkpoints that are stored; ``see`` gets each line, too."""
    chain = Chain([*anchors(checkpoints(connection)), *more])
    for row in lines(connection):
        chain.take(row)
        see(row)
    return chain
