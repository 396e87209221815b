# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents beside the report as a reader has them in front of him."""

from __future__ import annotations

import pathlib
import typing as t
from datetime import datetime, timezone

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._report.assemble import assembled
from ansible_collections.certops.fleet.plugins.plugin_utils._report.files import write_report
from ansible_collections.certops.fleet.plugins.plugin_utils._report.papers import NAMES
from ansible_collections.certops.fleet.plugins.plugin_utils._report.requirements import Settings
from ansible_collections.certops.fleet.tests.browser import estate
from ansible_collections.certops.fleet.tests.browser.chromium import Browser
from ansible_collections.certops.fleet.tests.browser.test_report import CONTRAST, texts

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Report and documents of a small estate, in which one host is hostile."""
    folder = tmp_path_factory.mktemp("documents")
    estate.build(folder, hosts=2, now=NOW)
    with open_inventory(f"sqlite:///{folder}/inventory.db", now=lambda: NOW, actor="tests") as inventory:
        report, papers = assembled(inventory, Settings(organisation=estate.HOSTILE[0]), NOW)
    write_report(str(folder / "report"), report, papers)
    return folder / "report"


@pytest.fixture(name="opened")
def _opened(browser: Browser, folder: pathlib.Path) -> t.Iterator[t.Callable[[str], None]]:
    """Opens a file of the report; nothing but the files that were opened is asked for, and nothing fails."""
    opened = []

    def show(name: str) -> None:
        opened.append((folder / name).as_uri())
        browser.screen(1440, 900)
        browser.open(opened[-1])

    yield show
    assert {event["request"]["url"] for event in browser.events["Network.requestWillBeSent"]} <= set(opened)
    assert not browser.events["Runtime.exceptionThrown"]
    assert not browser.events["Log.entryAdded"]


def test_the_first_page_links_to_them(browser: Browser, opened: t.Callable[[str], None]) -> None:
    """Above the figures, reached by the keyboard first, and not on paper."""
    opened("index.html")
    assert texts(browser, "#documents a:not([href$=md])") == list(NAMES.values())
    assert browser.run("document.querySelector('#documents a').getBoundingClientRect().bottom < document.getElementById('figures').getBoundingClientRect().top")
    browser.press("Tab")
    assert browser.run("document.activeElement.getAttribute('href')") == "policy.html"
    assert browser.run(CONTRAST) >= 4.5


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (360, False), (1440, True)])
@pytest.mark.parametrize("name", NAMES)
def test_screens(browser: Browser, opened: t.Callable[[str], None], pictures: pathlib.Path, name: str, *, width: int, dark: bool) -> None:
    """Nothing but the tables goes beyond the side, and hostile text is text."""
    opened(f"{name}.html")
    browser.screen(width, 900, dark=dark)
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    assert browser.run("document.title") == NAMES[name]
    assert estate.HOSTILE[0] in texts(browser, "dd")
    assert browser.run(CONTRAST.replace("header *, main *", "body *")) >= 4.5
    browser.picture(pictures / f"{name}-{width}{'-dark' if dark else ''}.png")


def test_hostile_certificates(browser: Browser, opened: t.Callable[[str], None]) -> None:
    """Each of their names is read in the register, as the report shows it; none of them became an element."""
    opened("register.html")
    cells = " ".join(texts(browser, "td"))
    assert all(text in cells for text in estate.HOSTILE if text.isprintable() and len(text) < 200)
    assert browser.run("document.querySelectorAll('script, img').length") == 0
