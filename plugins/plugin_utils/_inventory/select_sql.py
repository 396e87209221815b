# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of a JMESPath expression that a database can answer, so that it reads what may match instead of everything.

Only C([?condition]) on the list of documents is looked at: rows for which the condition is surely false are not read, and the whole expression is applied to
the documents of the others. So the result is the same with and without. A condition is translated as far as each of its parts means exactly the same in SQL:
comparisons of a field with a literal, fields by themselves, and C(&&), C(||) and C(!) of these. What follows a part that is not translated is left out, too:
JMESPath evaluates from the left, and what fails there is to fail here.
"""

from __future__ import annotations

import math
import operator
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.select import JMESPathError, jmespath
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import BEGINNING, DAY, ENDLESS, WARNING_DAYS, InventoryError, iso_stored, seconds
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import moment

Node = t.Mapping[str, t.Any]
Fields = t.Mapping[str, "Field"]
Narrow = t.Callable[[Fields], tuple[t.Any, ...]]
INTEGERS = range(-(2**53), 2**53)
# What is applied to the list that its first child makes of the documents, and looks at nothing else.
_AFTERWARDS = ("filter_projection", "projection", "subexpression", "index_expression", "pipe", "flatten")
LARGEST = 200  # parts; databases do not take whatever large a condition
_FLIPPED = {"lt": "gt", "gt": "lt", "lte": "gte", "gte": "lte", "eq": "eq", "ne": "ne"}
_ORDER: dict[str, t.Callable[[t.Any, t.Any], t.Any]] = {"lt": operator.lt, "gt": operator.gt, "lte": operator.le, "gte": operator.ge}
_TIME = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T([0-9]{2}:){2}[0-9]{2}Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of documents and the column that it is made of.

    C(kind) says how: text, integer, boolean; time (text of seconds); days and status (made of the end of a certificate); nothing, where it is always null.
    """

    kind: t.Literal["text", "integer", "boolean", "time", "days", "status", "nothing"]
    column: t.Any = None


@dataclass(frozen=True, slots=True)
class Condition:
    """True for every row that matches, never null; C(exact) when it is true for no other."""

    sql: t.Any
    exact: bool = True


class _Untranslatable(Exception):
    """Caught in this file: a part that SQL cannot answer, or not in the same way."""


def everything(_fields: Fields) -> tuple[t.Any, ...]:
    """No condition at all."""
    return ()


def narrowing(expression: str | None, *, now: int) -> Narrow:
    """What makes the conditions on the rows that documents with certain fields are made of; C(now) in seconds."""
    node = _condition_of(expression)
    if node is None:
        return everything

    def narrow(fields: Fields) -> tuple[t.Any, ...]:
        condition = _Translator(fields, now).part(node)
        return () if condition is None else (condition.sql,)

    return narrow


def _condition_of(expression: str | None) -> Node | None:
    """The condition of the C([?condition]) that an expression begins with; an expression that is none is told of where it is applied."""
    if expression is None or jmespath is None:
        return None
    try:
        node = jmespath.compile(expression).parsed
    except (JMESPathError, RecursionError):
        return None
    while node["type"] in _AFTERWARDS or (node["type"] == "function_expression" and len(node["children"]) == 1):
        if node["type"] == "filter_projection" and node["children"][0]["type"] == "identity":
            return t.cast("Node", node["children"][2])
        node = node["children"][0]
    return None


