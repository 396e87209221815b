# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The audit log: each line carries the SHA-256 of itself and of the line before. C(chain.py) verifies it."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.chain import FIRST, VERSION, line_hash
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import canonical_json, clean_text, clean_value
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Actor, Event

Row = dict[str, t.Any]
PART = 1000


def append(connection: sa.Connection, event: Event, *, actor: Actor, time: int) -> int:
    """Adds the line behind the last one and gives its number. The caller's transaction must be a writing one: nobody else appends meanwhile."""
    last = connection.execute(_last()).first()
    row: Row = {
        "version": VERSION,
        "seq": last.seq + 1 if last else 1,
        "time": time,
        "actor": clean_text(actor.name),
        "actor_known": _clean(actor.known),
        "account": _clean(actor.account),
        "job": _clean(actor.job),
        "ticket": _clean(actor.ticket),
        "reason": _clean(actor.reason),
        "kind": event.kind,
        "namespace": clean_text(event.host.namespace) if event.host else None,
        "host": clean_text(event.host.name) if event.host else None,
        "subject": clean_text(event.subject),
        "detail": _detail(event),
        "previous": last.hash if last else FIRST,
    }
    connection.execute(_insert(), row | {"hash": line_hash(row)})
    return int(row["seq"])


@functools.cache
def _last() -> sa.Select[t.Any]:
    """Made once, as the other one: making them takes longer than running them."""
    events = schema.events.c
    return sa.select(events.seq, events.hash).order_by(events.seq.desc()).limit(1)


def is_there(connection: sa.Connection, event: Event, *, since: int) -> bool:
    """Whether the log has this line, not older than ``since``."""
    line = schema.events.c
    same = [line.kind == event.kind, line.subject == clean_text(event.subject), line.detail == _detail(event), line.time >= since]
    if event.host:
        same += [line.namespace == clean_text(event.host.namespace), line.host == clean_text(event.host.name)]
    return connection.execute(sa.select(line.seq).where(*same).limit(1)).first() is not None


def has(connection: sa.Connection, kind: str, subject: str) -> bool:
    """Whether the log has a line of this kind about this subject."""
    line = schema.events.c
    return connection.execute(sa.select(line.seq).where(line.kind == kind, line.subject == subject).limit(1)).first() is not None


def _detail(event: Event) -> str:
    return canonical_json(clean_value(dict(event.detail)))


@functools.cache
def _insert() -> sa.Insert:
    return schema.events.insert().inline()


def _clean(text: str | None) -> str | None:
    return None if text is None else clean_text(text)


def check_appendable(connection: sa.Connection) -> None:
    """Asks for the right to append without appending: a server refuses the statement before it finds that nothing is to be added."""
    connection.exec_driver_sql("INSERT INTO events SELECT * FROM events WHERE 1 = 0")


def lines(connection: sa.Connection, *, after: int = 0, limit: int | None = None) -> t.Iterator[Row]:
    """The lines behind a number as they are stored, in the order of their numbers, few at a time."""
    table = schema.events
    statement = table.select().where(table.c.seq > after).order_by(table.c.seq).limit(limit).execution_options(yield_per=PART)
    return (dict(row) for row in connection.execute(statement).mappings())
