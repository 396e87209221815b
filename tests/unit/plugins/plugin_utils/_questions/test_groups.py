# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which groups the certificates of a host put it into."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from ansible.inventory.group import to_safe_group_name

from ansible_collections.certops.fleet.plugins.plugin_utils._questions import groups
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.groups import (
    Hosts,
    Limits,
    QuestionError,
    group_hosts,
    issuer_group,
    named_groups,
    states,
)

NOW = 1_800_000_000
DAY = 86400
ISSUER = json.dumps([["commonName", "Internal CA"]])


def row(**other: t.Any) -> dict[str, t.Any]:
    """One certificate of a host that is in no fixed group."""
    own = {"namespace": "lab", "host": "web1", "path": "/etc/tls/web.pem", "class": "in_use", "services_json": '["nginx"]', "sha256": "a" * 64}
    facts = {"common_name": "web", "name": "web.example", "serial": "5f", "issuer_json": ISSUER, "not_after": NOW + 90 * DAY, "self_issued": False}
    return {**own, **facts, "key_type": "RSA", "key_size": 2048, "revoked": False, "is_ca": False, "purpose": {"owner": "Team Web"}, **other}


def grouped(*rows: dict[str, t.Any], names: t.Sequence[tuple[str, str]] = (("lab", "web1"), ("lab", "web2")), limits: Limits | None = None) -> Hosts:
    return group_hosts(names, rows, now=NOW, limits=limits or Limits())


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, []),
        ({"not_after": NOW - 1}, ["cert_expired"]),
        ({"not_after": NOW}, ["cert_expiring_7d", "cert_expiring_30d"]),
        ({"not_after": NOW + 7 * DAY - 1}, ["cert_expiring_7d", "cert_expiring_30d"]),
        ({"not_after": NOW + 7 * DAY}, ["cert_expiring_30d"]),
        ({"not_after": NOW + 30 * DAY - 1}, ["cert_expiring_30d"]),
        ({"not_after": NOW + 30 * DAY}, []),
        ({"not_after": None}, []),
        ({"key_size": 2047}, ["cert_weak_key"]),
        ({"key_type": "DSA", "key_size": 1024}, ["cert_weak_key"]),
        ({"key_type": "ECC", "key_size": 192}, ["cert_weak_key"]),
        ({"key_type": "ECC", "key_size": 224}, []),
        ({"key_type": "Ed25519", "key_size": None}, []),
        ({"key_type": None, "key_size": None}, []),
        ({"revoked": True}, ["cert_revoked_in_use"]),
    ],
)
def test_states(facts: dict[str, t.Any], expected: list[str]) -> None:
    """At both sides of each limit; ended certificates are not ending ones."""
    assert list(states(row(**facts), now=NOW, limits=Limits((7, 30)))) == expected


def test_hosts_and_what_they_know() -> None:
    """Every host is there, each with one entry for each place; fixed groups are there without anybody."""
    hosts = grouped(row(not_after=NOW + 5 * DAY), row(path="web1:443", services_json="[]"))
    assert {name: len(found) for name, found in hosts.found.items()} == {"web1": 2, "web2": 0}
    assert {name: list(own) for name, own in hosts.groups.items() if "issuer" not in name and "owner" not in name} == {
        "cert_expired": [],
        "cert_weak_key": [],
        "cert_revoked_in_use": [],
        "cert_expiring_30d": ["web1"],
    }
    first = hosts.found["web1"][0]
    assert (first["days_remaining"], first["status"], first["issuer"], first["services"]) == (5, "warning", "Internal CA", ["nginx"])
    assert first["not_after"] == "2027-01-20T08:00:00Z"


@pytest.mark.parametrize(
    "other",
    [
        [["commonName", "Internal-CA"]],
        [["commonName", "INTERNAL CA"]],
        [["commonName", "Internal CA"], ["organizationName", "Other"]],
        [["commonName", "Internal CA\u0430"]],
    ],
)
def test_issuers_that_look_alike_stay_apart(other: list[list[str]]) -> None:
    """And one that appears does not rename the group of another."""
    before = issuer_group(row())
    assert before == "cert_issuer_internal_ca_" + before[-8:]
    assert issuer_group(row(issuer_json=json.dumps(other))) not in (before, "cert_issuer_internal_ca")
    assert issuer_group(row(issuer_json=json.dumps(other))).startswith("cert_issuer_internal_ca_")
    assert before in grouped(row(), row(issuer_json=json.dumps(other))).groups


