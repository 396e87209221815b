# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The charts of the bench."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET

import pytest

from ansible_collections.certops.fleet.tests.bench.chart import HEIGHT, WIDTH, chart, marks, step_of

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("greatest", "step"), [(100, 20), (101, 50), (20, 5), (1, 0.2), (7, 2), (0.3, 0.1), (1234, 500), (0, 1)], ids=lambda value: f"{value:g}"
)
def test_marks_of_an_axis_are_round_numbers(greatest: float, step: float) -> None:
    """1, 2 or 5 times a power of ten, at most five of them above zero, the last at or above the greatest value."""
    assert step_of(greatest) == pytest.approx(step)
    found = marks(greatest)
    assert len(found) <= 6
    assert found[0] == 0
    assert found[-1] >= greatest * (1 - 1e-9)


def test_chart_is_a_picture_with_a_line_for_each_series() -> None:
    """It can be read as XML, and everything lies within it."""
    drawn = ET.fromstring(chart("Time", "hosts", "seconds", {"ping": [(10, 2), (100, 20)], "ours": [(10, 1), (100, 10)]}))
    lines = [line.attrib["points"] for line in drawn.iter(f"{SVG}polyline")]
    assert len(lines) == 2
    for x, y in (point.split(",") for line in lines for point in line.split()):
        assert 0 <= float(x) <= WIDTH
        assert 0 <= float(y) <= HEIGHT


def test_points_that_lie_on_a_line_are_drawn_on_a_line() -> None:
    """Both axes are linear and begin at zero."""
    (points,) = re.findall(r'points="([^"]+)"', chart("t", "x", "y", {"one": [(10, 3), (20, 6), (50, 15), (100, 30)]}))
    places = [tuple(float(value) for value in point.split(",")) for point in points.split()]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.pairwise(places)]
    assert slopes == pytest.approx([slopes[0]] * 3, rel=0.02)


def test_text_is_escaped() -> None:
    """A name with markup stays a name."""
    assert "a &lt;b&gt; &amp; c" in chart("a <b> & c", "x", "y", {"one": [(1, 1)]})
