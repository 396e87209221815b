# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requirements of policy and standard, and the papers that state them."""

from __future__ import annotations

import collections
import re
import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.action.host_scan_info import ARGUMENT_SPEC as SCAN
from ansible_collections.certops.fleet.plugins.action.report import ARGUMENT_SPEC as REPORT
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.fuse import FuseError
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.profiles import PROFILES
from ansible_collections.certops.fleet.plugins.plugin_utils._report.clauses import CLAUSES, SOURCES, UNREAD
from ansible_collections.certops.fleet.plugins.plugin_utils._report.papers import PUBLIC_LIFETIMES, Paper, Paragraph, Stated, Table, policy, standard
from ansible_collections.certops.fleet.plugins.plugin_utils._report.requirements import (
    POLICY,
    REQUIREMENTS,
    STANDARD,
    ReportSettingsError,
    Requirement,
    Settings,
    values_of,
)

WHO = Settings("Example Ltd", "Platform security", "pki@example.com")
ISSUER: dict[str, t.Any] = {
    "name": "internal",
    "kind": "embedded",
    "sha256": "c" * 64,
    "certificate": {
        "subject_ordered": [["commonName", "Example Issuing CA"]],
        "public_key_type": "ECC",
        "public_key_data": {"curve": "secp384r1", "exponent_size": 384},
        "not_after": "20311123120000Z",
    },
}


def demands(paper: Paper) -> list[Stated]:
    return [block for block in paper.blocks if isinstance(block, Stated)]


def noted(stated: Stated) -> str:
    return " ".join(f"{label}: {text}." for label, text in stated.notes)


def test_numbers_are_unique() -> None:
    """Each begins with the letters of its document, and counts up without a gap."""
    assert [requirement.number for requirement in POLICY] == [f"CMP-{number}" for number in range(1, len(POLICY) + 1)]
    assert [requirement.number for requirement in STANDARD] == [f"CKS-{number}" for number in range(1, len(STANDARD) + 1)]
    assert len({requirement.sentence for requirement in REQUIREMENTS}) == len(REQUIREMENTS)


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.number)
def test_every_requirement_has_clauses(requirement: Requirement) -> None:
    """At least one, each of them in the table and named once, and those of one source beside each other."""
    assert requirement.clauses
    assert len(set(requirement.clauses)) == len(requirement.clauses)
    assert set(requirement.clauses) <= set(CLAUSES)
    assert requirement.section
    assert requirement.kept


def test_every_clause_is_named() -> None:
    """Nothing stands in the tables for nothing."""
    assert {key for requirement in REQUIREMENTS for key in requirement.clauses} == set(CLAUSES)
    assert {clause.source for clause in CLAUSES.values()} == set(SOURCES)


def test_what_was_not_read_is_never_binding() -> None:
    """Nor is a draft; it says so wherever it stands."""
    assert collections.Counter(clause.status for clause in CLAUSES.values())["binding"] == 2
    unread = [clause for clause in CLAUSES.values() if clause.mark == UNREAD]
    assert unread
    assert all("not verified" in clause.text() and "binding" not in clause.text() for clause in unread)
    assert {clause.status for clause in CLAUSES.values() if SOURCES[clause.source].draft} == {"draft"}


def test_not_verified_is_printed() -> None:
    """At the requirements that stand on such a clause, and at no others."""
    for paper, requirements in ((policy(WHO, []), POLICY), (standard(WHO), STANDARD)):
        marked = {stated.number for stated in demands(paper) if "not verified" in noted(stated)}
        assert marked == {each.number for each in requirements if any(CLAUSES[key].mark == UNREAD for key in each.clauses)}
        assert marked
    review = next(stated for stated in demands(policy(WHO, [])) if stated.number == "CMP-8")
    assert "PCI DSS v4.0.1 7.2.4 (not verified)" in noted(review)


def test_sentences_are_filled() -> None:
    """Every brace has its value, and the values are those of the collection."""
    texts = {stated.number: stated.sentence for paper in (policy(WHO, []), standard(WHO)) for stated in demands(paper)}
    assert not [text for text in texts.values() if re.search(r"[{}]", text)]
    profile = PROFILES["tls_server"]
    assert f"{profile.renew_percent:g} % of their lifetime" in texts["CMP-5"]
    assert "10 and 20 % of the declared" in texts["CMP-6"]
    assert profile.keys_text() in texts["CKS-1"]
    assert f"{profile.lifetime.days} days at most" in texts["CKS-10"]
    assert "ecdsa_p384" in texts["CKS-8"]
    assert "5 minutes" in texts["CKS-18"]


def test_defaults_are_those_of_the_collection() -> None:
    """A fleet that sets nothing gets papers that say what its runs do."""
    assert Settings().cache_days == SCAN["cache_days"]["default"] == REPORT["cache_days"]["default"]


@pytest.mark.parametrize(("max_due", "told"), [("", "10 and 20 % of the declared"), ("50", "50"), ("5%", "5% of the declared")])
def test_the_fuse_as_it_is_set(max_due: str, told: str) -> None:
    """As a number or as a share."""
    assert values_of(Settings(max_due=max_due))["max_due"] == told


def test_a_cache_that_is_switched_off() -> None:
    """Is no promise of days."""
    assert values_of(Settings(cache_days=0))["cache"] == "Every file is read in every scan"


def test_what_cannot_be_read_is_refused() -> None:
    """In a sentence with the option, the value and what is accepted."""
    with pytest.raises(ReportSettingsError, match=r"^cache_days must be a number of days, or 0 for none, got -1$"):
        policy(Settings(cache_days=-1), [])
    with pytest.raises(FuseError, match=r"^max_due must be a number such as 50 or a percentage such as '20%', got 'many'$"):
        policy(Settings(max_due="many"), [])


def test_who_is_told() -> None:
    """And where nobody said it, that it is not set."""
    assert dict(policy(WHO, []).facts) == {"Organisation": "Example Ltd", "Owner": "Platform security", "Contact": "pki@example.com"}
    assert set(dict(standard(Settings(contact=" ")).facts).values()) == {"not set"}


def test_approved_issuers_are_those_of_the_inventory() -> None:
    """With key, end and fingerprint of their CA; one without a certificate is named, and without any it says so."""
    tables = [block for block in policy(WHO, [ISSUER, {"name": "new", "kind": "embedded"}]).blocks if isinstance(block, Table)]
    assert tables[0].rows == (
        ("internal", "embedded", "Example Issuing CA", "ECC 384", "2031-11-23", "c" * 64),
        ("new", "embedded", "", "", "", ""),
    )
    assert [block for block in policy(WHO, []).blocks if isinstance(block, Paragraph) and "knows no issuer yet" in block.text]


def test_the_standard_has_every_profile_and_lifetime() -> None:
    """Profiles as they are, and the steps of the public ones without a gap."""
    profiles, public, _sources = (block for block in standard(WHO).blocks if isinstance(block, Table))
    assert [row[0] for row in profiles.rows] == list(PROFILES)
    assert profiles.rows[0][-1] == "33 % of the lifetime before its end (29.7 days)"
    assert len(public.rows) == len(PUBLIC_LIFETIMES)
    assert [row[0] for row in PUBLIC_LIFETIMES[1:]] == [row[1] for row in PUBLIC_LIFETIMES[:-1]]
