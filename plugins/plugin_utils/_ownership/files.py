# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of rules, and exports of a CMDB that become rules. Nothing in them is evaluated."""

from __future__ import annotations

import collections
import csv
import io
import json
import os
import stat
import typing as t

import yaml

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.select import SelectError, compiled_expression, searched
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.rules import RULES_LIMIT, checked_match, checked_rules, rule_from
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import ATTRIBUTES, KEYS, OwnershipError, Rule, shown

RULES_BYTES = 8 << 20
IMPORT_BYTES = 64 << 20
PROBLEMS_SHOWN = 10
_FIELD_LIMIT = 100_000

Row = dict[str, t.Any]


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice, of which the last would win in silence."""

    def construct_mapping(self, node: t.Any, deep: bool = False) -> dict[t.Any, t.Any]:
        keys = collections.Counter(key.value for key, _value in node.value if isinstance(key.value, str))
        if keys and keys.most_common(1)[0][1] > 1:
            raise yaml.constructor.ConstructorError(None, None, f"the key {shown(keys.most_common(1)[0][0])} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def rules_file(path: str, *, origin: str) -> tuple[Rule, ...]:
    """The rules of a YAML file, which is a list, or a dictionary with the list C(rules). Raises OwnershipError."""
    text = _text(path, RULES_BYTES)
    try:
        told = yaml.load(text, Loader=_Loader)  # noqa: S506 -- a safe loader
    except (yaml.YAMLError, RecursionError, ValueError) as exc:
        raise OwnershipError(f"{path!r} is no YAML: {_line(exc)}") from None
    if isinstance(told, dict) and set(told) == {"rules"}:
        told = told["rules"]
    return checked_rules(told, source="rules", origin=origin, where="rules")


def import_file(path: str, mapping: t.Any, *, origin: str) -> tuple[Rule, ...]:
    """Rules out of an export: each row, seen through the mapping, is one. Raises OwnershipError, which tells the first rows that cannot be used."""
    expressions = _mapping(mapping)
    rows = _rows(path, expressions["items"])
    rules: dict[t.Any, tuple[int, Rule]] = {}
    problems: list[str] = []
    for number, row in enumerate(rows, 1):
        try:
            _put(rules, number, _imported(row, expressions, origin=origin, where=f"row {number}"))
        except OwnershipError as exc:
            problems.append(str(exc))
    if problems:
        more = f"; and {len(problems) - PROBLEMS_SHOWN} more" if len(problems) > PROBLEMS_SHOWN else ""
        raise OwnershipError(f"{path!r} cannot be imported: {'; '.join(problems[:PROBLEMS_SHOWN])}{more}")
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
            _check_expression(expression, f"mapping.{part}.{name}")
    if told.get("items") is not None:
        _check_expression(told["items"], "mapping.items")
    return {"items": told.get("items"), "match": told["match"], "set": told["set"]}


def _check_expression(expression: t.Any, where: str) -> None:
    if not isinstance(expression, str) or not expression:
        raise OwnershipError(f"{where} must be a JMESPath expression, got {shown(expression)}")
    try:
        compiled_expression(expression)
    except SelectError as exc:
        raise OwnershipError(f"{where}: {exc}") from None


def _searched(row: t.Any, expression: str, where: str) -> t.Any:
    try:
        return searched(expression, row)
    except SelectError as exc:
        raise OwnershipError(f"{where}: {exc}") from None


def _imported(row: t.Any, expressions: Row, *, origin: str, where: str) -> Rule | None:
    """The rule of a row; None where the row gives no attribute, as a CMDB knows much that nobody owns."""
    if not isinstance(row, dict):
        raise OwnershipError(f"{where} must be a dictionary, got {shown(row)}")
    parts: dict[str, Row] = {}
    for part in ("match", "set"):
        found = {name: _searched(row, expression, f"mapping.{part}.{name}") for name, expression in expressions[part].items()}
        parts[part] = {name: value for name, value in found.items() if value not in (None, "", [])}
    if not parts["set"]:
        checked_match(parts["match"], f"{where}.match")
        return None
    return rule_from(parts["match"], parts["set"], source="import", origin=origin, where=where)


def _rows(path: str, items: str | None) -> list[t.Any]:
    text = _text(path, IMPORT_BYTES)
    rows = _csv(path, text) if path.lower().endswith(".csv") else _json(path, text, items)
    if len(rows) > RULES_LIMIT:
        raise OwnershipError(f"{path!r} has {len(rows)} rows, at most {RULES_LIMIT} are imported")
    return rows


def _csv(path: str, text: str) -> list[t.Any]:
    """Rows by the names in the first line; spreadsheets in some countries put semicolons between."""
    first = text.partition("\n")[0]
    try:
        csv.field_size_limit(_FIELD_LIMIT)
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=";" if first.count(";") > first.count(",") else ",", strict=True)
        names = [name.strip() for name in next(lines, [])]
        if not all(names) or len(set(names)) < len(names) or not names:
            raise OwnershipError(f"{path!r} must begin with a line of names, each there once, got {shown(first)}")
        rows = []
        for line in lines:
            if line and len(line) != len(names):
                raise OwnershipError(f"{path!r} has {len(line)} fields in line {lines.line_num}, the first line has {len(names)}")
            if line:
                rows.append({name: value.strip() for name, value in zip(names, line, strict=True)})
    except csv.Error as exc:
        raise OwnershipError(f"{path!r} is no CSV: {_line(exc)}") from None
    return rows


def _json(path: str, text: str, items: str | None) -> list[t.Any]:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise OwnershipError(f"{path!r} is no JSON, and its name does not end in .csv: {_line(exc)}") from None
    rows = told if items is None else _searched(told, items, "mapping.items")
    if not isinstance(rows, list):
        raise OwnershipError(f"{path!r} must hold a list of rows, got {shown(rows)}: mapping.items says where in it they are")
    return rows


def _text(path: str, limit: int) -> str:
    """The text of a file in UTF-8, with or without a mark at its begin."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OwnershipError(f"{path!r} is no file")
            content = file.read(limit + 1)
    except OSError as exc:
        raise OwnershipError(f"{path!r} cannot be read: {exc.strerror}") from None
    if len(content) > limit:
        raise OwnershipError(f"{path!r} is larger than {limit >> 20} MB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise OwnershipError(f"{path!r} is not in UTF-8: byte {exc.start} is {content[exc.start]:#x}") from None


def _line(exc: BaseException) -> str:
    return " ".join(str(exc).split())[:300]
