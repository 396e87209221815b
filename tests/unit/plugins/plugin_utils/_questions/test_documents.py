# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What filters make of an answer."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._questions.documents import by_owner, expiring, in_use, names
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.groups import QuestionError

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
ENDS = ["20261122000000Z", "2026-11-23T12:00:00Z", "20261130115959Z", "2026-11-30T12:00:00Z", None, "20261124000000Z"]
WEB = {"owner": "Team Web", "contacts": ["b@x", "a@x"]}


def test_what_ends_soon() -> None:
    """At both sides of each limit, in both forms, the first one first."""
    documents = [{"not_after": end} for end in ENDS] + [{}]
    assert [each["not_after"] for each in expiring(documents, 7, now=NOW, expired=False)] == [ENDS[1], ENDS[5], ENDS[2]]
    assert [each["not_after"] for each in expiring(documents, 7, now=NOW, expired=True)] == [ENDS[0], ENDS[1], ENDS[5], ENDS[2]]
    assert expiring([{"not_after": "99991231235959Z"}], 99999, now=NOW, expired=True) == []


def test_equal_ends() -> None:
    """Stay in the order in which they came."""
    documents = [{"not_after": ENDS[1], "name": name} for name in "cab"]
    assert [each["name"] for each in expiring(documents, 1, now=NOW, expired=False)] == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("documents", "days", "message"),
    [
        ([], 0, "days must be a number from 1 to 99999, got 0"),
        ([], "14", "days must be a number from 1 to 99999, got '14'"),
        ([], True, "days must be a number from 1 to 99999, got True"),
        ({}, 7, "documents must be a list of dictionaries, got a value of the type dict"),
        (["a"], 7, "documents must be a list of dictionaries, got a value of the type list"),
        ([{"not_after": "{{ x }}" * 50}], 7, "documents[0].not_after must be a time such as '2026-11-23T09:43:04Z' or '20261123094304Z', got '{{ x }}"),
    ],
)
def test_what_is_no_answer(documents: t.Any, days: t.Any, message: str) -> None:
    """Is told in one sentence."""
    with pytest.raises(QuestionError) as caught:
        expiring(documents, days, now=NOW, expired=False)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 200


def test_what_is_in_use() -> None:
    """Places by themselves, and certificates by their places."""
    used, installed, gone, backup = (
        {"class": kind, "gone_at": gone} for kind, gone in (("in_use", None), ("installed", None), ("in_use", "x"), ("backup", None))
    )
    assert in_use([used, installed, gone, backup, {}]) == [used, installed]
    certificates = [{"sha256": "a", "places": [used, gone]}, {"sha256": "b", "places": [backup]}, {"sha256": "c", "places": []}]
    assert in_use(certificates) == [{"sha256": "a", "places": [used]}]
    assert certificates[0]["places"] == [used, gone]


def test_whom_to_write_to() -> None:
    """Each owner once; the account that owns a file is nobody to write to, and contacts of another owner are not told."""
    several = {"sha256": "1", "owner": "Team Web", "owners": ["Team Web", "Team Db"], "ownership": WEB}
    place = {"path": "/x", "owner": "root", "ownership": {"owner": None, "contacts": None}}
    told = by_owner([place, several, {"host": "web1", "owner": "Team Web", "ownership": WEB}, {"owner": "plain"}])
    assert [(each["owner"], each["contacts"], len(each["documents"])) for each in told] == [
        ("Team Db", [], 1),
        ("Team Web", ["a@x", "b@x"], 2),
        ("plain", [], 1),
        (None, [], 1),
    ]


@pytest.mark.parametrize(
    ("certificate", "expected"),
    [
        ({"subject_alt_name": ["DNS:WWW.x", "DNS:www.x", "IP:::1", "email:a@x", "URI:http://x"], "subject": {"commonName": "c"}}, ["www.x", "::1"]),
        ({"subject_alt_name": ["email:a@x"], "subject": {"commonName": "Mail"}}, ["mail"]),
        ({"subject_alt_name": None, "subject": None, "common_name": "{{ 7 * 7 }}"}, ["{{ 7 * 7 }}"]),
        ({"subject": "text"}, []),
        ({}, []),
    ],
)
def test_names(certificate: dict[str, t.Any], expected: list[str]) -> None:
    """Those that clients compare; of several kinds of documents."""
    assert names(certificate) == expected
