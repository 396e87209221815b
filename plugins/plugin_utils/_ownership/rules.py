# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as they are written, turned into values; everything in them is checked."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.networks import netaddr
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import (
    KEYS,
    Candidate,
    OwnershipError,
    Rule,
    checked_items,
    checked_values,
    shown,
)

__all__ = ["Candidate", "checked_match", "checked_rules", "rule_from"]

PATTERN_LIMIT = 1000  # characters of one, and how many there are in a key
RULES_LIMIT = 200_000
_NETWORK = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,2})?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(/[0-9]{1,3})?")
_SHA256 = re.compile("[0-9a-f]{64}")


def checked_rules(told: t.Any, *, source: str, origin: str, where: str) -> tuple[Rule, ...]:
    """A list of dictionaries with C(match) and C(set). Raises OwnershipError."""
    if not isinstance(told, list) or len(told) > RULES_LIMIT:
        raise OwnershipError(f"{where} must be a list of at most {RULES_LIMIT} rules, got {shown(told)}")
    rules: list[Rule] = []
    seen: dict[t.Any, int] = {}
    for index, item in enumerate(told):
        at = f"{where}[{index}]"
        if not isinstance(item, dict) or set(item) != {"match", "set"}:
            raise OwnershipError(f"{at} must be a dictionary with match and set alone, got {_names(item)}")
        rule = rule_from(item["match"], item["set"], source=source, origin=origin, where=at)
        if rule.match in seen:
            raise OwnershipError(f"{at} matches the same as {where}[{seen[rule.match]}]: make one rule of both")
        seen[rule.match] = index
        rules.append(rule)
    return tuple(rules)


def rule_from(match: t.Any, given: t.Any, *, source: str, origin: str, where: str) -> Rule:
    """One rule. Raises OwnershipError."""
    return Rule(checked_match(match, f"{where}.match"), checked_values(given, f"{where}.set"), source, origin)


def checked_match(told: t.Any, where: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What a rule chooses by, in one form: equal choices are equal. Nothing to choose by is a mistake, C(host: '*') is every host."""
    return checked_items(told, where, KEYS, _patterns)


def _patterns(key: str, told: t.Any, where: str) -> tuple[str, ...]:
    items = told if isinstance(told, list) else [told]
    if not 0 < len(items) <= PATTERN_LIMIT:
        raise OwnershipError(f"{where} must have 1 to {PATTERN_LIMIT} patterns, got {len(items)}")
    return tuple(sorted({_pattern(key, item, where) for item in items}))


def _pattern(key: str, told: t.Any, where: str) -> str:
    if not isinstance(told, str) or not 0 < len(told) <= PATTERN_LIMIT or not told.isprintable():
        raise OwnershipError(f"{where} must be a text of 1 to {PATTERN_LIMIT} printable characters or a list of them, got {shown(told)}")
    if "{{" in told or "{%" in told:
        raise OwnershipError(f"{where} looks like a template, and nothing is evaluated here: {shown(told)}")
    if key == "cidr":
        return _network(told, where)
    if key == "certificate" and not _SHA256.fullmatch(told.replace(":", "").lower()):
        raise OwnershipError(f"{where} must be the SHA-256 of a certificate in hexadecimal, got {shown(told)}")
    return told.replace(":", "").lower() if key == "certificate" else told.lower() if key == "name" else told


def _network(told: str, where: str) -> str:
    if netaddr is None:
        raise OwnershipError("the Python that runs Ansible needs the package 'netaddr' for rules with cidr")
    try:
        if not _NETWORK.fullmatch(told):
            raise ValueError(told)
        network = netaddr.IPNetwork(told)
    except (netaddr.AddrFormatError, ValueError, TypeError):
        raise OwnershipError(f"{where} must be a network such as '192.0.2.0/24', got {shown(told)}") from None
    if network.ip != network.network:
        raise OwnershipError(f"{where} has bits behind its prefix, got {shown(told)}: {str(network.cidr)!r} is the network")
    return str(network)


def _names(item: t.Any) -> str:
    return ", ".join(sorted(shown(name) for name in item)[:10]) or "an empty one" if isinstance(item, dict) else shown(item)
