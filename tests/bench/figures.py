# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured, as figures: medians, ratios, goals, and tables of them. Nothing here measures."""

from __future__ import annotations

import statistics
import typing as t
from dataclasses import dataclass

HEAD = ("what", "ours", "peer or floor", "ratio", "goal", "met")


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: seconds by the clock, seconds of processor, megabytes of the largest process."""

    seconds: float
    processor: float
    memory: float


@dataclass(frozen=True, slots=True)
class Goal:
    """`at most` bounds ours in units of the other, `at least` the other in units of ours: so many times faster."""

    kind: t.Literal["at most", "at least"]
    value: float

    def ratio(self, ours: float, other: float) -> float:
        return ours / other if self.kind == "at most" else other / ours

    def met(self, ratio: float) -> bool:
        return ratio <= self.value if self.kind == "at most" else ratio >= self.value

    def __str__(self) -> str:
        return f"{self.kind} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line: what was compared, the values of both sides in one unit, and the goal. `asked` is False for what is only told."""

    what: str
    ours: tuple[float, ...]
    other: tuple[float, ...]
    goal: Goal
    unit: str = "s"
    asked: bool = True

    @property
    def ratio(self) -> float:
        return self.goal.ratio(statistics.median(self.ours), statistics.median(self.other))

    def cells(self) -> tuple[str, ...]:
        """One text for each column of HEAD."""
        ratio = self.ratio
        verdict = "" if not self.asked else "yes" if self.goal.met(ratio) else "no"
        goal = str(self.goal) if self.asked else "told only"
        return self.what, spread(self.ours, self.unit), spread(self.other, self.unit), rounded(ratio), goal, verdict


def rounded(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(values: t.Sequence[float], unit: str) -> str:
    """The median, and the least and the greatest where there are several."""
    middle = f"{rounded(statistics.median(values))} {unit}"
    return middle if len(values) == 1 else f"{middle} ({rounded(min(values))} to {rounded(max(values))})"


def scaled(few: tuple[int, float], many: tuple[int, float], wanted: int) -> float:
    """The time of `wanted` items, on the line through two measured pairs of items and time: what a run costs before its first item counts once."""
    (few_items, few_seconds), (many_items, many_seconds) = few, many
    if few_items == many_items:
        raise ValueError(f"a line needs two numbers of items that differ, got {few_items!r} twice")
    return few_seconds + (wanted - few_items) * (many_seconds - few_seconds) / (many_items - few_items)


def line(cells: t.Sequence[str]) -> str:
    """One line of the table that is printed while the bench runs."""
    return " | ".join(cells)


def markdown(head: t.Sequence[str], rows: t.Iterable[t.Sequence[str]]) -> str:
    """A table for a page."""
    return "\n".join(f"| {line([cell.replace('|', '/') for cell in row])} |" for row in (head, ["---"] * len(head), *rows))


def replaced(page: str, name: str, text: str) -> str:
    """The page with another text between its comments `bench: NAME` and `bench: end`."""
    begin, end = f"<!-- bench: {name} -->\n", "\n<!-- bench: end -->"
    before, found, rest = page.partition(begin)
    _old, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no place between {begin.strip()!r} and {end.strip()!r}")
    return before + begin + text + end + after
