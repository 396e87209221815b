# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of rules, and exports of a CMDB that become rules. Nothing in them is evaluated."""

from __future__ import annotations

import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._import.rows import (
    Row,
    RowsError,
    check_expression,
    found_by,
    problems_text,
    read_rows,
    read_yaml,
)
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.rules import checked_match, checked_rules, rule_from
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import ATTRIBUTES, KEYS, OwnershipError, Rule, shown

RULES_BYTES = 8 << 20
IMPORT_BYTES = 64 << 20


def rules_file(path: str, *, origin: str) -> tuple[Rule, ...]:
    """The rules of a YAML file, which is a list, or a dictionary with the list C(rules). Raises OwnershipError and RowsError."""
    told = read_yaml(path, limit=RULES_BYTES)
    if isinstance(told, dict) and set(told) == {"rules"}:
        told = told["rules"]
    return checked_rules(told, source="rules", origin=origin, where="rules")


def import_file(path: str, mapping: t.Any, *, origin: str) -> tuple[Rule, ...]:
    """Rules out of an export: each row, seen through the mapping, is one. Raises OwnershipError, with the first rows that cannot be used, and RowsError."""
    expressions = _mapping(mapping)
    rows = read_rows(path, expressions["items"], limit=IMPORT_BYTES)
    rules: dict[t.Any, tuple[int, Rule]] = {}
    problems: list[str] = []
    for number, row in enumerate(rows, 1):
        try:
            _put(rules, number, _imported(row, expressions, origin=origin, where=f"row {number}"))
        except (OwnershipError, RowsError) as exc:
            problems.append(str(exc))
    if problems:
        raise OwnershipError(problems_text(path, problems))
    return tuple(rule for _number, rule in rules.values())


def _put(rules: dict[t.Any, tuple[int, Rule]], number: int, rule: Rule | None) -> None:
    """The same row again is the same rule; the same match with other attributes is refused."""
    if rule is None:
        return
    before = rules.setdefault(rule.match, (number, rule))
    if before[1].given != rule.given:
        raise OwnershipError(f"row {number} says something else of the same as row {before[0]}")


def _mapping(told: t.Any) -> Row:
    """JMESPath expressions: C(items) for the rows of a JSON file, and one for each key of C(match) and C(set)."""
    if not isinstance(told, dict) or not {"match", "set"} <= set(told) <= {"items", "match", "set"}:
        raise OwnershipError("mapping must be a dictionary with match, set and, for the rows of a JSON file, items")
    for part, known in (("match", KEYS), ("set", ATTRIBUTES)):
        if not isinstance(told[part], dict) or not told[part]:
            raise OwnershipError(f"mapping.{part} must be a dictionary of JMESPath expressions, got {shown(told[part])}")
        for name, expression in told[part].items():
            if name not in known:
                raise OwnershipError(f"mapping.{part}.{shown(name)} is not known, accepted are {', '.join(known)}")
            check_expression(expression, f"mapping.{part}.{name}")
    if told.get("items") is not None:
        check_expression(told["items"], "mapping.items")
    return {"items": told.get("items"), "match": told["match"], "set": told["set"]}


def _imported(row: t.Any, expressions: Row, *, origin: str, where: str) -> Rule | None:
    """The rule of a row; None where the row gives no attribute, as a CMDB knows much that nobody owns."""
    if not isinstance(row, dict):
        raise OwnershipError(f"{where} must be a dictionary, got {shown(row)}")
    parts: dict[str, Row] = {}
    for part in ("match", "set"):
        found = {name: found_by(row, expression, f"mapping.{part}.{name}") for name, expression in expressions[part].items()}
        parts[part] = {name: value for name, value in found.items() if value not in (None, "", [])}
    if not parts["set"]:
        checked_match(parts["match"], f"{where}.match")
        return None
    return rule_from(parts["match"], parts["set"], source="import", origin=origin, where=where)
