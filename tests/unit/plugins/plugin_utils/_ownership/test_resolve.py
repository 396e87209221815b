# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The most specific rule decides, attribute by attribute, and everything that could have is shown."""

from __future__ import annotations

import itertools
import time
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.resolve import NOBODY, Rules, resolved, weight_of
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.rules import rule_from
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import KEYS, Ownership, Rule

SHA256 = "ab" * 32
SUBJECT: dict[str, tuple[str, ...]] = {
    "namespace": ("prod",),
    "issuer": ("Internal CA",),
    "profile": ("tls_server",),
    "group": ("web", "dmz"),
    "cidr": ("192.0.2.7", "2001:db8::7", "no address"),
    "host": ("web1",),
    "service": ("nginx",),
    "path": ("/etc/nginx/tls/www.pem",),
    "name": ("WWW.example.com", "example.com"),
    "certificate": (SHA256,),
}


def rule(match: dict[str, t.Any], source: str = "rules", **given: t.Any) -> Rule:
    return rule_from(match, given or {"owner": "x"}, source=source, origin="test", where="rule")


def owned(*rules: Rule, **subject: tuple[str, ...]) -> Ownership:
    return resolved(Rules(rules).candidates({**SUBJECT, **subject}))


# From what says least to what says most: each beats those before it.
ORDER: tuple[dict[str, t.Any], ...] = (
    {"namespace": "*"},
    {"namespace": "prod"},
    {"issuer": "Internal*"},
    {"profile": "tls_server"},
    {"group": "w*"},
    {"group": "web"},
    {"group": "web", "profile": "tls_server"},
    {"cidr": "192.0.0.0/8"},
    {"cidr": "2001:db8::/48"},
    {"cidr": "192.0.2.0/24"},
    {"cidr": "192.0.2.7"},
    {"host": "*"},
    {"host": "w*"},
    {"host": "web[0-9]"},
    {"host": "web1"},
    {"host": "web1", "cidr": "192.0.2.0/24"},
    {"service": "nginx"},
    {"service": "nginx", "host": "web1"},
    {"path": "/etc/*"},
    {"path": "/etc/nginx/*"},
    {"path": "/etc/nginx/tls/www.pem"},
    {"name": "*.example.com"},
    {"name": "www.example.com"},
    {"certificate": ":".join([SHA256[:2].upper()] * 32)},
)


@pytest.mark.parametrize(("less", "more"), list(itertools.combinations(range(len(ORDER)), 2)))
def test_order_of_specificity(less: int, more: int) -> None:
    """As it is documented; the order of the rules makes no difference."""
    rules = [rule(ORDER[less], owner="less"), rule(ORDER[more], owner="more")]
    for order in (rules, rules[::-1]):
        found = owned(*order)
        assert found.values == {"owner": "more"}
        assert [candidate.value for candidate in found.candidates] == ["more", "less"]
        assert found.conflicts == ()


def test_every_key_is_in_the_order() -> None:
    """A key that is new has its place."""
    assert {key for match in ORDER for key in match} == set(KEYS)


@pytest.mark.parametrize(
    "match",
    [
        {"namespace": "test"},
        {"issuer": "internal ca"},
        {"group": "we"},
        {"cidr": "198.51.100.0/24"},
        {"cidr": "::/128"},
        {"host": "web"},
        {"host": ["web2", "web3"]},
        {"host": "web1", "service": "haproxy"},
        {"path": "/etc"},
        {"name": "*.example.org"},
        {"certificate": "cd" * 32},
    ],
)
def test_what_does_not_match(match: dict[str, t.Any]) -> None:
    """All keys have to, and one pattern of each."""
    assert weight_of(rule(match), SUBJECT) is None
    assert owned(rule(match)) == NOBODY


def test_each_attribute_for_itself() -> None:
    """A rule that says nothing of an attribute leaves it to the next one."""
    found = owned(rule({"host": "web1"}, owner="web", contacts="b@x, a@x; a@x"), rule({"path": "/etc/*"}, application="shop"))
    assert found.values == {"owner": "web", "contacts": ("a@x", "b@x"), "application": "shop"}


def test_equal_matches_that_differ_are_a_conflict() -> None:
    """Told, and one of them is taken all the same, always the same one."""
    rules = [rule({"host": "web1"}, "variable", owner="a", criticality=1), rule({"host": "web1"}, "import", owner="b", criticality="1")]
    assert owned(*rules) == owned(*rules[::-1])
    assert owned(*rules).values["owner"] == "a"
    assert owned(*rules).conflicts == ("owner",)


def test_two_groups_of_a_host_may_conflict() -> None:
    """Neither is more specific."""
    assert owned(rule({"group": "web"}, owner="a"), rule({"group": "dmz"}, owner="b")).conflicts == ("owner",)


def test_what_a_person_assigned_is_no_conflict() -> None:
    """It beats an equal match, and no match that is more specific."""
    found = owned(rule({"host": "web1"}, owner="a"), rule({"host": "web1"}, "manual", owner="b"))
    assert (found.values, found.conflicts) == ({"owner": "b"}, ())
    assert owned(rule({"host": "web1"}, "manual", owner="b"), rule({"path": "/etc/*"}, owner="c")).values == {"owner": "c"}


def test_a_lower_conflict_is_none() -> None:
    """Only what decides counts."""
    assert owned(rule({"group": "web"}, owner="a"), rule({"group": "dmz"}, owner="b"), rule({"host": "web1"}, owner="c")).conflicts == ()


def test_names_of_others_are_texts() -> None:
    """What a certificate calls itself is no pattern."""
    assert owned(rule({"name": "www.example.com"}), name=("*", "[a-z]*")) == NOBODY


def test_many_stars_are_quick() -> None:
    """A pattern that would try for ever ends."""
    assert weight_of(rule({"path": "*a" * 400 + "b"}), {"path": ("a" * 4000,)}) is None


PATTERNS = ("a", "ab", "b", "A", "a*", "ab?", "*b", "?", "[ab]*", "a[b]", "abc", "a*c", "é*")
TEXTS = ("a", "ab", "abc", "b", "", "A", "aBc", "éa", "a*")
MATCHES = st.dictionaries(st.sampled_from(("path", "host", "service", "name")), st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3), min_size=1)


@given(
    matches=st.lists(MATCHES, max_size=8),
    subject=st.dictionaries(st.sampled_from(("path", "host", "service", "name")), st.lists(st.sampled_from(TEXTS), max_size=3)),
)
def test_rules_are_found_as_if_each_were_compared(matches: list[dict[str, t.Any]], subject: dict[str, list[str]]) -> None:
    """Whatever they begin with."""
    rules = [rule(match, owner=str(number)) for number, match in enumerate(matches)]
    expected = {number for number, each in enumerate(rules) if weight_of(each, subject) is not None}
    assert {int(str(candidate.value)) for candidate in Rules(rules).candidates(subject)} == expected


def test_many_patterns_of_paths_are_quick() -> None:
    """What a place costs does not grow with the rules for other places."""
    took = []
    for count in (20, 2000):
        rules = Rules([rule({"path": f"/srv/{number}/*"}) for number in range(count)])
        began = time.process_time()
        for place in range(2000):
            rules.candidates({"path": (f"/srv/{place % 20}/tls/{place}.pem",)})
        took.append(time.process_time() - began)
    assert took[1] < took[0] * 10
