# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions as they reach the inventory."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._questions.ask import Question, answer, of_term, stream
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.groups import QuestionError

NOW = datetime(2026, 4, 1, 12, 0, tzinfo=timezone.utc)
HOSTS = [{"namespace": "lab", "host": "web1"}, {"namespace": "prod", "host": "web2"}]
PLACES = [{"namespace": "lab", "path": "/a"}, {"namespace": "prod", "path": "/b"}]
KINDS: dict[str, list[dict[str, t.Any]]] = {
    "hosts": HOSTS,
    "certificates": [{"sha256": "a", "places": PLACES}, {"sha256": "b", "places": PLACES[1:]}, {"sha256": "c", "places": []}],
    "issuers": [{"name": "internal"}],
}


class Inventory:
    """Has documents of which the database can tell nothing, and nothing else is asked of it."""

    def documents(self, kind: str, *, select: str | None, as_of: datetime | None, **_other: t.Any) -> t.Iterator[dict[str, t.Any]]:
        if as_of is not None:
            return iter([{"as_of": as_of}])
        return iter(KINDS[kind]) if select is None or select.startswith("[") else iter([])

    def pages(self, *_question: t.Any, **_other: t.Any) -> bool:
        return False

    def count(self, *_question: t.Any, **_other: t.Any) -> None:
        return None


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (Question("hosts"), HOSTS),
        (Question("hosts", limit=1), HOSTS[:1]),
        (Question("hosts", "[].host", limit=1), ["web1"]),
        (Question("hosts", "[].host", "prod"), ["web2"]),
        (Question("hosts", count=True), [2]),
        (Question("hosts", "[0]", count=True), [1]),
        (Question(namespace="lab"), [{"sha256": "a", "places": PLACES[:1]}]),
        (Question("issuers", namespace="lab"), KINDS["issuers"]),
    ],
)
def test_answers(question: Question, expected: list[t.Any]) -> None:
    """The namespace comes before the expression, and both before the limit."""
    assert answer(t.cast("t.Any", Inventory()), question).documents == expected
    assert list(stream(t.cast("t.Any", Inventory()), question)) == expected


def test_pages() -> None:
    """Each says where the next one begins, the last one does not."""
    inventory = t.cast("t.Any", Inventory())
    first = answer(inventory, Question("hosts", "[].host", limit=1))
    second = answer(inventory, Question("hosts", "[].host", limit=1, after=first.following))
    assert (first.documents, second.documents, second.following) == (["web1"], ["web2"], None)
    assert answer(inventory, Question("hosts", limit=2)).following is None


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (Question(limit=0), "limit must be 1 or more, got 0"),
        (Question("places", sort="not_after"), "places cannot be sorted by 'not_after', accepted are certificates by not_after"),
        (Question(after="x"), "after begins a page, and limit says how large it is: limit is missing"),
        (Question(count=True, limit=5), "count tells the number of all elements: limit and after do not go with it"),
        (Question(limit=5, after="x"), "after must be the 'next' of an earlier answer to the same question, got 'x'"),
    ],
)
def test_what_cannot_be_asked(question: Question, message: str) -> None:
    """Is told in one sentence."""
    for ask in (answer, stream):
        with pytest.raises(QuestionError) as error:
            ask(t.cast("t.Any", Inventory()), question)
        assert str(error.value) == message


def test_a_time_that_is_over() -> None:
    """Reaches the inventory, and the result says it with what cannot be told; an answer about now says nothing of time."""
    asked = Question.from_args({"kind": "places", "as_of": "-1d"}, now=NOW)
    assert answer(t.cast("t.Any", Inventory()), asked).documents == [{"as_of": NOW - timedelta(days=1)}]
    told = asked.told()
    assert told["as_of"] == "2026-03-31T12:00:00Z"
    assert any("last_seen is null" in text for text in told["as_of_limits"])
    assert Question.from_args({"kind": "places"}, now=NOW).told() == {}


def test_terms() -> None:
    """A kind is one, everything else an expression."""
    asked = Question("places", "[0]", "lab", NOW, limit=3)
    assert of_term("hosts", asked) == Question("hosts", "[0]", "lab", NOW, limit=3)
    assert of_term("[?host]", asked) == Question("places", "[?host]", "lab", NOW, limit=3)
