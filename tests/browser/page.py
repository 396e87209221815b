# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reader does with the report."""

from __future__ import annotations

import dataclasses
import pathlib

from ansible_collections.certops.fleet.plugins.plugin_utils._report.content import Report
from ansible_collections.certops.fleet.tests.browser.chromium import Browser


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """The report in the browser, as it was written (C(report)) and as it is shown."""

    browser: Browser
    report: Report
    url: str
    pictures: pathlib.Path

    @property
    def count(self) -> str:
        return str(self.browser.run("document.getElementById('count').textContent"))

    def rows(self) -> list[list[str]]:
        """The texts of the rows that are in the document."""
        rows: list[list[str]] = self.browser.run(
            "[...document.querySelectorAll('#places tr[data-index]')].map(row => [...row.cells].map(cell => cell.textContent))"
        )
        return rows

    def choose(self, field: str, value: str) -> None:
        """As a user does who opens the list and takes an entry."""
        where = f"document.getElementById({field!r})"
        self.browser.run(f"{where}.value = {value!r}; {where}.dispatchEvent(new Event('change', {{bubbles: true}}))")
        self.browser.settle()

    def search(self, text: str) -> None:
        """Types and waits for the answer."""
        before = self.count
        self.browser.click("#search")
        self.browser.type(text)
        self.browser.wait(f"document.getElementById('count').textContent !== {before!r}")

    def focus(self) -> str:
        """What has the focus, in one word, provided that one sees it."""
        script = """(() => { const node = document.activeElement;
            if (!node.matches(':focus-visible') || getComputedStyle(node).outlineStyle === 'none') return 'not visible: ' + node.outerHTML.slice(0, 80);
            const head = node.closest('th'), row = node.closest('tr[data-index]');
            return node.id || (head ? 'head ' + head.dataset.column : row ? 'row ' + row.dataset.index : node.closest('#bars') ? 'bar' : node.tagName); })()"""
        return str(self.browser.run(script))
