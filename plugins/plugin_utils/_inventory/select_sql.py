# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of a JMESPath expression that a database can answer, so that it reads what may match instead of everything.

Only C([?condition]) on the list of documents is looked at: rows for which the condition is surely false are not read, and the whole expression is applied to
the documents of the others. So the result is the same with and without. A condition is translated as far as each of its parts means exactly the same in SQL:
comparisons of a field with a literal, fields by themselves, lists with a condition on what is in them, and C(&&), C(||) and C(!) of these. What follows a
part that is not translated is left out, too: JMESPath evaluates from the left, and what fails there is to fail here.

Where all of a condition is translated and the expression makes one element of each document, the database can count and page: see C(Selection.one_each).
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
INTEGERS = range(-(2**53), 2**53)
# What is applied to the list that its first child makes of the documents, and looks at nothing else.
_AFTERWARDS = ("filter_projection", "projection", "subexpression", "index_expression", "pipe", "flatten")
LARGEST = 200  # parts; databases do not take whatever large a condition
_FLIPPED = {"lt": "gt", "gt": "lt", "lte": "gte", "gte": "lte", "eq": "eq", "ne": "ne"}
_ORDER: dict[str, t.Callable[[t.Any, t.Any], t.Any]] = {"lt": operator.lt, "gt": operator.gt, "lte": operator.le, "gte": operator.ge}
_TIME = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T([0-9]{2}:){2}[0-9]{2}Z", re.ASCII)


# What can be made of a document and neither fails nor is null: a dictionary or a list of what these find in it.
_MADE = ("multi_select_dict", "multi_select_list")
_HARMLESS = {*_MADE, "key_val_pair", "field", "literal", "identity", "current", "subexpression", "index_expression", "index", "projection", "flatten"}
_HARMLESS |= {"filter_projection", "and_expression", "or_expression", "not_expression"}


