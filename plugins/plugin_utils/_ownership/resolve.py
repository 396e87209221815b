# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which values something has: of all rules that match it the most specific one decides, attribute by attribute.

How specific a match is: the keys of the rule, the one that says most first (C(KEYS)), each with how exact its best pattern is; a key more beats a key less.
Of matches that are equal, one made by hand beats the others; the others are equal, and where they differ, that is a conflict.
"""

from __future__ import annotations

import fnmatch
import functools
import ipaddress
import re
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import ATTRIBUTES, KEYS, SOURCES, Candidate, Ownership, Rule, Value

# What is to be owned: the texts that the patterns of a key are compared with. A certificate has the names and the host of its place.
Subject = t.Mapping[str, t.Sequence[str]]
Weight = tuple[tuple[int, int, int], ...]
NOBODY = Ownership({}, (), ())
_WILD = re.compile(r"[*?[]")
_INDEXED = ("certificate", "name", "path", "host", "service")  # what says most first
_EXACT = 1


class Rules:
    """Rules, found quickly for a subject.

    A rule is looked up by one of its keys: by the texts that it names exactly, or by what its patterns begin with before their first wildcard. Only those
    whose patterns begin with a wildcard, or that have none of these keys, are compared with everything.
    """

    def __init__(self, rules: t.Iterable[Rule]) -> None:
        self._by: dict[str, _Beginnings] = {key: _Beginnings() for key in _INDEXED}
        self._rest: list[Rule] = []
        self.count = 0
        for rule in rules:
            self._put(rule)

    def _put(self, rule: Rule) -> None:
        self.count += 1
        match = dict(rule.match)
        for key in _INDEXED:
            if key in match and not any(_WILD.match(pattern) for pattern in match[key]):
                self._by[key].put(match[key], rule)
                return
        self._rest.append(rule)

    def candidates(self, subject: Subject) -> list[Candidate]:
        """A candidate for each attribute of each rule that matches."""
        near: dict[int, Rule] = {}
        for key, beginnings in self._by.items():
            for text in subject.get(key, ()) if beginnings.lengths or beginnings.exact else ():
                beginnings.collect(text.lower() if key == "name" else text, near)
        found = []
        for rule in (*near.values(), *self._rest):
            weight = weight_of(rule, subject)
            if weight is not None:
                found += [Candidate(name, value, rule, weight) for name, value in rule.given]
        return found


class _Beginnings:
    """Rules by what a text must be, or must begin with, for one of their patterns to match it."""

    def __init__(self) -> None:
        self.exact: dict[str, list[Rule]] = {}
        self.lengths: dict[int, dict[str, list[Rule]]] = {}

    def put(self, patterns: t.Iterable[str], rule: Rule) -> None:
        for pattern in patterns:
            wild = _WILD.search(pattern)
            by = self.lengths.setdefault(wild.start(), {}) if wild else self.exact
            by.setdefault(pattern[: wild.start()] if wild else pattern, []).append(rule)

    def collect(self, text: str, near: dict[int, Rule]) -> None:
        """Adds the rules that may match a text."""
        for rule in self.exact.get(text, ()):
            near[id(rule)] = rule
        for length, by in self.lengths.items():
            for rule in by.get(text[:length], ()):
                near[id(rule)] = rule


def weight_of(rule: Rule, subject: Subject) -> Weight | None:
    """How specific a rule is for a subject, None where it does not match: per key its rank, whether it is exact, how long its pattern is."""
    weight = []
    for key, patterns in reversed(rule.match):
        matching = [_weight(key, pattern) for pattern in patterns if _matches(key, pattern, subject.get(key, ()))]
        if not matching:
            return None
        weight.append((KEYS.index(key), *max(matching)))
    return tuple(weight)


def resolved(candidates: t.Iterable[Candidate]) -> Ownership:
    """The best candidate of each attribute, the same whatever the order they come in."""
    every = sorted(set(candidates), key=_order, reverse=True)
    if not every:
        return NOBODY
    values: dict[str, Value] = {}
    conflicts = []
    for name in ATTRIBUTES:
        own = [candidate for candidate in every if candidate.attribute == name]
        if own:
            values[name] = own[0].value
            if any(other.value != own[0].value for other in own if _rank(other) == _rank(own[0])):
                conflicts.append(name)
    return Ownership(values, tuple(every), tuple(conflicts))


def _rank(candidate: Candidate) -> tuple[Weight, bool]:
    return candidate.weight, candidate.rule.source == "manual"


def _order(candidate: Candidate) -> tuple[t.Any, ...]:
    """By rank; what is left is only there so that the same one is shown each time."""
    rule = candidate.rule
    value = candidate.value if isinstance(candidate.value, tuple) else (candidate.value,)
    return (-ATTRIBUTES.index(candidate.attribute), *_rank(candidate), -SOURCES.index(rule.source), rule.origin, value, rule.match)


@functools.lru_cache(maxsize=20_000)
def _weight(key: str, pattern: str) -> tuple[int, int]:
    if key == "cidr":
        prefix, width = int(pattern.rpartition("/")[2]), 128 if ":" in pattern else 32
        return int(prefix == width), prefix * 128 // width
    if not _WILD.search(pattern):
        return _EXACT, 0
    return 0, len(re.sub(r"\[[^\]]*\]|[*?]", "", pattern))


def _matches(key: str, pattern: str, texts: t.Sequence[str]) -> bool:
    if key == "cidr":
        return any(_contains(pattern, text) for text in texts)
    if key == "name":
        texts = [text.lower() for text in texts]
    if not _WILD.search(pattern):
        return pattern in texts
    compiled = _compiled(pattern)
    return any(compiled.match(text) for text in texts)


@functools.lru_cache(maxsize=20_000)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern))


@functools.lru_cache(maxsize=100_000)
def _contains(network: str, address: str) -> bool:
    """Whether an address lies in a network; what a host called an address may be anything."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]) in _network(network)
    except ValueError:
        return False


@functools.lru_cache(maxsize=20_000)
def _network(network: str) -> t.Any:
    return ipaddress.ip_network(network)
