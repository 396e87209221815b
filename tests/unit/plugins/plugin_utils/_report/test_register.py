# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate register: what is counted, what is listed, and as of when."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._report import register as module
from ansible_collections.certops.fleet.plugins.plugin_utils._report.content import build_report
from ansible_collections.certops.fleet.plugins.plugin_utils._report.papers import Paper, Paragraph, Table
from ansible_collections.certops.fleet.plugins.plugin_utils._report.register import Certificates, open_keys, register, subjects
from ansible_collections.certops.fleet.plugins.plugin_utils._report.requirements import REQUIREMENTS, Settings

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
CA = [["commonName", "Example Issuing CA"]]
HOSTS: list[dict[str, t.Any]] = [
    {"namespace": "", "host": "web1", "last_scan": {"complete": True, "ended": "2026-11-23T11:00:00Z"}},
    {"namespace": "", "host": "dead1", "last_scan": {"complete": False, "ended": "2026-11-23T11:00:00Z", "reason": "no route to host"}},
]


def place(**changes: t.Any) -> dict[str, t.Any]:
    return {"host": "web1", "path": "/etc/web.pem", "class": "in_use", "services": ["nginx"], "gone_at": None, **changes}


def certificate(number: int = 0, **changes: t.Any) -> dict[str, t.Any]:
    """One of 90 days, by the issuer CA."""
    own = {
        "sha256": f"{number:064x}",
        "subject_ordered": [["commonName", f"web{number}.example.com"]],
        "subject_alt_name": [f"DNS:web{number}.example.com", "IP:192.0.2.1"],
        "issuer_ordered": CA,
        "public_key_type": "ECC",
        "public_key_data": {"curve": "secp256r1", "exponent_size": 256},
        "signature_algorithm": "ecdsa-with-SHA256",
        "serial": "1f",
        "status": "ok",
        "days_remaining": 60 + number,
        "not_before": "20261024115500Z",
        "not_after": "20270122115959Z",
        "basic_constraints": ["CA:FALSE"],
        "first_seen": "2026-11-01T09:00:00Z",
        "places": [place()],
    }
    return {**own, **changes}


def paper(*certificates: dict[str, t.Any]) -> Paper:
    seen = Certificates(subjects([{"certificate": {"subject_ordered": CA}}, {"certificate": None}]))
    passed = list(seen.passing(certificates))
    assert passed == list(certificates)
    return register(Settings(organisation="Example Ltd"), build_report(HOSTS, passed, [], NOW), seen)


def tables(paper: Paper) -> list[Table]:
    return [block for block in paper.blocks if isinstance(block, Table)]


def measured(*certificates: dict[str, t.Any]) -> dict[str, str]:
    """The measures by their words up to the first comma, and by their number where that is enough."""
    return {str(row[1]): str(row[2]) for row in tables(paper(*certificates))[0].rows}


def test_the_day_is_that_of_the_report() -> None:
    """It stands first, and in the first sentence."""
    built = paper(certificate())
    assert built.facts[0] == ("As of", "2026-11-23 (UTC)")
    assert isinstance(built.blocks[0], Paragraph)
    assert built.blocks[0].text.startswith("As of 2026-11-23: ")


def test_a_row() -> None:
    """All that the inventory knows of a certificate; an owner that it does not know is unknown."""
    (row,) = tables(paper(certificate()))[1].rows
    assert row == (
        "ok",
        ("DNS:web0.example.com", "IP:192.0.2.1"),
        ("from 2026-10-24", "until 2027-01-22"),
        ("Example Issuing CA", "ECC 256", "ecdsa-with-SHA256"),
        ("web1 /etc/web.pem",),
        ("nginx",),
        "unknown",
        ("serial 1f", f"SHA-256 {'0' * 64}"),
        "2026-11-01",
    )


def test_only_what_is_in_use_or_installed_is_listed() -> None:
    """What is gone and what lies in a trust store is not, and each certificate is listed once."""
    gone, store = place(gone_at="2026-11-22T00:00:00Z"), place(**{"class": "trust_store"})
    built = paper(certificate(1, places=[gone, store]), certificate(2, places=[gone, place(), place(path="/b")]))
    assert [row[4] for row in tables(built)[1].rows] == [("web1 /etc/web.pem", "web1 /b")]
    (empty,) = [block for block in paper().blocks if isinstance(block, Paragraph)][2:]
    assert empty.text == "The inventory holds no certificate that is in use or installed."


