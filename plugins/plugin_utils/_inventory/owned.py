# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who answers for what the inventory holds, and what it is for: the rules that are assigned, applied to hosts, services, places and certificates."""

from __future__ import annotations

import collections
import dataclasses
import json
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.assignments import current_rules, given_from, rule_row
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import among, parts
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.resolve import NOBODY, Rules, Subject, resolved
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import ATTRIBUTES, KEYS, VARIABLES, Candidate, Ownership, Rule, Value, plain

Row = t.Mapping[t.Any, t.Any]
Document = dict[str, t.Any]
_OF_HOSTS = {"namespace", "group", "cidr", "host"}
_OF_CERTIFICATES = {"issuer", "profile", "name"}
_EXACT_HOST = ((KEYS.index("host"), 1, 0),)
_VARIABLE = {name: variable for variable, name in VARIABLES.items()}


@dataclasses.dataclass(frozen=True, slots=True)
class _Host:
    """What rules know of a host, and the candidates that everything on it has."""

    subject: Subject
    candidates: tuple[Candidate, ...]
    ownership: Ownership


class Owned:
    """Answers for rows of one connection. Rules for hosts are applied once a host; facts of certificates are read only where a rule asks for them.

    C(partly) reads nothing of hosts and certificates before C(know) names some: who has few rows need not wait for all of a fleet.
    """

    def __init__(self, connection: sa.Connection, *, partly: bool = False) -> None:
        self._connection = connection
        rules = current_rules(connection)
        keys = [{key for key, _patterns in rule.match} for rule in rules]
        self._of_hosts = Rules(rule for rule, own in zip(rules, keys, strict=True) if own <= _OF_HOSTS)
        self._others = Rules(rule for rule, own in zip(rules, keys, strict=True) if not own <= _OF_HOSTS)
        asked = set().union(*keys)
        self._asks_address, self._asks_facts = "cidr" in asked, bool(asked & _OF_CERTIFICATES)
        self._hosts: dict[int, _Host] = {}
        self._facts: dict[str, dict[str, list[str]]] = {}
        self._issued: dict[str, dict[int, set[str]]] = {}
        if not partly:
            self._facts = _facts(connection, None) if self._asks_facts else {}
            self._issued = _issued_for(connection, None)
            self._know_hosts(None)

    def know(self, hosts: t.Iterable[int], certificates: t.Iterable[str]) -> None:
        """Reads what answers on these need. Hosts stay known, of certificates those that were named last."""
        named = sorted(set(certificates))
        self._facts, self._issued = {}, {}
        for part in parts(named):
            self._issued |= _issued_for(self._connection, part)
            if self._asks_facts:
                self._facts |= _facts(self._connection, part)
        wanted = {*hosts, *(host for own in self._issued.values() for host in own)}
        for numbers in parts(sorted(wanted - self._hosts.keys())):
            self._know_hosts(numbers)

    def _know_hosts(self, numbers: t.Sequence[int] | None) -> None:
        addresses = _addresses(self._connection, numbers) if self._asks_address else {}
        for row in self._connection.execute(_stated().where(*among(schema.hosts.c.id, numbers))):
            self._hosts[row.id] = self._host(row, addresses.get(row.id, ()))

    def of_host(self, host: int) -> Ownership:
        """Who answers for a host."""
        return self._hosts[host].ownership

    def of_service(self, host: int, name: str) -> Ownership:
        """Who answers for a service; it inherits from its host."""
        return self._of(self._hosts[host], {"service": (name,)})

    def of_place(self, row: Row) -> Ownership:
        """Who answers for a row of places or locked stores; it inherits from its services and its host."""
        own = {"service": json.loads(row["services_json"]), "path": (row["path"],)}
        return self._of(self._hosts[row["host_id"]], {**own, **self._certificate(row.get("certificate"))})

    def of_endpoint(self, row: Row, path: str) -> Ownership:
        """Who answers for what a listener shows; one of no host that is known goes by its name and its address."""
        subject = {"path": (path,), **self._certificate(row["certificate"])}
        if row["host_id"] is not None:
            return self._of(self._hosts[row["host_id"]], subject)
        addresses = [text for text in (row["address"], row["target"]) if text]
        own: Subject = {"namespace": (row["namespace"],), "host": (row["target"],), "cidr": addresses}
        return self._of(_Host(own, tuple(self._of_hosts.candidates(own)), NOBODY), subject)

    def of_certificate(self, sha256: str, placed: t.Collection[Ownership]) -> Ownership:
        """Who answers for a certificate: it inherits from its places, and where it has none, from the hosts that it was issued for."""
        if not placed:
            hosts = [self._hosts[number] for number in sorted(self._issued.get(sha256, ()))] or [_Host({}, (), NOBODY)]
            placed = [self._of(host, self._certificate(sha256)) for host in hosts]
        if len(placed) == 1:
            return next(iter(placed))
        every = resolved(candidate for each in placed for candidate in each.candidates)
        # Places of two hosts that differ are no conflict of rules: each has an owner of its own.
        return dataclasses.replace(every, conflicts=tuple(name for name in ATTRIBUTES if any(name in each.conflicts for each in placed)))

    def rung(self, sha256: str | None, ownership: Ownership, host: int | None = None) -> str:
        """How far a certificate, or its place on a host, has come: unmanaged, monitored (somebody answers for it), enrolled (got from an issuer of ours),
        provisioned (and put in place by us)."""
        issued = self._issued.get(sha256 or "", {})
        states = {state for states in issued.values() for state in states} if host is None else issued.get(host, set())
        if "installed" in states:
            return "provisioned"
        return "enrolled" if issued else "monitored" if "owner" in ownership.values else "unmanaged"

    def _of(self, host: _Host, subject: Subject) -> Ownership:
        found = self._others.candidates({**host.subject, **subject})
        return resolved((*host.candidates, *found)) if found or host.ownership is NOBODY else host.ownership

    def _certificate(self, sha256: str | None) -> Subject:
        return {} if sha256 is None else {"certificate": (sha256,), **self._facts.get(sha256, {})}

    def _host(self, row: t.Any, addresses: t.Sequence[str]) -> _Host:
        groups = json.loads(row.groups_json or "[]")
        subject: Subject = {"namespace": (row.namespace,), "host": (row.name,), "group": groups, "cidr": addresses}
        stated = [_stated_candidate(row.name, name, value) for name, value in given_from(row.set_json or "{}")]
        candidates = (*stated, *self._of_hosts.candidates(subject))
        return _Host(subject, candidates, resolved(candidates))


