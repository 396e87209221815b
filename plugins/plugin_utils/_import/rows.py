# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that other programs and people wrote: rows out of CSV, JSON and NDJSON, values out of YAML, and what JMESPath finds in them. Nothing is evaluated."""

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
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import shown

ROWS_LIMIT = 200_000
PROBLEMS_SHOWN = 10
_FIELD_LIMIT = 100_000

Row = dict[str, t.Any]


class RowsError(ValueError):
    """A file that another program wrote cannot be read, or an expression on it is none."""


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice, of which the last would win in silence."""

    def construct_mapping(self, node: t.Any, deep: bool = False) -> dict[t.Any, t.Any]:
        keys = collections.Counter(key.value for key, _value in node.value if isinstance(key.value, str))
        if keys and keys.most_common(1)[0][1] > 1:
            raise yaml.constructor.ConstructorError(None, None, f"the key {shown(keys.most_common(1)[0][0])} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def read_yaml(path: str, *, limit: int) -> t.Any:
    """What a YAML file holds. Raises RowsError."""
    text = _text(path, limit)
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 -- a safe loader
    except (yaml.YAMLError, RecursionError, ValueError) as exc:
        raise RowsError(f"{path!r} is no YAML: {_line(exc)}") from None


def read_rows(path: str, items: str | None, *, limit: int) -> list[t.Any]:
    """The rows of a file: CSV and NDJSON by its name, anything else is JSON, in which C(items) finds them. C(limit) is in bytes. Raises RowsError."""
    text = _text(path, limit)
    ending = os.path.splitext(path)[1].lower()
    rows = _csv(path, text) if ending == ".csv" else _ndjson(path, text) if ending in (".ndjson", ".jsonl") else _json(path, text, items)
    if len(rows) > ROWS_LIMIT:
        raise RowsError(f"{path!r} has {len(rows)} rows, at most {ROWS_LIMIT} are imported")
    return rows


def check_expression(expression: t.Any, where: str) -> None:
    """Raises RowsError unless it is an expression of JMESPath."""
    if not isinstance(expression, str) or not expression:
        raise RowsError(f"{where} must be a JMESPath expression, got {shown(expression)}")
    try:
        compiled_expression(expression)
    except SelectError as exc:
        raise RowsError(f"{where}: {exc}") from None


def found_by(row: t.Any, expression: str, where: str) -> t.Any:
    """What an expression finds in a row. Raises RowsError."""
    try:
        return searched(expression, row)
    except SelectError as exc:
        raise RowsError(f"{where}: {exc}") from None


def problems_text(path: str, problems: t.Sequence[str]) -> str:
    """One sentence with the first of what is wrong with rows."""
    more = f"; and {len(problems) - PROBLEMS_SHOWN} more" if len(problems) > PROBLEMS_SHOWN else ""
    return f"{path!r} cannot be imported: {'; '.join(problems[:PROBLEMS_SHOWN])}{more}"


def _csv(path: str, text: str) -> list[t.Any]:
    """Rows by the names in the first line; spreadsheets in some countries put semicolons between."""
    first = text.partition("\n")[0]
    try:
        csv.field_size_limit(_FIELD_LIMIT)
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=";" if first.count(";") > first.count(",") else ",", strict=True)
        names = [name.strip() for name in next(lines, [])]
        if not all(names) or len(set(names)) < len(names) or not names:
            raise RowsError(f"{path!r} must begin with a line of names, each there once, got {shown(first)}")
        rows = []
        for line in lines:
            if line and len(line) != len(names):
                raise RowsError(f"{path!r} has {len(line)} fields in line {lines.line_num}, the first line has {len(names)}")
            if line:
                rows.append({name: value.strip() for name, value in zip(names, line, strict=True)})
    except csv.Error as exc:
        raise RowsError(f"{path!r} is no CSV: {_line(exc)}") from None
    return rows


def _ndjson(path: str, text: str) -> list[t.Any]:
    """One row a line; others than LF do not end one, as JSON may hold them."""
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except (ValueError, RecursionError) as exc:
                raise RowsError(f"{path!r} has no JSON in line {number}: {_line(exc)}") from None
    return rows


def _json(path: str, text: str, items: str | None) -> list[t.Any]:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise RowsError(f"{path!r} is no JSON, and its name does not end in .csv: {_line(exc)}") from None
    rows = told if items is None else found_by(told, items, "mapping.items")
    if not isinstance(rows, list):
        raise RowsError(f"{path!r} must hold a list of rows, got {shown(rows)}: mapping.items says where in it they are")
    return rows


def _text(path: str, limit: int) -> str:
    """The text of a file in UTF-8, with or without a mark at its begin."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise RowsError(f"{path!r} is no file")
            content = file.read(limit + 1)
    except OSError as exc:
        raise RowsError(f"{path!r} cannot be read: {exc.strerror}") from None
    if len(content) > limit:
        raise RowsError(f"{path!r} is larger than {limit >> 20} MB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise RowsError(f"{path!r} is not in UTF-8: byte {exc.start} is {content[exc.start]:#x}") from None


def _line(exc: BaseException) -> str:
    return " ".join(str(exc).split())[:300]
