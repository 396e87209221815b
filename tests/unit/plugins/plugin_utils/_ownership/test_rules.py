# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is accepted as a rule, and the sentence for what is not."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._ownership import rules
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.rules import checked_rules, rule_from
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import OwnershipError

HOST = {"host": "web1"}
OWNER = {"owner": "web"}


def test_one_form() -> None:
    """Equal rules are equal however they were written."""
    match = {"name": ["B.example", "a.example", "a.example"], "host": "web1", "cidr": "192.0.2.7", "certificate": "AB:" * 31 + "AB"}
    rule = rule_from(match, {"regulations": [3, "PCI"], "owner": " Jürgen "}, source="rules", origin="x", where="rule")
    assert rule.match == (("cidr", ("192.0.2.7/32",)), ("host", ("web1",)), ("name", ("a.example", "b.example")), ("certificate", ("ab" * 32,)))
    assert rule.given == (("owner", "Jürgen"), ("regulations", ("3", "PCI")))


@pytest.mark.parametrize(
    ("match", "given", "message"),
    [
        (None, OWNER, "rule.match must be a dictionary of namespace, issuer, profile, group, cidr, host, service, path, name, certificate, got None"),
        (["web1"], OWNER, "rule.match must be a dictionary of namespace, issuer, profile, group, cidr, host, service, path, name, certificate, got a list"),
        ({}, OWNER, "rule.match must have one of namespace, "),
        ({"hosts": "web1"}, OWNER, "rule.match.'hosts' is not known, accepted are namespace, "),
        ({1: "web1"}, OWNER, "rule.match.1 is not known, accepted are namespace, "),
        ({"host": ""}, OWNER, "rule.match.host must be a text of 1 to 1000 printable characters or a list of them, got ''"),
        ({"host": 7}, OWNER, "rule.match.host must be a text of 1 to 1000 printable characters or a list of them, got 7"),
        ({"host": ["a", {}]}, OWNER, "rule.match.host must be a text of 1 to 1000 printable characters or a list of them, got a dictionary"),
        ({"host": "a" * 1001}, OWNER, "rule.match.host must be a text of 1 to 1000 printable characters or a list of them, got 'aaa"),
        ({"path": "/a\nb"}, OWNER, r"rule.match.path must be a text of 1 to 1000 printable characters or a list of them, got '/a\nb'"),
        ({"host": []}, OWNER, "rule.match.host must have 1 to 1000 patterns, got 0"),
        ({"host": ["a"] * 1001}, OWNER, "rule.match.host must have 1 to 1000 patterns, got 1001"),
        ({"host": "{{ x }}"}, OWNER, "rule.match.host looks like a template, and nothing is evaluated here: '{{ x }}'"),
        ({"cidr": "ten"}, OWNER, "rule.match.cidr must be a network such as '192.0.2.0/24', got 'ten'"),
        ({"cidr": "10"}, OWNER, "rule.match.cidr must be a network such as '192.0.2.0/24', got '10'"),
        ({"cidr": "192.0.2.0/33"}, OWNER, "rule.match.cidr must be a network such as '192.0.2.0/24', got '192.0.2.0/33'"),
        ({"cidr": "192.0.2.7/24"}, OWNER, "rule.match.cidr has bits behind its prefix, got '192.0.2.7/24': '192.0.2.0/24' is the network"),
        ({"certificate": "abc"}, OWNER, "rule.match.certificate must be the SHA-256 of a certificate in hexadecimal, got 'abc'"),
        (HOST, None, "rule.set must be a dictionary of owner, contacts, application, business_service, environment, criticality, regulations, got None"),
        (HOST, {}, "rule.set must have one of owner, "),
        (HOST, {"team": "x"}, "rule.set.'team' is not known, accepted are owner, "),
        (HOST, {"owner": ["x"]}, "rule.set.owner must be one line of at most 500 characters, got a list"),
        (HOST, {"owner": " "}, "rule.set.owner must be one line of at most 500 characters, got ' '"),
        (HOST, {"owner": True}, "rule.set.owner must be one line of at most 500 characters, got True"),
        (HOST, {"owner": "x" * 501}, "rule.set.owner must be one line of at most 500 characters, got 'xxx"),
        (HOST, {"owner": "x\x1b[2J"}, r"rule.set.owner must be one line of at most 500 characters, got 'x\x1b[2J'"),
        (HOST, {"owner": "{% if x %}"}, "rule.set.owner looks like a template, and nothing is evaluated here: '{% if x %}'"),
        (HOST, {"contacts": {"a": 1}}, "rule.set.contacts must be a text or a list of at most 100 texts, got a dictionary"),
        (HOST, {"contacts": ["a"] * 101}, "rule.set.contacts must be a text or a list of at most 100 texts, got a list"),
        (HOST, {"contacts": " , ;"}, "rule.set.contacts must be a text or a list of at most 100 texts, got ' , ;'"),
        (HOST, {"contacts": ["a", []]}, "rule.set.contacts[1] must be one line of at most 500 characters, got a list"),
    ],
)
def test_what_is_refused(match: t.Any, given: t.Any, message: str) -> None:
    """The place, the value and what is accepted."""
    with pytest.raises(OwnershipError) as caught:
        rule_from(match, given, source="rules", origin="x", where="rule")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({}, "rules must be a list of at most 200000 rules, got a dictionary"),
        ("x" * 1000, "rules must be a list of at most 200000 rules, got 'xxx"),
        ([None], "rules[0] must be a dictionary with match and set alone, got None"),
        ([{}], "rules[0] must be a dictionary with match and set alone, got an empty one"),
        ([{"match": HOST, "set": OWNER, "When": 1}], "rules[0] must be a dictionary with match and set alone, got 'When', 'match', 'set'"),
        ([{"match": HOST, "set": OWNER}, {"match": {"host": ["web1"]}, "set": {"owner": "b"}}], "rules[1] matches the same as rules[0]: make one rule of both"),
    ],
)
def test_what_is_no_list_of_rules(told: t.Any, message: str) -> None:
    """Each place is named."""
    with pytest.raises(OwnershipError) as caught:
        checked_rules(told, source="rules", origin="x", where="rules")
    assert str(caught.value).startswith(message)


def test_netaddr_is_needed_for_networks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """And named where it is missing."""
    monkeypatch.setattr(rules, "netaddr", None)
    rule_from(HOST, OWNER, source="rules", origin="x", where="rule")
    with pytest.raises(OwnershipError, match="needs the package 'netaddr' for rules with cidr"):
        rule_from({"cidr": "192.0.2.0/24"}, OWNER, source="rules", origin="x", where="rule")
