# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trust stores of hosts: from a host's answer into a row, and out of it with what the anchors are called."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.fields import Fields
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import parts
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import LIST_LIMIT, canonical_json

Row = dict[str, t.Any]
_PARTS = ("added", "removed")


def trust_store(item: Fields) -> Row:
    """One store of the host's answer as a row."""
    return {
        "path": item.path("path"),
        "kind": (item.text("kind") or "")[:16],
        "count": item.integer("count"),
        "verified": item.flag("verified"),
        "reason": item.text("reason"),
        **{f"{name}_json": _anchors(item, name) for name in _PARTS},
    }


def _anchors(item: Fields, name: str) -> str | None:
    if item.value.get(name) is None:
        return None
    found = [{"sha256": each.sha256("sha256"), "path": each.text("path"), "why": each.text("why")} for each in item.objects(name)]
    return canonical_json(found[:LIST_LIMIT])


def subjects_of(connection: sa.Connection, rows: t.Iterable[t.Mapping[t.Any, t.Any]]) -> dict[str, Row]:
    """The subject, its common name and the end of every certificate that the rows name and the inventory has; times as stored."""
    named = {each["sha256"] for row in rows for name in _PARTS for each in json.loads(row[f"{name}_json"] or "[]")} - {None}
    found = {}
    table = schema.certificates.c
    for part in parts(sorted(named)):
        statement = sa.select(table.sha256, table.subject_json, table.common_name).where(table.sha256.in_(part))
        for row in connection.execute(statement):
            found[row.sha256] = {"subject": dict(json.loads(row.subject_json or "[]")), "common_name": row.common_name}
    return found


def changes(row: t.Mapping[t.Any, t.Any], subjects: t.Mapping[str, Row]) -> Row:
    """What was added to a store and removed from it; None where that is not known."""
    told: Row = {}
    for name in _PARTS:
        stored = json.loads(row[f"{name}_json"] or "null")
        told[name] = stored and [_told(each, subjects, why=name == "removed") for each in stored]
    return told


def _told(anchor: Row, subjects: t.Mapping[str, Row], *, why: bool) -> Row:
    known = subjects.get(anchor["sha256"] or "", {"subject": None, "common_name": None})
    return {"sha256": anchor["sha256"], **known, "path": anchor["path"], **({"why": anchor["why"]} if why else {})}