WORDS = {
    "expired": "certificates that have expired",
    "warning": "certificates that end within 30 days",
    "unread": "of them with an end that could not be read",
    "foreign": "certificates of other issuers than the approved ones, by the issuer's name",
    "weak": "certificates with a key that no profile allows",
    "long": "certificates that are valid for more than 90 days, CAs left out",
    "hash": "certificates signed with SHA-1 or MD5, roots left out",
}


@pytest.mark.parametrize(
    ("changes", "counted"),
    [
        ({}, ""),
        ({"status": "expired"}, "expired"),
        ({"status": "warning"}, "warning"),
        ({"status": None, "days_remaining": None, "not_after": None}, "unread"),
        ({"issuer_ordered": [["commonName", "Somebody"]]}, "foreign"),
        ({"issuer_ordered": [["commonName", "Somebody"]], "subject_ordered": CA}, ""),
        ({"public_key_type": "RSA", "public_key_data": {"size": 1024}}, "weak"),
        ({"public_key_type": "RSA", "public_key_data": {"size": 2048}}, ""),
        ({"public_key_type": "ECC", "public_key_data": {"curve": "brainpoolP256r1", "exponent_size": 256}}, "weak"),
        ({"public_key_type": "DSA", "public_key_data": {"size": 2048}}, "weak"),
        ({"public_key_type": "Ed25519", "public_key_data": {}}, ""),
        ({"public_key_type": None, "public_key_data": None}, ""),
        ({"not_before": "20251024115500Z"}, "long"),
        ({"not_before": "20251024115500Z", "basic_constraints": ["CA:TRUE", "pathlen:0"]}, ""),
        ({"not_before": "99991024115500999Z"}, ""),
        ({"signature_algorithm": "sha1WithRSAEncryption"}, "hash"),
        ({"signature_algorithm": "ecdsa-with-SHA1"}, "hash"),
        ({"signature_algorithm": "sha1WithRSAEncryption", "subject_ordered": CA}, ""),
    ],
)
def test_what_is_measured(changes: dict[str, t.Any], counted: str) -> None:
    """One certificate that is not as it should be is counted in its measure and in no other."""
    found = measured(certificate(**changes))
    told = {name: found[words].partition(" ")[0] for name, words in WORDS.items()}
    assert told == {name: str(int(name == counted)) for name in WORDS}


def test_coverage_and_owners_have_a_denominator() -> None:
    """Hosts scanned completely of hosts known, certificates without a known owner of all of them."""
    found = measured(certificate(1, owner="Web team"), certificate(2))
    assert found["hosts scanned completely"] == "1 of 2"
    assert found["hosts that gave nothing, or were never scanned as a whole"] == "1"
    assert found["certificates whose owner is unknown"] == "1 of 2"


def test_every_measure_names_a_requirement() -> None:
    """One that there is."""
    numbers = {row[0] for row in tables(paper())[0].rows}
    assert numbers <= {requirement.number for requirement in REQUIREMENTS}


def test_keys_that_everybody_can_read() -> None:
    """Those that are still there."""
    keys = [{"everyone": True, "gone_at": None}, {"everyone": True, "gone_at": "2026-11-01T00:00:00Z"}, {"everyone": None}, {"everyone": False}]
    assert open_keys(keys) == 1


def test_long_lists_end_with_a_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of names and places a few, of certificates those that end first; the rest is counted."""
    monkeypatch.setattr(module, "LISTED", 2)
    many = [place(path=f"/{number}") for number in range(7)]
    built = paper(*(certificate(number, places=many) for number in (3, 4, 2, 9, 5, 8, 7, 1, 6, 0)))
    rows = tables(built)[1].rows
    assert [row[1][0] for row in rows] == ["DNS:web0.example.com", "DNS:web1.example.com"]
    assert rows[0][4] == (*(f"web1 /{number}" for number in range(5)), "and 2 more")
    assert built.blocks[-1] == Paragraph("These are the 2 that end first; 8 more stand in places.csv beside this document.")


def test_a_long_name_is_cut() -> None:
    """The fingerprint tells certificates apart."""
    (row,) = tables(paper(certificate(subject_alt_name=["DNS:" + "a" * 1000])))[1].rows
    assert [len(name) for name in row[1]] == [len("web0.example.com"), 201]
