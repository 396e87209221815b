# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a large fleet, and a browser that shows it. Pictures are kept in the folder that PICTURES names."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._report.content import Report
from ansible_collections.certops.fleet.tests.browser import estate
from ansible_collections.certops.fleet.tests.browser.chromium import Browser, find_chromium
from ansible_collections.certops.fleet.tests.browser.page import Page

TOLD: list[str] = []


def pytest_terminal_summary(terminalreporter: t.Any) -> None:
    for line in TOLD:
        terminalreporter.write_line(f"browser: {line}")


@pytest.fixture(name="report", scope="session")
def _report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, pathlib.Path]:
    folder = tmp_path_factory.mktemp("estate")
    return estate.build(folder), folder / "report" / "index.html"


@pytest.fixture(name="chromium", scope="session")
def _chromium() -> str:
    path = find_chromium()
    if path is None:
        pytest.skip("there is no chromium")
    return path


@pytest.fixture(name="browser", scope="session")
def _browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Browser]:
    browser = Browser(chromium, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(name="pictures", scope="session")
def _pictures(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = pathlib.Path(os.environ.get("PICTURES") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(name="page")
def _page(browser: Browser, report: tuple[Report, pathlib.Path], pictures: pathlib.Path) -> t.Iterator[Page]:
    """The report, opened anew; whatever a test does with it, nothing else is asked for and nothing fails."""
    built, path = report
    browser.screen(1440, 900)
    browser.open(path.as_uri())
    yield Page(browser, built, path.as_uri(), pictures)
    asked = {event["request"]["url"] for event in browser.events["Network.requestWillBeSent"]}
    assert asked == {path.as_uri()}
    assert not browser.events["Runtime.exceptionThrown"]
    assert not browser.events["Log.entryAdded"]


@pytest.fixture(name="tell")
def _tell() -> t.Callable[[str], None]:
    """Takes a line that is printed at the end."""
    return TOLD.append
