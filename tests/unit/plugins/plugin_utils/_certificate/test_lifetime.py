# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows, jitter and clocks."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.lifetime import (
    Window,
    WindowError,
    clock_problem,
    effective_window,
    jitter,
    judged_now,
    parse_window,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("value", "window"),
    [
        (30, Window(days=30)),
        ("30", Window(days=30)),
        ("30d", Window(days=30)),
        ("0.5d", Window(days=0.5)),
        ("33%", Window(percent=33)),
        (" 10 % ", Window(percent=10)),
    ],
)
def test_window_is_read(value: object, window: Window) -> None:
    """Days and percentages are read in the forms users write."""
    assert parse_window(value, "renew_before") == window


@pytest.mark.parametrize("value", ["", "soon", "-1", 0, "100%", "0%", "nan", "inf", "{{ x }}", None, [], "12h"])
def test_bad_window_is_named(value: object) -> None:
    """What is no window is refused with its path and its value."""
    with pytest.raises(WindowError, match=r"^certops_certificates\[0\]\.renew_before must be .* got "):
        parse_window(value, "certops_certificates[0].renew_before")


@pytest.mark.parametrize(
    ("window", "lifetime", "days", "cut"),
    [
        (Window(days=30), 90 * DAY, 30, False),
        (Window(days=90), 90 * DAY, 30, True),
        (Window(days=89), 90 * DAY, 30, True),
        (Window(days=30), 3 * DAY, 1, True),
        (Window(percent=50), 90 * DAY, 45, False),
        (Window(percent=30), 1 * DAY, 0.3, False),
    ],
)
def test_long_window_counts_as_a_third(window: Window, lifetime: timedelta, days: float, cut: bool) -> None:
    """A window that a fresh certificate would be in within a day or two counts as a third of the lifetime."""
    effective, was_cut = effective_window(window, lifetime)
    assert effective.total_seconds() == pytest.approx(days * 86400)
    assert was_cut is cut


@given(st.text(), st.text(), st.integers(1, 10**6), st.integers(1, 100))
def test_jitter_is_stable_and_bounded(host: str, name: str, minutes: int, percent: int) -> None:
    """The same certificate always gets the same share, at most a tenth of the window and half of what is before it."""
    lifetime = timedelta(minutes=minutes)
    window = lifetime * (percent / 100)
    first = jitter(host, name, window, lifetime)
    assert first == jitter(host, name, window, lifetime)
    assert timedelta(0) <= first <= min(window / 10, (lifetime - window) / 2)


def test_jitter_spreads_a_fleet() -> None:
    """Two hundred hosts are not due in the same hour."""
    shares = {jitter(f"web{number}", "web", 30 * DAY, 90 * DAY) // timedelta(hours=1) for number in range(200)}
    assert len(shares) > 50


@given(st.floats(-24, 24))
def test_fresh_certificate_is_judged_at_its_beginning(hours: float) -> None:
    """However far, within a day, our clock is from the issuer's: just issued means at the beginning of its validity."""
    issued_at = NOW + timedelta(hours=hours)
    assert judged_now(issued_at, NOW, issued_at) == NOW


def test_unknown_issue_time_changes_nothing() -> None:
    """A certificate that we did not issue is judged by our clock."""
    assert judged_now(NOW, NOW - DAY, None) == NOW


@pytest.mark.parametrize(("host", "database", "named"), [(6, 0, "host 'web1'"), (-6, 0, "host 'web1'"), (0, 6, "inventory database")])
def test_clocks_that_differ_are_told_with_both_times(host: int, database: int, named: str) -> None:
    """More than five minutes between any two clocks: one sentence with both times."""
    told = clock_problem("web1", NOW, NOW + timedelta(minutes=host), NOW + timedelta(minutes=database))
    assert told is not None
    assert named in told
    assert "2026-11-23T12:00:00Z" in told


def test_clocks_that_agree() -> None:
    """Four minutes are borne."""
    assert clock_problem("web1", NOW, NOW + timedelta(minutes=4), NOW) is None
