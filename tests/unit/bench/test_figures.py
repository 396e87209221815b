# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the bench turns what it measured into lines and tables."""

from __future__ import annotations

import pathlib
import re

import pytest

from ansible_collections.certops.fleet.tests.bench.figures import HEAD, Figure, Goal, line, markdown, replaced, rounded, scaled, spread

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("goal", "ours", "other", "ratio", "met"),
    [
        (Goal("at most", 0.8), (3.0, 1.0, 2.0), (4.0,), 0.5, True),
        (Goal("at most", 0.8), (4.0,), (4.0,), 1.0, False),
        (Goal("at most", 0.8), (4.0,), (5.0,), 0.8, True),
        (Goal("at least", 6), (0.5,), (2.0, 3.0, 9.0), 6.0, True),
        (Goal("at least", 6), (1.0,), (5.9,), 5.9, False),
    ],
)
def test_ratio_is_that_of_the_medians(goal: Goal, ours: tuple[float, ...], other: tuple[float, ...], ratio: float, met: bool) -> None:
    """`at most` counts in units of the other side, `at least` in units of ours."""
    figure = Figure("it", ours, other, goal)
    assert figure.ratio == pytest.approx(ratio)
    assert goal.met(figure.ratio) is met
    assert figure.cells()[-1] == ("yes" if met else "no")


def test_line_has_what_both_sides_took_and_the_goal() -> None:
    """Median, least and greatest of each side."""
    figure = Figure("discovery; ping", (1.0, 3.0, 2.0), (4.0,), Goal("at most", 0.8))
    assert line(figure.cells()) == "discovery; ping | 2 s (1 to 3) | 4 s | 0.5 | at most 0.8 | yes"
    assert len(figure.cells()) == len(HEAD)


def test_line_that_is_only_told_has_no_verdict() -> None:
    """What no goal is set for is neither met nor missed."""
    assert Figure("it", (1.0,), (1.0,), Goal("at most", 0.8), asked=False).cells()[-2:] == ("told only", "")


@pytest.mark.parametrize(("value", "text"), [(0.04321, "0.0432"), (1.0, "1"), (12.345, "12.3"), (99.96, "100"), (163.4, "163"), (12345.6, "12346")])
def test_numbers_have_three_digits(value: float, text: str) -> None:
    """And never an exponent."""
    assert rounded(value) == text


def test_one_value_has_no_spread() -> None:
    """A single run is its own median."""
    assert spread((0.5,), "s") == "0.5 s"
    assert spread((0.5, 0.7), "s") == "0.6 s (0.5 to 0.7)"


def test_scaling_counts_the_start_of_a_run_once() -> None:
    """A run of 1 item takes 3 s, one of 101 items 43 s: 1,000 items take 2.6 s to start and 0.4 s each."""
    assert scaled((1, 3.0), (101, 43.0), 1000) == pytest.approx(402.6)


def test_scaling_needs_two_points() -> None:
    """Two runs of as many items show no slope."""
    with pytest.raises(ValueError, match="a line needs two numbers of items that differ, got 5 twice"):
        scaled((5, 1.0), (5, 2.0), 10)


def test_table_of_a_page() -> None:
    """A bar in a text does not add a column."""
    assert markdown(("a", "b"), [("x|y", "1")]) == "| a | b |\n| --- | --- |\n| x/y | 1 |"


def test_page_gets_its_new_figures_and_keeps_the_rest() -> None:
    """Only what stands between the comments is replaced, as often as one likes."""
    page = "before\n<!-- bench: one -->\nold\n<!-- bench: end -->\nafter\n<!-- bench: two -->\nkept\n<!-- bench: end -->\n"
    wanted = page.replace("old", "new\nlines")
    assert replaced(page, "one", "new\nlines") == wanted
    assert replaced(wanted, "one", "new\nlines") == wanted


@pytest.mark.parametrize("page", ["no place", "<!-- bench: one -->\nnever ended"])
def test_page_without_a_place_is_refused(page: str) -> None:
    """Figures are never appended somewhere."""
    with pytest.raises(ValueError, match="the page has no place between '<!-- bench: one -->'"):
        replaced(page, "one", "text")


def test_the_real_page_has_all_places() -> None:
    """The comments that the bench writes between are in docs/speed.md."""
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    assert re.findall(r"<!-- bench: (\w+) -->", page) == ["figures", "end", "growth", "end", "nights", "end"]