def ownership_document(ownership: Ownership) -> Document:
    """Each attribute, None where nobody says; every candidate, the one that counts first; and the attributes that are in conflict."""
    return {
        **{name: plain(ownership.values.get(name)) for name in ATTRIBUTES},
        "candidates": [
            {
                "attribute": candidate.attribute,
                "value": plain(candidate.value),
                "source": candidate.rule.source,
                "origin": candidate.rule.origin,
                "match": rule_row(candidate.rule)["match"],
            }
            for candidate in ownership.candidates
        ],
        "conflicts": list(ownership.conflicts),
    }


def _stated_candidate(host: str, name: str, value: Value) -> Candidate:
    """A variable of a host counts like a rule for this host."""
    return Candidate(name, value, Rule((("host", (host,)),), ((name, value),), "variable", _VARIABLE[name]), _EXACT_HOST)


def _stated() -> sa.Select[t.Any]:
    hosts, stated = schema.hosts, schema.host_ownership
    columns = (hosts.c.id, hosts.c.namespace, hosts.c.name, stated.c.groups_json, stated.c.set_json)
    return sa.select(*columns).select_from(hosts.outerjoin(stated, stated.c.host_id == hosts.c.id))


def _addresses(connection: sa.Connection, hosts: t.Sequence[int] | None) -> dict[int, list[str]]:
    evidence = schema.host_evidence.c
    found = collections.defaultdict(list)
    for row in connection.execute(sa.select(evidence.host_id, evidence.value).where(evidence.kind == "address", *among(evidence.host_id, hosts))):
        found[row.host_id].append(row.value)
    return found


def _facts(connection: sa.Connection, identities: t.Sequence[str] | None) -> dict[str, dict[str, list[str]]]:
    """Of each certificate what rules may ask for: its names, who issued it, and by which profile."""
    found: dict[str, dict[str, list[str]]] = collections.defaultdict(lambda: {"name": [], "issuer": [], "profile": []})
    certificates, names, issuances = schema.certificates.c, schema.certificate_names.c, schema.issuances.c
    facts = sa.select(certificates.sha256, certificates.common_name, certificates.issuer_json)
    for row in connection.execute(facts.where(*among(certificates.sha256, identities))):
        own = found[row.sha256]
        own["name"] += [row.common_name] if row.common_name else []
        own["issuer"] += [value for key, value in json.loads(row.issuer_json or "[]") if key == "commonName"]
    for certificate, name in connection.execute(sa.select(names.certificate, names.name).where(*among(names.certificate, identities))):
        found[certificate]["name"].append(name)
    ours = sa.select(issuances.certificate, issuances.issuer, issuances.profile).where(issuances.certificate.is_not(None))
    for issued in connection.execute(ours.where(*among(issuances.certificate, identities))):
        found[issued.certificate]["issuer"].append(issued.issuer)
        found[issued.certificate]["profile"].append(issued.profile)
    return found


def _issued_for(connection: sa.Connection, identities: t.Sequence[str] | None) -> dict[str, dict[int, set[str]]]:
    """Of each certificate that was issued here the hosts that it was issued for, and what became of it there."""
    issuances = schema.issuances.c
    found: dict[str, dict[int, set[str]]] = {}
    ours = sa.select(issuances.certificate, issuances.host_id, issuances.state).where(issuances.certificate.is_not(None))
    for row in connection.execute(ours.where(*among(issuances.certificate, identities))):
        found.setdefault(row.certificate, {}).setdefault(row.host_id, set()).add(row.state)
    return found
