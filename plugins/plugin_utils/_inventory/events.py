# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The audit log: each line carries the SHA-256 of itself and of the line before."""

from __future__ import annotations

import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import canonical_json, clean_text, clean_value, digest_of
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Event

FIRST = "0" * 64
_HASHED = ("seq", "time", "actor", "kind", "namespace", "host", "subject", "detail", "previous")


def append(connection: sa.Connection, event: Event, *, actor: str, time: int) -> int:
    """Adds the line behind the last one and gives its number. The caller's transaction must be a writing one: nobody else appends meanwhile."""
    table = schema.events
    last = connection.execute(sa.select(table.c.seq, table.c.hash).order_by(table.c.seq.desc()).limit(1)).first()
    row: dict[str, t.Any] = {
        "seq": last.seq + 1 if last else 1,
        "time": time,
        "actor": clean_text(actor),
        "kind": event.kind,
        "namespace": clean_text(event.host.namespace) if event.host else None,
        "host": clean_text(event.host.name) if event.host else None,
        "subject": clean_text(event.subject),
        "detail": _detail(event),
        "previous": last.hash if last else FIRST,
    }
    connection.execute(table.insert(), row | {"hash": line_hash(row)})
    return int(row["seq"])


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


def line_hash(row: t.Mapping[str, t.Any]) -> str:
    """SHA-256 over the canonical JSON of everything in the line but the hash itself."""
    return digest_of({name: row[name] for name in _HASHED})


def verify(connection: sa.Connection) -> tuple[str, ...]:
    """One sentence for every line that is missing or altered; empty when the chain holds. Lines cut off at the end need a second source."""
    problems = []
    expected, previous = 1, FIRST
    for row in connection.execute(schema.events.select().order_by(schema.events.c.seq)).mappings():
        if row["seq"] != expected:
            problems.append(f"event {expected} is missing" if row["seq"] == expected + 1 else f"events {expected} to {row['seq'] - 1} are missing")
        elif row["previous"] != previous:
            problems.append(f"event {row['seq']} does not continue the one before it")
        if row["hash"] != line_hash(dict(row)):
            problems.append(f"event {row['seq']} was altered")
        expected, previous = row["seq"] + 1, row["hash"]
    return tuple(problems)