class _Translator:
    """From the tree of a condition to SQL."""

    def __init__(self, fields: Fields, now: int) -> None:
        self._fields = fields
        self._now = now
        self._left = LARGEST

    def part(self, node: Node) -> Condition | None:
        """None where nothing can be said."""
        try:
            return self._part(node)
        except (_Untranslatable, RecursionError):
            return None

    def _part(self, node: Node) -> Condition:
        parts = {"and_expression": self._and, "or_expression": self._or, "not_expression": self._not, "comparator": self._comparison, "field": self._truth}
        self._left -= 1
        if node["type"] not in parts or self._left < 0:
            raise _Untranslatable
        return parts[node["type"]](node)

    def _and(self, node: Node) -> Condition:
        left = self._part(node["children"][0])
        right = self.part(node["children"][1]) if left.exact else None
        return Condition(left.sql, exact=False) if right is None else Condition(sa.and_(left.sql, right.sql), right.exact)

    def _or(self, node: Node) -> Condition:
        left, right = map(self._part, node["children"])
        return Condition(sa.or_(left.sql, right.sql), left.exact and right.exact)

    def _not(self, node: Node) -> Condition:
        inner = self._part(node["children"][0])
        if not inner.exact:
            raise _Untranslatable
        return Condition(sa.not_(inner.sql))

    def _truth(self, node: Node) -> Condition:
        """What is neither null nor false nor empty."""
        field = self._field(node)
        if field.kind == "nothing":
            return Condition(sa.false())
        there = field.column.is_not(None)
        if field.kind in ("text", "boolean"):
            return Condition(sa.and_(there, field.column != "" if field.kind == "text" else field.column.is_(sa.true())))
        return Condition(there)

    def _comparison(self, node: Node) -> Condition:
        left, right = node["children"]
        how = node["value"]
        if _is_literal(left):
            left, right, how = right, left, _FLIPPED[how]
        if left["type"] != "field" or not _is_literal(right):
            raise _Untranslatable
        field, literal = self._field(left), _literal(right)
        if how in _ORDER:
            return Condition(self._order(field, how, literal))
        equal = self._equal(field, literal)
        return Condition(equal if how == "eq" else sa.not_(equal))

    def _field(self, node: Node) -> Field:
        if node["type"] != "field" or node["value"] not in self._fields:
            raise _Untranslatable
        return self._fields[node["value"]]

    def _equal(self, field: Field, literal: t.Any) -> t.Any:
        """Values of different types are never equal, not even 1 and true."""
        if literal is None or field.kind == "nothing":
            return (sa.true() if literal is None else sa.false()) if field.kind == "nothing" else field.column.is_(None)
        equal = {"text": _equal_text, "integer": _equal_integer, "boolean": _equal_boolean, "time": _equal_time}.get(field.kind)
        if equal is not None:
            return _known(field, equal(field.column, literal))
        return _known(field, self._equal_status(field, literal) if field.kind == "status" else self._equal_days(field, literal))

    def _equal_status(self, field: Field, literal: t.Any) -> t.Any:
        soon = self._now + WARNING_DAYS * DAY
        words = {
            "expired": field.column < self._now,
            "warning": sa.and_(field.column >= self._now, field.column < soon),
            "ok": sa.and_(field.column >= self._now, field.column >= soon),
        }
        return words.get(literal, sa.false()) if isinstance(literal, str) else sa.false()

    def _equal_days(self, field: Field, literal: t.Any) -> t.Any:
        if not _is_number(literal) or not math.isfinite(literal) or literal != int(literal):
            return sa.false()
        begin = self._now + _bounded(int(literal)) * DAY
        return sa.and_(field.column >= begin, field.column < begin + DAY)

    def _order(self, field: Field, how: str, literal: t.Any) -> t.Any:
        """Only numbers, and texts, can be told apart so; texts have another order in every database, and what is mixed is an error."""
        if literal is None or isinstance(literal, (bool, list, dict)) or field.kind in ("nothing", "boolean"):
            return sa.false()
        if not _is_number(literal) or not math.isfinite(literal) or field.kind not in ("integer", "days"):
            raise _Untranslatable
        # Below a number that is not whole is what is at most the whole one below it.
        number = _bounded(math.floor(literal) if how in ("lt", "lte") else math.ceil(literal))
        if literal != number:
            how = {"lt": "lte", "gt": "gte"}.get(how, how)
        if field.kind == "integer":
            return _known(field, _ORDER[how](field.column, number))
        # Days are rounded down: more than one is at least two, and at most one is less than two.
        begin = self._now + (number + (how in ("gt", "lte"))) * DAY
        return _known(field, field.column < begin if how in ("lt", "lte") else field.column >= begin)


def _is_literal(node: Node) -> bool:
    return bool(node["type"] == "literal" or (node["type"] == "field" and node["value"] == "null"))


def _literal(node: Node) -> t.Any:
    """C(null) without backticks is a field that nobody has, and means the same."""
    return node["value"] if node["type"] == "literal" else None


def _is_number(value: t.Any) -> t.TypeGuard[int | float]:
    return not isinstance(value, bool) and isinstance(value, (int, float))


def _bounded(number: int) -> int:
    """A number that no arithmetic of a database rounds or refuses."""
    if number * DAY not in INTEGERS:
        raise _Untranslatable
    return number


def _known(field: Field, condition: t.Any) -> t.Any:
    """The condition, false where the column is null."""
    return sa.and_(field.column.is_not(None), condition)


def _equal_text(column: t.Any, literal: t.Any) -> t.Any:
    if not isinstance(literal, str) or "\x00" in literal or any("\ud800" <= character <= "\udfff" for character in literal):
        return sa.false()  # no column holds that
    return column == literal


def _equal_integer(column: t.Any, literal: t.Any) -> t.Any:
    if not _is_number(literal) or not math.isfinite(literal) or literal != int(literal):
        return sa.false()
    return column == _bounded(int(literal))


def _equal_boolean(column: t.Any, literal: t.Any) -> t.Any:
    return column.is_(sa.true() if literal else sa.false()) if isinstance(literal, bool) else sa.false()


def _equal_time(column: t.Any, literal: t.Any) -> t.Any:
    if not isinstance(literal, str):
        return sa.false()
    if not _TIME.fullmatch(literal):  # the years before 1000 have other forms
        raise _Untranslatable
    try:
        stored = seconds(moment(re.sub("[-:T]", "", literal)))
    except (ValueError, InventoryError):
        return sa.false()
    if stored in (BEGINNING, ENDLESS) or iso_stored(stored) != literal:  # what is stored may be beyond them
        raise _Untranslatable
    return column == stored
