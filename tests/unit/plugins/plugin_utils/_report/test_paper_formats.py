# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Papers as Markdown and HTML: other readers see the same text, and nothing that others wrote becomes markup."""

from __future__ import annotations

import html.parser
import os
import pathlib
import stat
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.certops.fleet.plugins.plugin_utils._report.content import Report
from ansible_collections.certops.fleet.plugins.plugin_utils._report.files import ReportError, write_report
from ansible_collections.certops.fleet.plugins.plugin_utils._report.formats import to_html
from ansible_collections.certops.fleet.plugins.plugin_utils._report.paper_formats import shown, to_markdown, to_paper_html
from ansible_collections.certops.fleet.plugins.plugin_utils._report.papers import NAMES, Heading, Paper, Paragraph, Stated, Table

HOSTILE = (
    "<script>alert(1)</script>",
    "{{ 7*7 }} {% raw %} {# #} ${7*7}",
    "a | b || c",
    "two\nlines\r\n| a | row |",
    "Übermäßig 証明書 شهادة",
    "paypal\u202egro.live\u2066 \u200b\x00\ud800",
    "[link](http://203.0.113.9) ![picture](http://203.0.113.9/x) <http://203.0.113.9>",
    "**bold** _em_ `code` ~~gone~~ &amp; &#60;b&#62; \\",
    "# heading",
    "- item",
    "1. item",
    "=== --- +++",
    "\"quotes' -->",
)


def paper(text: str) -> Paper:
    """The text in every place of a paper where it can stand."""
    blocks = (Heading("A title"), Paragraph(text), Stated("CMP-1", text, (("Clauses", text),)), Table(("One", "Two"), ((text, (text, text)),)))
    return Paper("register", "A paper", (("Organisation", text),), blocks)


class Page(html.parser.HTMLParser):
    """Elements, and the text of what a reader sees."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.texts.append("")

    def handle_data(self, data: str) -> None:
        if self.texts:
            self.texts[-1] += data


def tokens(text: str) -> list[t.Any]:
    """What another program reads in Markdown, flat."""
    markdown_it = pytest.importorskip("markdown_it", reason="markdown-it-py, which comes with ansible-lint, is not there")
    found = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    return [inner for token in found for inner in (token, *(token.children or ()))]


def kinds(text: str) -> list[str]:
    return [token.type for token in tokens(text)]


def texts_of(text: str) -> list[str]:
    """The text of each line, paragraph and cell, entities and escapes resolved."""
    inline = [token for token in tokens(text) if token.type == "inline"]
    return ["".join(child.content for child in token.children) for token in inline]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_in_markdown(text: str) -> None:
    """It adds no token of any kind, and comes out as it is shown."""
    written = to_markdown(paper(text))
    assert kinds(written) == kinds(to_markdown(paper("plain")))
    seen = shown(text).strip()
    assert texts_of(written)[1:] == [f"Organisation: {seen}", "A title", seen, f"CMP-1 {seen}", f"Clauses: {seen}", "One", "Two", seen, f"{seen}; {seen}"]


@given(st.text())
def test_any_text_stays_text_in_markdown(text: str) -> None:
    """No text at all adds a token."""
    assert kinds(to_markdown(paper(f"x{text}"))) == kinds(to_markdown(paper("plain")))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_in_html(text: str) -> None:
    """It adds no element and no attribute, and comes out as it is shown."""
    written = Page(to_paper_html(paper(text)))
    assert written.elements == Page(to_paper_html(paper("plain"))).elements
    seen = [part for (tag, _attributes), part in zip(written.elements, written.texts, strict=True) if tag in ("dd", "td", "br")]
    assert [part.strip() for part in seen] == [shown(text).strip()] * 5


@given(st.text())
def test_any_text_stays_text_in_html(text: str) -> None:
    """No text at all adds an element."""
    assert Page(to_paper_html(paper(text))).elements == Page(to_paper_html(paper("plain"))).elements


def test_links_are_not_made_of_text() -> None:
    """GitHub makes links of what looks like one; they do not begin as it expects."""
    written = to_markdown(paper("https://203.0.113.9 www.example.com"))
    assert "https://" not in written
    assert "www.example" not in written


def test_a_paper_loads_nothing() -> None:
    """It links to the report alone, and its policy forbids to load and to run anything."""
    page = Page(to_paper_html(paper("x")))
    assert [attributes for _tag, attributes in page.elements if {"src", "href", "action"} & set(attributes)] == [{"href": "index.html"}]
    assert not [tag for tag, _attributes in page.elements if tag == "script"]
    policy = next(attributes["content"] for tag, attributes in page.elements if tag == "meta" and attributes.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


REPORT = Report("2026-11-23T12:00:00Z", {}, (), (), documents=tuple(NAMES.items()))


def test_the_page_links_to_the_papers() -> None:
    """In both formats, and to nothing where there are none."""
    links = [attributes["href"] for tag, attributes in Page(to_html(REPORT)).elements if tag == "a"]
    assert links == ["policy.html", "policy.md", "standard.html", "standard.md", "register.html", "register.md"]
    assert not [tag for tag, _attributes in Page(to_html(Report("2026-11-23T12:00:00Z", {}, (), ()))).elements if tag == "a"]


def test_files_of_papers(tmp_path: pathlib.Path) -> None:
    """Private, and left alone while their text is the same."""
    folder = str(tmp_path / "report")
    names = write_report(folder, REPORT, [paper("x")], write=False)
    assert not os.path.exists(folder)
    assert write_report(folder, REPORT, [paper("x")]) == names
    assert sorted(os.listdir(folder)) == ["index.html", "places.csv", "register.html", "register.md", "report.json"]
    assert {stat.S_IMODE(os.stat(path).st_mode) for path in names} == {0o600}
    before = {path: os.stat(path).st_ino for path in names}
    write_report(folder, REPORT, [paper("x")])
    assert {path: os.stat(path).st_ino for path in names} == before
    write_report(folder, REPORT, [paper("y")])
    assert {os.path.basename(path) for path in names if os.stat(path).st_ino != before[path]} == {"register.html", "register.md"}


def test_a_paper_that_cannot_be_written(tmp_path: pathlib.Path) -> None:
    """A folder in its place is one sentence, and the page that would link to it is not written."""
    (tmp_path / "register.md").mkdir()
    with pytest.raises(ReportError, match=r"^report '.*' cannot be written: Is a directory$"):
        write_report(str(tmp_path), REPORT, [paper("x")])
    assert not (tmp_path / "index.html").exists()
