# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions as they reach the inventory."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._questions.ask import Question, answer, of_term

NOW = datetime(2026, 4, 1, 12, 0, tzinfo=timezone.utc)
HOSTS = [{"namespace": "lab", "host": "web1"}, {"namespace": "prod", "host": "web2"}]
PLACES = [{"namespace": "lab", "path": "/a"}, {"namespace": "prod", "path": "/b"}]
KINDS: dict[str, list[dict[str, t.Any]]] = {
    "hosts": HOSTS,
    "certificates": [{"sha256": "a", "places": PLACES}, {"sha256": "b", "places": PLACES[1:]}, {"sha256": "c", "places": []}],
    "issuers": [{"name": "internal"}],
}


class Inventory:
    """Has documents, and nothing else is asked of it."""

    def documents(self, kind: str, *, select: str | None, as_of: datetime | None) -> t.Iterator[dict[str, t.Any]]:
        if as_of is not None:
            return iter([{"as_of": as_of}])
        return iter(KINDS[kind]) if select is None or select.startswith("[") else iter([])


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (Question("hosts"), HOSTS),
        (Question("hosts", limit=1), HOSTS[:1]),
        (Question("hosts", "[].host", limit=1), ["web1"]),
        (Question("hosts", "[].host", "prod"), ["web2"]),
        (Question(namespace="lab"), [{"sha256": "a", "places": PLACES[:1]}]),
        (Question("issuers", namespace="lab"), KINDS["issuers"]),
    ],
)
def test_answers(question: Question, expected: list[t.Any]) -> None:
    """The namespace comes before the expression, and both before the limit."""
    assert answer(t.cast("t.Any", Inventory()), question) == expected


def test_a_time_that_is_over() -> None:
    """Reaches the inventory, and the result says it with what cannot be told; an answer about now says nothing of time."""
    asked = Question.from_args({"kind": "places", "as_of": "-1d"}, now=NOW)
    assert answer(t.cast("t.Any", Inventory()), asked) == [{"as_of": NOW - timedelta(days=1)}]
    told = asked.told()
    assert told["as_of"] == "2026-03-31T12:00:00Z"
    assert any("last_seen is null" in text for text in told["as_of_limits"])
    assert Question.from_args({"kind": "places"}, now=NOW).told() == {}


def test_terms() -> None:
    """A kind is one, everything else an expression."""
    asked = Question("places", "[0]", "lab", NOW, 3)
    assert of_term("hosts", asked) == Question("hosts", "[0]", "lab", NOW, 3)
    assert of_term("[?host]", asked) == Question("places", "[?host]", "lab", NOW, 3)
