# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who answers for something and what it is for: the attributes, what may be a value of them, and rules that give values to what they match."""

from __future__ import annotations

import dataclasses
import re
import typing as t

TEXTS = ("owner", "application", "business_service", "environment", "criticality")
LISTS = ("contacts", "regulations")
ATTRIBUTES = ("owner", "contacts", "application", "business_service", "environment", "criticality", "regulations")
VARIABLES = {
    "certops_owner": "owner",
    "certops_contacts": "contacts",
    "certops_application": "application",
    "certops_business_service": "business_service",
    "certops_environment": "environment",
    "certops_criticality": "criticality",
    "certops_regulations": "regulations",
}
# By what a rule can choose, from what says least to what says most.
KEYS = ("namespace", "issuer", "profile", "group", "cidr", "host", "service", "path", "name", "certificate")
SOURCES = ("manual", "rules", "variable", "import")

VALUE_LIMIT = 500
LIST_LIMIT = 100
_TEMPLATE = re.compile(r"\{\{|\{%|\{#")

Value = str | tuple[str, ...]
V = t.TypeVar("V")


class OwnershipError(ValueError):
    """A rule, an assignment or a file of them cannot be used."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """What is chosen, as pairs of a key and its patterns in the order of C(KEYS), and the attributes that it is given.

    ``source`` is one of C(SOURCES), ``origin`` says which one: the name of a set of rules, the variable, or who assigned it.
    """

    match: tuple[tuple[str, tuple[str, ...]], ...]
    given: tuple[tuple[str, Value], ...]
    source: str
    origin: str


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """A value that something could have. ``weight`` orders them, see ``resolve.weight_of``."""

    attribute: str
    value: Value
    rule: Rule
    weight: tuple[tuple[int, int, int], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Ownership:
    """The value of each attribute that has one, every candidate with the best one first, and the attributes that equally good candidates disagree about."""

    values: t.Mapping[str, Value]
    candidates: tuple[Candidate, ...]
    conflicts: tuple[str, ...]


def checked_values(given: t.Any, where: str) -> tuple[tuple[str, Value], ...]:
    """The attributes of a rule, in the order of C(ATTRIBUTES). ``where`` names them in a message. Raises OwnershipError."""
    return checked_items(given, where, ATTRIBUTES, checked_value)


def checked_items(told: t.Any, where: str, known: t.Sequence[str], check: t.Callable[[str, t.Any, str], V]) -> tuple[tuple[str, V], ...]:
    """The items of a dictionary that has one at least, and none that is not known; in the order of the known ones, each as it is checked."""
    if not isinstance(told, dict):
        raise OwnershipError(f"{where} must be a dictionary of {', '.join(known)}, got {shown(told)}")
    for name in told:
        if name not in known:
            raise OwnershipError(f"{where}.{shown(name)} is not known, accepted are {', '.join(known)}")
    items = tuple((name, check(name, told[name], f"{where}.{name}")) for name in known if told.get(name) is not None)
    if not items:
        raise OwnershipError(f"{where} must have one of {', '.join(known)}")
    return items


def checked_value(name: str, value: t.Any, where: str) -> Value:
    """A text, or a tuple of texts that are in order and each there once; a text with commas or semicolons is a list where one is wanted."""
    if name in TEXTS:
        return _text(value, where)
    items = re.split("[,;]", value) if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)) or len(items) > LIST_LIMIT:
        raise OwnershipError(f"{where} must be a text or a list of at most {LIST_LIMIT} texts, got {shown(value)}")
    stripped = [item for item in items if not (isinstance(item, str) and not item.strip())]
    if not stripped:
        raise OwnershipError(f"{where} must be a text or a list of at most {LIST_LIMIT} texts, got {shown(value)}")
    return tuple(sorted({_text(item, f"{where}[{index}]") for index, item in enumerate(stripped)}))


def _text(value: t.Any, where: str) -> str:
    """One line without templates; a number becomes a text."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > VALUE_LIMIT or not text.isprintable():
        raise OwnershipError(f"{where} must be one line of at most {VALUE_LIMIT} characters, got {shown(value)}")
    if _TEMPLATE.search(text):
        raise OwnershipError(f"{where} looks like a template, and nothing is evaluated here: {shown(value)}")
    return text


def plain(value: Value | None) -> t.Any:
    """A value as JSON has it."""
    return list(value) if isinstance(value, tuple) else value


def shown(value: t.Any) -> str:
    """A value for a message: a text or a number shortened, of anything else its type, which may be deep or refer to itself."""
    if isinstance(value, str):
        return repr(value[:100])
    if value is None or isinstance(value, (int, float)):
        return repr(value)[:100]
    return "a dictionary" if isinstance(value, dict) else "a list" if isinstance(value, list) else f"a value of the type {type(value).__name__}"