@dataclass(frozen=True, slots=True)
class Within:
    """Rows of another table that elements of a list in a document are made of: the fields of such an element, and what makes the condition on the document
    that one of them is there for which a condition is true."""

    fields: Fields
    exists: t.Callable[[t.Any], t.Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of documents and the column that it is made of.

    C(kind) says how: text, integer, boolean; time (text of seconds); days and status (made of the end of a certificate); nothing, where it is always null;
    list, whose elements come from the rows of C(within); names, a list of texts and in C(column) their number, where C(within) gives the condition that a text
    is one of them.
    """

    kind: t.Literal["text", "integer", "boolean", "time", "days", "status", "nothing", "list", "names"]
    column: t.Any = None
    within: t.Any = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """True for every row that matches, never null; C(exact) when it is true for no other."""

    sql: t.Any
    exact: bool = True


class _Untranslatable(Exception):
    """Caught in this file: a part that SQL cannot answer, or not in the same way."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What an expression, and a namespace, choose of the documents of a kind; C(now) in seconds.

    C(node) is the condition that the expression begins with. C(whole) says that it has nothing else, or makes one element of each document.
    """

    node: Node | None
    whole: bool
    namespace: str | None
    now: int

    @classmethod
    def of(cls, expression: str | None, *, namespace: str | None = None, now: int) -> Selection:
        """From the text of an expression; one that cannot be understood is told of where it is applied."""
        if expression is None or jmespath is None:
            return cls(None, expression is None, namespace, now)
        try:
            tree = jmespath.compile(expression).parsed
        except (JMESPathError, RecursionError):
            return cls(None, whole=False, namespace=namespace, now=now)
        return cls(_condition_of(tree), _makes_one_each(tree), namespace, now)

    def conditions(self, fields: Fields) -> tuple[t.Any, ...]:
        """The conditions on the rows that documents with these fields are made of."""
        condition = self._condition(fields)
        return (*self._of_namespace(fields), *(() if condition is None else (condition.sql,)))

    def one_each(self, fields: Fields) -> bool:
        """Whether the expression makes exactly one element of each row that has the conditions, and none of others."""
        condition = self._condition(fields)
        exact = self.node is None or (condition is not None and condition.exact)
        return self.whole and exact and (self.namespace is None or bool(self._of_namespace(fields)))

    def _condition(self, fields: Fields) -> Condition | None:
        return None if self.node is None else _Translator(fields, self.now).part(self.node)

    def _of_namespace(self, fields: Fields) -> tuple[t.Any, ...]:
        """That something is of the namespace, or lies in a place that is."""
        if self.namespace is None:
            return ()
        if "namespace" in fields:
            return (_known(fields["namespace"], _equal_text(fields["namespace"].column, self.namespace)),)
        return tuple(sa.or_(*(each.exists(sa.true()) for each in fields["places"].within)) for name in ("places",) if name in fields)


def _condition_of(node: Node) -> Node | None:
    """The condition of the C([?condition]) that an expression begins with."""
    while node["type"] in _AFTERWARDS or (node["type"] == "function_expression" and len(node["children"]) == 1):
        if node["type"] == "filter_projection" and node["children"][0]["type"] == "identity":
            return t.cast("Node", node["children"][2])
        node = node["children"][0]
    return None


def _makes_one_each(node: Node) -> bool:
    """Whether it is C([?condition]), C([]) or C([*]), each also with a dictionary or a list made of every document."""
    if node["type"] not in ("filter_projection", "projection"):
        return False
    source, made = node["children"][:2]
    everything = source["type"] == "identity" or (node["type"] == "projection" and source["type"] == "flatten" and source["children"][0]["type"] == "identity")
    return everything and (made["type"] == "identity" or (made["type"] in _MADE and _is_harmless(made)))


def _is_harmless(node: Node) -> bool:
    known = node["type"] in _HARMLESS or (node["type"] == "comparator" and node["value"] in ("eq", "ne"))  # what orders fails for texts and numbers
    return known and all(map(_is_harmless, node["children"]))


class _Translator:
    """From the tree of a condition to SQL."""

    def __init__(self, fields: Fields, now: int, left: int = LARGEST) -> None:
        self._fields = fields
        self._now = now
        self._left = left

    def part(self, node: Node) -> Condition | None:
        """None where nothing can be said."""
        try:
            return self._part(node)
        except (_Untranslatable, RecursionError):
            return None

    def _part(self, node: Node) -> Condition:
        part = self._PARTS.get(node["type"])
        self._left -= 1
        if part is None or self._left < 0:
            raise _Untranslatable
        return part(self, node)

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
        if field.kind == "list":
            return Condition(sa.or_(*(each.exists(sa.true()) for each in field.within)))
        if field.kind == "names":
            return Condition(field.column > 0)
        there = field.column.is_not(None)
        if field.kind in ("text", "boolean"):
            return Condition(sa.and_(there, field.column != "" if field.kind == "text" else field.column.is_(sa.true())))
        return Condition(there)

    def _comparison(self, node: Node) -> Condition:
        left, right = node["children"]
        how = node["value"]
        if _is_literal(left):
            left, right, how = right, left, _FLIPPED[how]
        if not _is_literal(right):
            raise _Untranslatable
        field, literal = self._field(left), _literal(right)
        if field.kind in ("list", "names"):
            raise _Untranslatable
        if how in _ORDER:
            return Condition(self._order(field, how, literal))
        equal = self._equal(field, literal)
        return Condition(equal if how == "eq" else sa.not_(equal))

    def _field(self, node: Node) -> Field:
        """A field, or one in a dictionary that is a field: C(issuer.commonName)."""
        parts = node["children"] if node["type"] == "subexpression" else [node]
        field = self._fields.get(".".join(str(part.get("value")) for part in parts)) if all(part["type"] == "field" for part in parts) else None
        if field is None:
            raise _Untranslatable
        return field

    def _list(self, node: Node) -> Condition:
        """C(places[?class=='in_use']): whether there is an element for which the condition is true."""
        source, made, condition = node["children"]
        field = self._field(source)
        if made["type"] != "identity" or field.kind not in ("list", "names"):
            raise _Untranslatable
        if field.kind == "names":
            return self._one_of(field, condition)
        inner = [_Translator(each.fields, self._now, self._left).part(condition) for each in field.within]
        self._left -= _parts(condition) * len(inner)
        if all(one is None for one in inner):
            raise _Untranslatable
        found = [Condition(sa.true(), exact=False) if one is None else one for one in inner]
        exists = (each.exists(one.sql) for each, one in zip(field.within, found, strict=True))
        return Condition(sa.or_(*exists), all(one.exact for one in found))

    def _one_of(self, field: Field, condition: Node) -> Condition:
        """C(subject_alt_name[?@=='DNS:www.example.com'])."""
        if condition["type"] != "comparator" or condition["value"] != "eq":
            raise _Untranslatable
        sides = sorted(condition["children"], key=lambda side: side["type"])
        if [side["type"] for side in sides] != ["current", "literal"] or not isinstance(sides[1]["value"], str):
            raise _Untranslatable
        found = field.within(sides[1]["value"])
        if found is None:
            raise _Untranslatable
        return t.cast("Condition", found)

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

    _PARTS: t.ClassVar[dict[str, t.Callable[[_Translator, Node], Condition]]] = {
        "and_expression": _and,
        "or_expression": _or,
        "not_expression": _not,
        "comparator": _comparison,
        "field": _truth,
        "subexpression": _truth,
        "filter_projection": _list,
    }


def _parts(node: Node) -> int:
    return 1 + sum(map(_parts, node["children"]))


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
