# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who answers for what, in the database: what the Ansible inventory said of each host, and what was assigned by hand, by rules and by imports."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import insert_row, parts, upsert
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.scans import is_host
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import LIST_LIMIT, canonical_json, clean_text, digest_of
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Event, HostName, Stated
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import KEYS, Rule, Value, plain

Row = dict[str, t.Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """What shall be assigned: C(rules) in place of all that the source has under the name C(origin), or of the one assignment by hand with C(match)."""

    source: str
    origin: str
    rules: tuple[Rule, ...]
    match: tuple[tuple[str, tuple[str, ...]], ...] | None = None
    reason: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Assigned:
    """What an assignment changes: rules that come and rules that go, and how many stay."""

    added: tuple[Rule, ...]
    removed: tuple[Rule, ...]
    kept: int

    @property
    def changed(self) -> bool:
        return bool(self.added or self.removed)


def put_stated(connection: sa.Connection, host: HostName, stated: Stated, *, time: int) -> Event | None:
    """Stores what the Ansible inventory says of a host that is known; the event is None where nobody answers for it who did not before."""
    table, hosts = schema.host_ownership, schema.hosts
    columns = (hosts.c.id, table.c.groups_json, table.c.set_json, table.c.changed)
    before = connection.execute(sa.select(*columns).select_from(hosts.outerjoin(table, table.c.host_id == hosts.c.id)).where(is_host(host))).one()
    groups = canonical_json([clean_text(name) for name in sorted(set(stated.groups))[:LIST_LIMIT]])
    row = {"host_id": before.id, "groups_json": groups, "set_json": set_json(stated.given), "changed": time}
    if (before.groups_json, before.set_json) == (groups, row["set_json"]):
        return None
    if before.changed is not None:
        said = {"host_id": before.id, "groups_json": before.groups_json, "set_json": before.set_json, "changed": before.changed}
        insert_row(connection, schema.host_ownership_pasts, {**said, "until": time})
    upsert(connection, table, [row])
    if (before.set_json or "{}") == row["set_json"]:
        return None
    return Event(
        kind="ownership.variables", subject=host.name, host=host, detail={"before": json.loads(before.set_json or "{}"), "after": json.loads(row["set_json"])}
    )


def assign(connection: sa.Connection, wanted: Wanted, *, actor: str, time: int, write: bool) -> tuple[Assigned, Event | None]:
    """Makes it as it is wanted; what is the same already is left alone. C(write=False) only says what would be."""
    there = {(row["match_json"], row["set_json"]): row for row in _current(connection, wanted)}
    rules = {(match_json(rule.match), set_json(rule.given)): rule for rule in wanted.rules}
    added = [key for key in sorted(rules) if key not in there]
    gone = [there[key] for key in sorted(there) if key not in rules]
    assigned = Assigned(tuple(rules[key] for key in added), tuple(_rule(row) for row in gone), len(there) - len(gone))
    if not assigned.changed or not write:
        return assigned, None
    _remove(connection, [row["id"] for row in gone], actor=actor, time=time)
    new = {"source": wanted.source, "origin": wanted.origin, "actor": clean_text(actor), "time": time, "reason": wanted.reason and clean_text(wanted.reason)}
    if added:
        connection.execute(schema.assignments.insert(), [{**new, "match_json": match, "set_json": given} for match, given in added])
    return assigned, _event(wanted, assigned, there, rules)


def _event(wanted: Wanted, assigned: Assigned, there: t.Collection[t.Any], rules: t.Collection[t.Any]) -> Event:
    """By hand with all of it; of a set, which may be large, the number and the digest."""
    if wanted.match is not None:
        before, after = ([json.loads(set_json(rule.given)) for rule in part] for part in (assigned.removed, assigned.added))
        detail = {"match": dict(wanted.match), "before": before[0] if before else None, "after": after[0] if after else None, "reason": wanted.reason}
        return Event(kind="ownership.assigned" if after else "ownership.removed", subject=match_text(wanted.match), detail=detail)
    sizes = {"added": len(assigned.added), "removed": len(assigned.removed), "rules": len(rules)}
    digests = {"before": digest_of(sorted(map(list, there))), "after": digest_of(sorted(map(list, rules)))}
    return Event(kind=f"ownership.{wanted.source}", subject=wanted.origin, detail={**sizes, **digests, "reason": wanted.reason})


def current_rules(connection: sa.Connection) -> list[Rule]:
    """Everything that is assigned now."""
    table = schema.assignments
    return [_rule(row) for row in connection.execute(table.select().where(table.c.removed_at.is_(None)).order_by(table.c.id)).mappings()]


def match_json(match: t.Sequence[tuple[str, tuple[str, ...]]]) -> str:
    """As it is stored."""
    return canonical_json({key: list(patterns) for key, patterns in match})


def set_json(given: t.Sequence[tuple[str, Value]]) -> str:
    """As it is stored."""
    return canonical_json({name: plain(value) for name, value in given})


def match_text(match: t.Sequence[tuple[str, tuple[str, ...]]]) -> str:
    """For people: C(host web1, service nginx)."""
    return ", ".join(f"{key} {' or '.join(patterns)}" for key, patterns in match)


def rule_row(rule: Rule) -> Row:
    """As it is written in a file of rules."""
    match = {key: list(patterns) if len(patterns) > 1 else patterns[0] for key, patterns in rule.match}
    return {"match": match, "set": {name: plain(value) for name, value in rule.given}}


def given_from(text: str) -> tuple[tuple[str, Value], ...]:
    """What is stored as JSON."""
    return tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in json.loads(text).items())


def _rule(row: t.Mapping[t.Any, t.Any]) -> Rule:
    told = json.loads(row["match_json"])
    match = tuple((key, tuple(told[key])) for key in KEYS if key in told)
    return Rule(match, given_from(row["set_json"]), row["source"], row["origin"] or row["actor"])


def _current(connection: sa.Connection, wanted: Wanted) -> t.Iterator[t.Mapping[t.Any, t.Any]]:
    table = schema.assignments
    rows = table.select().where(table.c.source == wanted.source, table.c.origin == wanted.origin, table.c.removed_at.is_(None))
    if wanted.match is not None:
        rows = rows.where(table.c.match_json == match_json(wanted.match))
    return iter(connection.execute(rows.order_by(table.c.id)).mappings())


def _remove(connection: sa.Connection, ids: t.Sequence[int], *, actor: str, time: int) -> None:
    table = schema.assignments
    for part in parts(ids):
        connection.execute(table.update().where(table.c.id.in_(part)).values(removed_at=time, removed_by=clean_text(actor)))
