# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A graph as SVG: columns from the root on the left to the owner on the right. Nothing in it is loaded from anywhere, and what others wrote is text."""

from __future__ import annotations

import html

from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.graph import COLUMNS, Graph, Node

MOST = 60  # nodes of a column
_WIDTH, _HEIGHT, _GAP, _STEP, _TOP = 180, 22, 60, 30, 50
_TEXT = 26  # characters in a box
_STYLE = (
    "text{font:12px sans-serif;fill:#1b1b1b}.h{font-weight:bold}.b{fill:#fff;stroke:#5b6b7b}.owner{fill:#e4f0e4}.certificate{fill:#e4ecf6}"
    ".e{fill:none;stroke:#9aa7b4}"
)


def picture(graph: Graph, title: str) -> str:
    """The same text for the same graph."""
    columns = _columns(graph)
    at = {node: (x, y) for x, nodes in enumerate(columns.values()) for y, (node, _label) in enumerate(nodes)}
    width = len(columns) * (_WIDTH + _GAP) + 10
    height = _TOP + (max((len(nodes) for nodes in columns.values()), default=0) + 1) * _STEP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
        f"<title>{_escaped(title)}</title>",
        f"<style>{_STYLE}</style>",
        *(_edge(at[one], at[other]) for one, other in graph.edges if one in at and other in at),
    ]
    for x, (kind, nodes) in enumerate(columns.items()):
        lines.append(f'<text class="h" x="{_left(x)}" y="30">{_escaped(kind.replace("_", " "))}</text>')
        lines += [_box(kind, label, x, y) for y, (_node, label) in enumerate(nodes)]
        hidden = sum(node[0] == kind for node in graph.labels) - len(nodes)
        if hidden:
            lines.append(f'<text x="{_left(x)}" y="{_top(len(nodes)) + 15}">… {hidden} more</text>')
    return "\n".join([*lines, "</svg>", ""])


def _columns(graph: Graph) -> dict[str, list[tuple[Node, str]]]:
    """The columns that have nodes, with the first ones of them."""
    columns: dict[str, list[tuple[Node, str]]] = {kind: [] for kind in COLUMNS}
    for node, label in graph.labels.items():
        if len(columns[node[0]]) < MOST:
            columns[node[0]].append((node, label))
    return {kind: nodes for kind, nodes in columns.items() if nodes}


def _left(x: int) -> int:
    return 10 + x * (_WIDTH + _GAP)


def _top(y: int) -> int:
    return _TOP + y * _STEP


def _edge(one: tuple[int, int], other: tuple[int, int]) -> str:
    begin, end = (_left(one[0]) + _WIDTH, _top(one[1]) + _HEIGHT // 2), (_left(other[0]), _top(other[1]) + _HEIGHT // 2)
    middle = (begin[0] + end[0]) // 2
    return f'<path class="e" d="M{begin[0]} {begin[1]}C{middle} {begin[1]} {middle} {end[1]} {end[0]} {end[1]}"/>'


def _box(kind: str, label: str, x: int, y: int) -> str:
    short = label if len(label) <= _TEXT else f"{label[: _TEXT - 1]}…"
    box = f'<rect class="b {kind}" x="{_left(x)}" y="{_top(y)}" width="{_WIDTH}" height="{_HEIGHT}" rx="3"/>'
    return f'<g>{box}<text x="{_left(x) + 6}" y="{_top(y) + 15}">{_escaped(short)}</text><title>{_escaped(label)}</title></g>'


def _escaped(text: str) -> str:
    """As text of XML; characters that XML cannot hold, and those that turn the direction of writing, are replaced."""
    return html.escape("".join(character if character.isprintable() else "�" for character in text))
