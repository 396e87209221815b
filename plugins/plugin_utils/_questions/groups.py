# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Groups of hosts by the state of their certificates. Pure.

What came out of certificates becomes the name of a group only as lower-case ASCII letters, digits and underscores, of a bounded length, with a part of
its hash: two texts that look alike without their other characters stay two groups, and one planted certificate cannot rename the group of another.
"""

from __future__ import annotations

import collections
import hashlib
import json
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.document_parts import health
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import DAY, iso_stored
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import TEXTS

Row = t.Mapping[str, t.Any]
Found = dict[str, t.Any]

EXPIRED, WEAK_KEY, REVOKED, SELF_ISSUED, NO_OWNER = "cert_expired", "cert_weak_key", "cert_revoked_in_use", "cert_issuer_self", "cert_owner_none"
FIXED = (EXPIRED, WEAK_KEY, REVOKED)
NAMED = (SELF_ISSUED, NO_OWNER)  # are always groups of their own
NAME_LIMIT = 40
GROUPS_LIMIT = 1000  # of one kind
_OTHERS = re.compile(r"[^a-z0-9]+")
# Strings that Ansible would take for a template where it trusts the name of a host.
_TEMPLATES = ("{{", "{%", "{#")


class QuestionError(ValueError):
    """What was asked cannot be answered as it was asked."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as ending soon, in days, and as weak, in bits."""

    expiring_days: tuple[int, ...] = (30,)
    rsa_bits: int = 2048
    ecc_bits: int = 224

    @classmethod
    def from_options(cls, days: t.Sequence[int], rsa_bits: int, ecc_bits: int) -> Limits:
        for name, value in (*(("expiring_days", each) for each in days), ("rsa_bits", rsa_bits), ("ecc_bits", ecc_bits)):
            if not 0 < value < 100000:
                raise QuestionError(f"{name} must be a number from 1 to 99999, got {value!r}")
        return cls(tuple(sorted(set(days))), rsa_bits, ecc_bits)

    @property
    def groups(self) -> tuple[str, ...]:
        """Those that do not depend on what certificates say."""
        return (*FIXED, *(f"cert_expiring_{days}d" for days in self.expiring_days))


@dataclass(frozen=True, slots=True)
class Hosts:
    """What a play sees: C(found) are the certificates of each host, C(groups) the hosts of each group.

    ``fixed`` are groups that are there although nobody is in them, ``ambiguous`` names that stand for hosts of several
    namespaces, ``refused`` those that cannot be names; ``crowded`` says how many groups of a kind there would be, where they are more than GROUPS_LIMIT.
    """

    found: dict[str, list[Found]]
    groups: dict[str, dict[str, None]]
    fixed: tuple[str, ...]
    ambiguous: tuple[str, ...]
    refused: tuple[str, ...]
    crowded: dict[str, int]


def safe_name(text: str, identity: str) -> str:
    """A part of the name of a group: what is left of C(text), and a part of the hash of C(identity)."""
    readable = _OTHERS.sub("_", text.lower()).strip("_")[:NAME_LIMIT].rstrip("_")
    digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{readable}_{digest}" if readable else digest


def is_host_name(name: str) -> bool:
    """Whether Ansible may get it as the name of a host: it is made of templates nowhere and fits into one line."""
    return bool(name) and name.isprintable() and not any(mark in name for mark in _TEMPLATES)