@pytest.mark.parametrize("name", ["{{ lookup('pipe', 'id') }}", "a\nb", "ü", "../x", "x" * 5000, "", "all", "1", "\ud800", "cert_expired:!web1"])
def test_names_of_groups_are_safe(name: str) -> None:
    """Ansible changes nothing of them, and they fit into a line."""
    made = list(named_groups(row(issuer_json=json.dumps([["commonName", name]]), purpose={"owner": name, "business_service": name})))
    assert [kind for kind, _group in made] == ["issuer", "owner", "business_service"]
    for kind, group in made:
        assert group == to_safe_group_name(group, force=True, silent=True)
        assert group.isascii()
        assert group.isidentifier()
        assert len(group) < len(f"cert_{kind}_") + 50


@pytest.mark.parametrize("told", [None, "null", "[]", "{}", '["x", 5]', '[["commonName"]]'])
def test_an_issuer_that_cannot_be_read(told: str | None) -> None:
    """Has a group all the same."""
    assert issuer_group(row(issuer_json=told)).startswith("cert_issuer_")


def test_self_issued_certificates_share_a_group() -> None:
    """There would be one for each of them."""
    hosts = grouped(*(row(self_issued=True, issuer_json=json.dumps([["commonName", name]])) for name in "ab"))
    assert [name for name in hosts.groups if "issuer" in name] == ["cert_issuer_self"]


def test_issuers_without_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that makes them takes no group from others."""
    monkeypatch.setattr(groups, "GROUPS_LIMIT", 2)
    made = [row(host="web2", issuer_json=json.dumps([["commonName", f"{number}"]])) for number in range(9)]
    hosts = grouped(*made, row(), row(host="web2"), row(self_issued=True))
    assert [name for name in hosts.groups if "issuer" in name] == ["cert_issuer_self", issuer_group(row()), "cert_issuer_other"]
    assert (list(hosts.groups["cert_issuer_other"]), hosts.crowded) == (["web2"], {"issuer": 11})


def test_who_answers_and_what_for() -> None:
    """A group for each attribute that is one text; what nobody owns has one, too, unless it is of a CA."""
    purpose = {"owner": "Team Web", "application": "shop", "business_service": "Orders", "environment": "prod", "criticality": "1"}
    hosts = grouped(row(purpose=purpose), row(host="web2", purpose={}, is_ca=True), row(host="web3", purpose={}), names=[("lab", f"web{n}") for n in (1, 2, 3)])
    found = {re.sub("_[0-9a-f]{8}$", "", name): list(own) for name, own in hosts.groups.items() if own and "issuer" not in name}
    mine = {f"cert_{name}": ["web1"] for name in ("owner_team_web", "application_shop", "business_service_orders", "environment_prod", "criticality_1")}
    assert found == {**mine, "cert_owner_none": ["web3"]}
    assert {name: hosts.found["web1"][0][name] for name in purpose} == purpose
    assert hosts.found["web2"][0]["owner"] is None


def test_owners_that_look_alike_stay_apart() -> None:
    """And nobody becomes the group of those who have none."""
    names = [group for owner in ("Team Web", "team-web", "none", "other") for kind, group in named_groups(row(purpose={"owner": owner})) if kind == "owner"]
    assert len(set(names)) == 4
    assert not {"cert_owner_none", "cert_owner_other"} & set(names)


def test_names_of_hosts() -> None:
    """Those that Ansible would template are left out and told, and so are names in several namespaces."""
    names = [("lab", "web1"), ("prod", "web1"), ("lab", "{{ x }}"), ("lab", "a\nb"), ("lab", "{% x"), ("lab", "")]
    hosts = grouped(row(), row(host="{{ x }}"), names=names)
    assert (list(hosts.found), hosts.ambiguous, hosts.refused) == (["web1"], ("web1",), ("{{ x }}", "a\nb", "{% x", ""))


@pytest.mark.parametrize("wrong", [([0], 2048, 224), ([30, 100000], 2048, 224), ([30], -1, 224), ([30], 2048, 0)])
def test_limits_that_make_no_sense(wrong: tuple[list[int], int, int]) -> None:
    """Are told with what is accepted."""
    with pytest.raises(QuestionError, match="must be a number from 1 to 99999, got"):
        Limits.from_options(*wrong)


def test_limits() -> None:
    """Each number of days once, the shortest first."""
    assert Limits.from_options([30, 7, 30], 3072, 256) == Limits((7, 30), 3072, 256)
