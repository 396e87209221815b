# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Papers as Markdown and as HTML. All text may be somebody else's: it stays text in both."""

from __future__ import annotations

import pathlib
import re
import typing as t
import unicodedata

import jinja2

from ansible_collections.certops.fleet.plugins.plugin_utils._report.formats import source_hash
from ansible_collections.certops.fleet.plugins.plugin_utils._report.papers import Block, Cell, Heading, Paper, Paragraph, Stated

PAGE = pathlib.Path(__file__).with_name("paper.html")
UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"}
# What begins something in CommonMark or in an extension of it, also a link that is recognised by its text.
_MARKUP = re.compile(r"[\\`*_\[\]{}~#$^@]|(?<=[a-zA-Z]):(?=//)|(?<=www)\.", re.IGNORECASE)
_FIRST = re.compile(r"^([-+=]|[0-9]+(?=[.)]))")


def shown(text: str) -> str:
    """What is not seen, ends a line or turns the text around it is written out."""
    if text.isprintable():  # nearly all of it is
        return text
    return "".join(f"\u2039U+{ord(one):04X}\u203a" if unicodedata.category(one) in UNSEEN else one for one in text)


def markdown_text(text: str) -> str:
    """Text for a line of its own or a cell."""
    plain = _MARKUP.sub(lambda match: f"\\{match[0]}", shown(text).strip())
    plain = _FIRST.sub(lambda match: f"{match[0]}\\" if match[0].isdigit() else f"\\{match[0]}", plain)
    return re.sub(r"[&<>|]", lambda match: _ENTITIES[match[0]], plain)


def lines_of(cell: Cell) -> tuple[str, ...]:
    return (cell,) if isinstance(cell, str) else cell


def _row(cells: t.Iterable[Cell]) -> str:
    return "| " + " | ".join("; ".join(markdown_text(line) for line in lines_of(cell) if line) for cell in cells) + " |"


def _markdown_block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"## {markdown_text(block.text)}"
    if isinstance(block, Paragraph):
        return markdown_text(block.text)
    if isinstance(block, Stated):
        notes = "\n".join(f"- {label}: {markdown_text(text)}" for label, text in block.notes)
        return f"**{block.number}** {markdown_text(block.sentence)}\n\n{notes}"
    return "\n".join((_row(block.heads), "|" + " --- |" * len(block.heads), *map(_row, block.rows)))


def to_markdown(paper: Paper) -> str:
    """GitHub's Markdown, which has tables."""
    facts = "\n".join(f"- {label}: {markdown_text(text)}" for label, text in paper.facts)
    return "\n\n".join((f"# {paper.title}", facts, *map(_markdown_block, paper.blocks))) + "\n"


def to_paper_html(paper: Paper) -> str:
    """A page that loads nothing, for the screen and for paper."""
    source = PAGE.read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(shown=shown, lines=lines_of)
    policy = f"default-src 'none'; style-src {source_hash(source, 'style')}; base-uri 'none'; form-action 'none'"
    return environment.from_string(source).render(paper=paper, policy=policy) + "\n"
