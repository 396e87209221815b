# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The time that a question is about."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import iso
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.groups import QuestionError
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.when import as_of_time

NOW = datetime(2026, 4, 1, 12, 0, 0, 7, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-31", "2026-03-31T23:59:59Z"),
        ("2026-04-01", "2026-04-01T12:00:00Z"),
        ("2026-03-31T09:43:04Z", "2026-03-31T09:43:04Z"),
        ("2026-03-31 09:43:04.5", "2026-03-31T09:43:04Z"),
        ("2026-03-31T09:43:04+02:00", "2026-03-31T07:43:04Z"),
        ("-30d", "2026-03-02T12:00:00Z"),
        ("-1w2d3h4m5s", "2026-03-23T08:55:55Z"),
        ("-0s", "2026-04-01T12:00:00Z"),
    ],
)
def test_times(text: str, expected: str) -> None:
    """A date is the end of its day, of today it is now; without a zone it is UTC."""
    found = as_of_time(text, now=NOW)
    assert found is not None
    assert iso(found) == expected
    assert found.microsecond == 0


def test_nothing_is_now() -> None:
    """It is not asked of a time."""
    assert as_of_time(None, now=NOW) is None


@pytest.mark.parametrize("text", ["", "-", "-d", "30d", "+30d", "yesterday", "2026-13-01", "2026-03-32T00:00:00Z", "-999999w", "20260331", "-\u0663d"])
def test_what_is_no_time(text: str) -> None:
    """Is refused with what is accepted."""
    with pytest.raises(QuestionError, match=r"as_of is .*: accepted are a date such as 2026-11-23, a time such as 2026-11-23T09:43:04Z, or -30d"):
        as_of_time(text, now=NOW)


@pytest.mark.parametrize("text", ["2026-04-02", "2026-04-01T12:00:01Z", "9999-12-31"])
def test_what_is_still_to_come(text: str) -> None:
    """Nobody has seen it."""
    with pytest.raises(QuestionError, match="which is still to come: accepted is a time that is over"):
        as_of_time(text, now=NOW)
