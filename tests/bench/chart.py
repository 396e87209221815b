# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A chart of lines as SVG, drawn from numbers alone."""

from __future__ import annotations

import math
import typing as t
from html import escape

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 40, 48
COLOURS = ("#1f5fa8", "#c2571a", "#3c7d3c", "#7a4b99")
LICENCE = """<!--
Copyright (c) The certops.fleet developers
GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later
-->"""
STYLE = "text{font:13px sans-serif;fill:#222}.grid{stroke:#ddd}.axis{stroke:#444}polyline{fill:none;stroke-width:2}"

Points = t.Sequence[tuple[float, float]]


def step_of(greatest: float, steps: int = 5) -> float:
    """The distance of the marks of an axis: 1, 2 or 5 times a power of ten, so that there are at most `steps` of them up to `greatest`."""
    if greatest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(greatest / steps))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor * steps >= greatest * (1 - 1e-9))


def chart(title: str, horizontal: str, vertical: str, series: t.Mapping[str, Points]) -> str:
    """The SVG of named lines of points, both axes from zero."""
    marks_x = marks(max(x for points in series.values() for x, _y in points))
    marks_y = marks(max(y for points in series.values() for _x, y in points))
    place = _Place(marks_x[-1], marks_y[-1])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        LICENCE,
        f'<style>{STYLE}</style><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        _text(LEFT, TOP - 18, title),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, horizontal, "middle"),
        f'<g transform="rotate(-90 16 {HEIGHT / 2:g})">{_text(16, HEIGHT / 2, vertical, "middle")}</g>',
        *(_mark_x(place, x) for x in marks_x),
        *(_mark_y(place, y) for y in marks_y),
        *(_line(place, name, points, number) for number, (name, points) in enumerate(series.items())),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def marks(greatest: float) -> list[float]:
    """Where an axis from zero has marks; the last one is at or above the greatest value."""
    step = step_of(greatest)
    return [number * step for number in range(math.ceil(greatest / step - 1e-9) + 1)] if greatest > 0 else [0.0, step]


class _Place(t.NamedTuple):
    """Turns values into places of the picture."""

    greatest_x: float
    greatest_y: float

    def x(self, value: float) -> float:
        return LEFT + value / self.greatest_x * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - value / self.greatest_y * (HEIGHT - TOP - BOTTOM)


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _mark_x(place: _Place, value: float) -> str:
    x, bottom = place.x(value), HEIGHT - BOTTOM
    return f'<line class="axis" x1="{x:.1f}" y1="{bottom}" x2="{x:.1f}" y2="{bottom + 5}"/>' + _text(round(x, 1), bottom + 19, f"{value:g}", "middle")


def _mark_y(place: _Place, value: float) -> str:
    y, kind = place.y(value), "grid" if value else "axis"
    return f'<line class="{kind}" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>' + _text(LEFT - 6, round(y + 4, 1), f"{value:g}", "end")


def _line(place: _Place, name: str, points: Points, number: int) -> str:
    places = [(place.x(x), place.y(y)) for x, y in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    colour, legend = COLOURS[number % len(COLOURS)], TOP + 20 * number
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in (*places, (WIDTH - RIGHT + 14, legend)))
    return f'<polyline points="{path}" stroke="{colour}"/>{dots}' + _text(WIDTH - RIGHT + 24, legend + 4, name)