def group_hosts(names: t.Iterable[tuple[str, str]], rows: t.Iterable[Row], *, now: int, limits: Limits) -> Hosts:
    """From namespaces and names of hosts and the rows of ``on_hosts``; C(now) in seconds."""
    spaces: dict[str, set[str]] = collections.defaultdict(set)
    for namespace, name in names:
        spaces[name].add(namespace)
    found: dict[str, list[Found]] = {name: [] for name in spaces if is_host_name(name)}
    groups: dict[str, dict[str, None]] = {name: {} for name in limits.groups}
    kinds: dict[str, dict[str, dict[str, None]]] = collections.defaultdict(lambda: collections.defaultdict(dict))
    for row in rows:
        if row["host"] in found:
            found[row["host"]].append(_found(row, now, limits))
            for group in states(row, now=now, limits=limits):
                groups[group][row["host"]] = None
            for kind, group in named_groups(row):
                kinds[kind][group][row["host"]] = None
    for kind, own in kinds.items():
        groups.update(_bounded(own, other=f"cert_{kind}_other"))
    ambiguous = tuple(name for name, own in spaces.items() if len(own) > 1)
    refused = tuple(name for name in spaces if name not in found)
    return Hosts(found, groups, limits.groups, ambiguous, refused, {kind: len(own) for kind, own in kinds.items() if len(own) > GROUPS_LIMIT})


def states(row: Row, *, now: int, limits: Limits) -> t.Iterator[str]:
    """The fixed groups that one certificate puts its host into."""
    end = row["not_after"]
    if end is not None and end < now:
        yield EXPIRED
    elif end is not None:
        yield from (f"cert_expiring_{days}d" for days in limits.expiring_days if end - now < days * DAY)
    if is_weak(row, limits):
        yield WEAK_KEY
    if row["revoked"]:
        yield REVOKED


def is_weak(row: Row, limits: Limits) -> bool:
    """Whether the key is one of RSA, DSA or an elliptic curve with fewer bits than asked for."""
    least = {"RSA": limits.rsa_bits, "DSA": limits.rsa_bits, "ECC": limits.ecc_bits}.get(row["key_type"])
    return least is not None and row["key_size"] is not None and row["key_size"] < least


def named_groups(row: Row) -> t.Iterator[tuple[str, str]]:
    """The kinds and names of groups that are called after what others wrote: the issuer, and who answers for the place and what it is for."""
    yield "issuer", issuer_group(row)
    for name, value in row["purpose"].items():
        yield name, f"cert_{name}_{safe_name(value, value)}"
    if "owner" not in row["purpose"] and not row["is_ca"]:  # certificates of CAs lie in everybody's chains
        yield "owner", NO_OWNER


def issuer_group(row: Row) -> str:
    """By the whole name of the issuer; those who issue to themselves have one group for all of them."""
    if row["self_issued"]:
        return SELF_ISSUED
    return f"cert_issuer_{safe_name(issuer_name(row['issuer_json']), row['issuer_json'] or '')}"


def issuer_name(issuer_json: str | None) -> str:
    """The common name of an issuer, or all of its name where it has none."""
    pairs = _pairs(issuer_json)
    common = [value for name, value in pairs if name == "commonName"]
    return common[-1] if common else ", ".join(f"{name}={value}" for name, value in pairs)


def _pairs(issuer_json: str | None) -> list[tuple[str, str]]:
    told = json.loads(issuer_json or "null")
    return [(str(pair[0]), str(pair[1])) for pair in told or () if isinstance(pair, list) and len(pair) == 2]


def _found(row: Row, now: int, limits: Limits) -> Found:
    return {
        **{name: row[name] for name in ("namespace", "path", "class", "sha256", "serial", "common_name", "name", "revoked")},
        "services": json.loads(row["services_json"]),
        "issuer": issuer_name(row["issuer_json"]),
        "not_after": iso_stored(row["not_after"]),
        **health(row["not_after"], now=now),
        "public_key_type": row["key_type"],
        "public_key_size": row["key_size"],
        "weak_key": is_weak(row, limits),
        **{name: row["purpose"].get(name) for name in TEXTS},
    }


def _bounded(found: t.Mapping[str, dict[str, None]], *, other: str) -> dict[str, dict[str, None]]:
    """The groups that most hosts are in; anybody can make as many issuers as he likes, their hosts share one group."""
    ordered = sorted(found, key=lambda name: (name not in NAMED, -len(found[name]), name))
    groups = {name: found[name] for name in ordered[:GROUPS_LIMIT]}
    for name in ordered[GROUPS_LIMIT:]:
        groups.setdefault(other, {}).update(found[name])
    return groups
