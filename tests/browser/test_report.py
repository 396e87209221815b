# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as a reader has it in front of him."""

from __future__ import annotations

import contextlib
import pathlib
import re
import typing as t
from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._report.content import ALARMED, Report, Row
from ansible_collections.certops.fleet.plugins.plugin_utils._report.formats import to_html
from ansible_collections.certops.fleet.tests.browser.chromium import Browser, BrowserError
from ansible_collections.certops.fleet.tests.browser.estate import HOSTILE
from ansible_collections.certops.fleet.tests.browser.page import Page

COLUMNS = ("status", "days_remaining", "name", "host", "path", "services", "not_after", "key", "issuer", "class")
BARS = ((-(10**6), 0), (0, 7), (7, 30), (30, 60), (60, 90), (90, 180), (180, 365), (365, 10**6))
PRINTED = 1000
# The least contrast of a text colour with the colour behind it.
CONTRAST = """(() => {
  const channels = text => text.match(/[\\d.]+/g).map(Number);
  const linear = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = text => { const [r, g, b] = channels(text).map(linear); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = node => getComputedStyle(node).backgroundColor;
  const behind = node => channels(ground(node))[3] === 0 ? behind(node.parentElement) : ground(node);
  const hasText = node => node.checkVisibility() && [...node.childNodes].some(child => child.nodeType === 3);
  const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const texts = [...document.querySelectorAll('header *, main *')].filter(hasText);
  return Math.min(...texts.map(node => contrast(light(getComputedStyle(node).color), light(behind(node)))));
})()"""
# Sixty frames in a row.
SCROLL = """(async () => {
  const sheet = document.getElementById('sheet');
  for (let n = 0; n < 60; n++) { sheet.scrollTop += %d; await new Promise(requestAnimationFrame); }
})()"""


def alarmed(report: Report) -> list[Row]:
    return [place for place in report.places if place["class"] in ALARMED]


def told(report: Report, rows: t.Sequence[Row]) -> str:
    """What stands beside the filters when these places are shown."""
    certificates = len({row["sha256"] for row in rows})
    return f"{len(rows):,} of {len(report.places):,} places, {certificates:,} certificate{'s' if certificates > 1 else ''}" if rows else "No place matches."


def texts(browser: Browser, selector: str) -> list[str]:
    found: list[str] = browser.run(f"[...document.querySelectorAll({selector!r})].map(node => node.textContent)")
    return found


def test_the_network_is_cut(chromium: str, report: tuple[Report, pathlib.Path], tmp_path: pathlib.Path) -> None:
    """What the other tests take for silence is no accident: the page may not ask for anything, and this browser could not reach it."""
    refused = "new Promise(done => { addEventListener('securitypolicyviolation', event => done(event.violatedDirective)); fetch('data:,').catch(() => 0); })"
    with contextlib.closing(Browser(chromium, tmp_path)) as browser:  # one of its own, because a log goes from page to page
        browser.open(report[1].as_uri())
        assert browser.run(refused) == "connect-src"
        with pytest.raises(BrowserError, match=r"ERR_PROXY_CONNECTION_FAILED"):
            browser.open("http://203.0.113.9/")


def test_figures(page: Page) -> None:
    """How many hosts were scanned completely comes first, and where some were not, they are named with the reason."""
    figures = page.report.figures
    shown = texts(page.browser, "#figures b")
    assert shown[0] == f"{figures['hosts_complete']:,} of {figures['hosts_known']:,}"
    assert shown[1:] == [f"{figures[name]:,}" for name in ("certificates", "expired", "warning", "not_loaded", "unknown", "places")]
    assert texts(page.browser, "#unseen li")[0] == "dead1.example.com (production) Failed to connect to the host via ssh: no route to host"


def test_not_loaded(page: Page) -> None:
    """An alarm of its own, with host, service, port and both certificates."""
    assert page.report.figures["not_loaded"] == len(HOSTILE)
    rows = texts(page.browser, "#stale tbody tr")
    assert len(rows) == len(HOSTILE)
    for row, stale in zip(rows, page.report.not_loaded, strict=True):
        assert stale["loaded"]["sha256"] in row
        assert stale["on_disk"][0]["sha256"] in row
        assert str(stale["port"]) in row


def test_locked(page: Page) -> None:
    """Stores that stayed closed stand below the hosts, with the reason."""
    assert len(page.report.locked) == len(HOSTILE)
    assert all("no password is given" in row for row in texts(page.browser, "#locked tbody tr"))


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(minutes=1), "1 minute old"),
        (timedelta(hours=5), "5 hours old"),
        (timedelta(days=3), "3 days old"),
        (timedelta(days=8), "8 days old: write it again"),
    ],
)
def test_age(browser: Browser, tmp_path: pathlib.Path, age: timedelta, text: str) -> None:
    """It says how old it is, and after a week that it is too old; an empty inventory makes a page, too."""
    generated = (datetime.now(timezone.utc) - age).strftime("%Y-%m-%dT%H:%M:%SZ")
    figures = dict.fromkeys(("hosts_complete", "hosts_known", "certificates", "expired", "warning", "unknown", "places", "places_all"), 0)
    path = tmp_path / "index.html"
    path.write_text(to_html(Report(generated, figures, (), ())), encoding="utf-8")
    browser.open(path.as_uri())
    assert texts(browser, "#age") == [text]
    assert texts(browser, "#places tbody td.nothing") == ["The inventory holds no place yet."]
    assert browser.run("['stale', 'locked'].every(id => !document.getElementById(id).checkVisibility())")


def test_chart(page: Page) -> None:
    """It counts certificates, each once; a bar shows their places, and a second click all of them."""
    ends = {place["sha256"]: place["days_remaining"] for place in alarmed(page.report) if place["days_remaining"] is not None}
    assert texts(page.browser, "#bars b") == [f"{sum(low <= days < high for days in ends.values()):,}" for low, high in BARS]
    page.browser.click("#bars li:nth-child(3) button")
    within = [place for place in alarmed(page.report) if place["days_remaining"] is not None and 7 <= place["days_remaining"] < 30]
    assert page.count == told(page.report, within)
    page.browser.click("#bars li:nth-child(3) button")
    assert page.count == told(page.report, alarmed(page.report))


def test_search(page: Page) -> None:
    """Typing finds in every word of a place; nothing found is said, and Clear brings all back."""
    page.search("NGINX shop1")
    found = [place for place in alarmed(page.report) if "nginx" in place["services"] and "shop1" in f"{place['name']} {place['host']} {place['path']}"]
    assert page.count == told(page.report, found)
    page.search(" nowhere")
    assert page.count == "No place matches."
    assert texts(page.browser, "#places tbody td.nothing") == ["No place matches."]
    page.browser.click("#clear")
    assert page.count == told(page.report, alarmed(page.report))
    assert page.focus() == "search"


def test_search_by_fingerprint(page: Page) -> None:
    """As openssl prints it, too."""
    sha256 = alarmed(page.report)[500]["sha256"]
    page.search(":".join(re.findall("..", sha256.upper())))
    assert page.count == told(page.report, [place for place in alarmed(page.report) if place["sha256"] == sha256])


def natural(text: str) -> str:
    return re.sub(r"\d+", lambda digits: digits[0].zfill(12), text.lower())


@pytest.mark.parametrize("column", COLUMNS)
def test_sort(page: Page, column: str) -> None:
    """By every column both ways; numbers count as numbers, and what is empty comes last both ways."""
    index = COLUMNS.index(column)
    page.choose("class", "")
    sides = {}
    for direction in ("ascending", "descending") if column != "days_remaining" else ("descending", "ascending"):
        page.browser.click(f"#places th[data-column={column}] button")
        states = {head: page.browser.run(f"document.querySelector('#places th[data-column={head}]').ariaSort") for head in COLUMNS}
        assert states == {**dict.fromkeys(COLUMNS, "none"), column: direction}
        sides[direction] = [row[index] for row in page.rows()]
    key: t.Callable[[str], t.Any] = int if column == "days_remaining" else natural
    assert sides["ascending"] == sorted(sides["ascending"], key=key)
    assert sides["descending"] == sorted(sides["descending"], key=key, reverse=True)
    assert key(sides["ascending"][0]) < key(sides["descending"][0])
    assert "" not in sides["ascending"] + sides["descending"]


def test_filters(page: Page) -> None:
    """Each alone, then all together, then none."""
    rows, host = alarmed(page.report), "api2.example.com (production)"
    alone = {
        ("status", "expired"): [row for row in rows if row["status"] == "expired"],
        ("status", "unknown"): [row for row in rows if row["status"] is None],
        ("ends", "4"): [row for row in rows if row["days_remaining"] is not None and 60 <= row["days_remaining"] < 90],
        ("class", "backup"): [row for row in page.report.places if row["class"] == "backup"],
        ("host", host): [row for row in rows if row["host"] == "api2.example.com"],
    }
    for (field, value), expected in alone.items():
        page.choose(field, value)
        assert page.count == told(page.report, expected)
        page.browser.click("#clear")
    for field, value in (("status", "ok"), ("class", "in_use"), ("host", host)):
        page.choose(field, value)
    page.search("haproxy")
    own = [row for row in rows if row["host"] == "api2.example.com" and row["class"] == "in_use" and row["status"] == "ok"]
    assert page.count == told(page.report, [row for row in own if row["services"] == ["haproxy"]])
    page.browser.click("#clear")
    assert page.count == told(page.report, rows)
    assert page.browser.run("document.getElementById('clear').hidden")


def test_keyboard_order(page: Page) -> None:
    """Tab goes through the bars, the table of the alarm, the filters, the heads and one row; what has the focus is seen."""
    seen = []
    for _step in range(26):
        page.browser.press("Tab")
        seen.append(page.focus())
    filters, heads = ["search", "status", "ends", "class", "host"], [f"head {name}" for name in COLUMNS]
    assert seen[: 8 + 1 + 5 + 10 + 1] == ["bar"] * 8 + ["DIV"] + filters + heads + ["row 0"]
    page.browser.press("Tab", shift=True)
    page.browser.press("/")
    assert page.focus() == "search"
    assert page.browser.run("document.getElementById('search').value") == ""


def test_keyboard_heads(page: Page) -> None:
    """Enter and Space sort."""
    page.browser.run("document.querySelector('#places th[data-column=name] button').focus()")
    for key, direction in (("Enter", "ascending"), (" ", "descending")):
        page.browser.press(key)
        assert page.browser.run("document.querySelector('#places th[data-column=name]').ariaSort") == direction
        assert page.focus() == "head name"


def test_keyboard_rows(page: Page) -> None:
    """Arrows, Page and End move through all rows; Enter shows one whole, Escape comes back to it."""
    last = len(alarmed(page.report)) - 1
    page.browser.press("/")
    for _step in range(4 + 10 + 1):
        page.browser.press("Tab")
    for key, row in (("ArrowDown", 1), ("ArrowUp", 0), ("ArrowUp", 0), ("End", last), ("ArrowUp", last - 1), ("Home", 0)):
        page.browser.press(key)
        assert page.focus() == f"row {row}"
    page.browser.run("document.getElementById('sheet').scrollTop = 150000")
    page.browser.wait("document.activeElement.closest('tr[data-index]')?.dataset.index > 1000")
    page.browser.press("Home")
    page.browser.press("PageDown")
    active = page.focus()
    assert int(active.removeprefix("row ")) > 10
    page.browser.press("Enter")
    assert page.browser.run("document.getElementById('detail').open")
    page.browser.press("Escape")
    assert page.focus() == active


def test_one_place(page: Page) -> None:
    """The whole of it, with where else the certificate is, and the way there."""
    place = next(place for place in alarmed(page.report) if place["name"] == "Example Root 3")
    same = [other for other in page.report.places if other["sha256"] == place["sha256"]]
    page.search(place["sha256"])
    page.browser.click("#places tr[data-index='0'] td:nth-child(5)")
    shown = dict(zip(texts(page.browser, "#facts dt"), texts(page.browser, "#facts dd"), strict=True))
    assert (shown["SHA-256"], shown["Serial"], shown["State"]) == (place["sha256"], place["serial"], "ok")
    assert shown["Also at"].endswith(f"and {len(same) - 1 - 20:,} more")
    page.browser.picture(page.pictures / "place.png")
    page.browser.click("#others")
    assert page.count == told(page.report, same)


def test_what_hangs_on_a_ca(page: Page, tell: t.Callable[[str], None]) -> None:
    """A line for each with what it reaches, the CAs below it counted in; its picture is drawn at once, for all places, and names whom to call."""
    rows = alarmed(page.report)
    assert texts(page.browser, "#authorities tbody td:first-child")[0] == "Example Root CA"
    assert len(texts(page.browser, "#authorities tbody tr")) == 5
    cells = texts(page.browser, "#authorities tbody tr:first-child td")
    signed = [row for row in rows if row["authority"] is not None]
    free = f"{sum(row['owner'] is None for row in signed):,}"
    assert cells[1:4] + cells[6:] == ["root", f"{len({row['sha256'] for row in signed}):,}", f"{len(signed):,}", free]
    tell(f"what hangs on a CA: {page.browser.longest_task(lambda: page.browser.click('#authorities tbody tr:first-child button')):.0f} ms of the processor")
    heads = texts(page.browser, "#picture .head")
    assert heads == ["Asked", "CAs below", "Services", "Hosts", "Owners"]
    assert texts(page.browser, "#picture .asked svg") == ["Example Root CA"]
    assert len(texts(page.browser, "#picture g")) <= 1 + 4 * 14
    assert page.browser.run("document.querySelectorAll('#picture path').length") < 1000
    assert texts(page.browser, "#call dt")[-1] == "nobody"
    assert "1@example.com" in " ".join(texts(page.browser, "#call dd"))
    assert "<script>document.title='broken'</script>" in " ".join(texts(page.browser, "#picture title"))
    page.browser.picture(page.pictures / "radius.png")
    page.browser.press("Escape")
    assert not page.browser.run("document.getElementById('radius').open")


def test_what_hangs_on_a_certificate(page: Page) -> None:
    """From where it is shown: the CAs above it, and where it lies, also on a narrow and dark screen."""
    place = next(place for place in alarmed(page.report) if place["name"] == "Example Root 3")
    page.browser.screen(400, 900, dark=True)
    page.search(place["sha256"])
    page.browser.click("#places tr[data-index='0'] td:nth-child(3)")
    page.browser.click("#hangs")
    assert texts(page.browser, "#picture .head") == ["Above", "Asked", "Places", "Services", "Hosts", "Owners"]
    above = [authority["name"] for authority in page.report.authorities if authority["root"]]
    assert texts(page.browser, "#picture g:first-of-type svg") == above
    assert texts(page.browser, "#radius-told")[0].startswith("1 certificate, ")
    assert page.browser.run("document.documentElement.scrollWidth <= innerWidth")
    page.browser.picture(page.pictures / "radius-narrow.png")
    page.browser.click("#radius-close")


def test_hostile_text_stays_text(page: Page) -> None:
    """It adds no element, and what is not seen or turns the text is written out."""
    page.search("\u2039u+202e\u203a")
    names = [row[2] for row in page.rows()]
    assert names == ["paypal\u2039U+202E\u203agro.live\u2039U+202C\u203a.example"]
    page.browser.click("#clear")
    page.search("script")
    page.browser.click("#places tr[data-index='0']")
    assert "<script>document.title='broken'</script>" in " ".join(texts(page.browser, "dd"))
    assert page.browser.run("[document.title, document.scripts.length, document.images.length]") == ["Certificates of the fleet", 2, 0]


def test_print(page: Page) -> None:
    """Paper shows no control, the asked rows up to a number that it states, and light colours; the screen is as before."""
    expired = [place for place in alarmed(page.report) if place["status"] == "expired"]
    page.browser.screen(1440, 900, dark=True)
    page.browser.pdf(page.pictures / "all.pdf")
    assert texts(page.browser, "#printed")[0].endswith(f"Printed are the first {PRINTED:,}; all are in places.csv beside this page.")
    assert len(page.rows()) < 150
    page.choose("status", "expired")
    page.browser.run("dispatchEvent(new Event('beforeprint'))")
    page.browser.call("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert len(page.rows()) == len(expired)
    assert texts(page.browser, "#printed") == [f"{told(page.report, expired)}; status: expired; class: in use or installed; sorted by: Days."]
    assert page.browser.run("[...document.querySelectorAll('input, select, .tools button, th button')].every(node => !node.checkVisibility())")
    assert page.browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.browser.pdf(page.pictures / "expired.pdf")
    pages = [(page.pictures / name).read_bytes().count(b"/Type /Page\n") for name in ("expired.pdf", "all.pdf")]
    assert 1 < pages[0] < pages[1] < PRINTED / 8
    page.browser.call("Emulation.setEmulatedMedia", media="")


SCREENS = [("light", 1440, 1, False), ("dark", 1440, 1, True), ("narrow", 400, 1, False), ("zoomed", 1280, 2, False)]


@pytest.mark.parametrize(("name", "width", "zoom", "dark"), SCREENS)
def test_screens(page: Page, name: str, width: int, zoom: float, dark: bool) -> None:
    """Nothing but the tables goes beyond the side; every text stands out from its ground (WCAG 2.2, 1.4.3)."""
    page.browser.screen(width, 900, zoom=zoom, dark=dark)
    assert page.browser.run("document.documentElement.scrollWidth <= innerWidth")
    assert page.browser.run(CONTRAST) >= 4.5
    page.browser.picture(page.pictures / f"{name}.png")
    page.browser.run("document.getElementById('places-title').scrollIntoView()")
    page.browser.picture(page.pictures / f"{name}-places.png")
    page.browser.run("scrollTo(0, document.documentElement.scrollHeight)")
    page.browser.picture(page.pictures / f"{name}-end.png")


def test_accessibility(page: Page) -> None:
    """A reader who hears the page finds landmarks, a table with all its rows counted, heads that say how they sort, and named fields."""
    nodes = page.browser.call("Accessibility.getFullAXTree")["nodes"]
    named = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if "role" in node and not node["ignored"]}
    wanted = {("main", ""), ("table", "Places"), ("table", "Hosts"), ("searchbox", "Search /"), ("columnheader", "Name"), ("region", "When they end")}
    wanted |= {("combobox", name) for name in ("State", "Ends", "Class", "Host")}
    assert not wanted - named
    assert not {name for role, name in named if role in {"button", "combobox", "searchbox", "table"} and not name}
    assert page.browser.run("document.getElementById('places').ariaRowCount") == str(len(alarmed(page.report)) + 1)
    assert page.browser.run("document.querySelector('#places tr[data-index]').ariaRowIndex") == "2"


def plain(report: Report) -> str:
    """The same rows with nothing to help: what a browser does with a table of this size."""
    rows = "".join(f"<tr>{''.join(f'<td>{index}.{column}</td>' for column in COLUMNS)}</tr>" for index in range(len(report.places)))
    return f"<!doctype html><meta charset=utf-8><title>plain</title><table>{rows}</table>"


def test_twenty_thousand_places(page: Page, tmp_path: pathlib.Path, tell: t.Callable[[str], None]) -> None:
    """Loading, scrolling, typing and sorting hold the browser a small part of the time that the plain table of the same rows does."""
    browser, path = page.browser, tmp_path / "plain.html"
    path.write_text(plain(page.report), encoding="utf-8")
    size = f"{len(page.report.places):,} places"
    work: dict[str, t.Callable[[], t.Any]] = {
        f"a plain table of {size}, loaded": lambda: browser.open(path.as_uri()),
        "the report, loaded": lambda: browser.open(page.url),
        "scrolled by 100 pixels a frame": lambda: browser.run(SCROLL % 100),
        "scrolled by 3000 pixels a frame": lambda: browser.run(SCROLL % 3000),
        "typed into": lambda: page.search("shop1 nginx"),
        "sorted by name": lambda: browser.click("#places th[data-column=name] button"),
        "sorted by name again": lambda: browser.click("#places th[data-column=name] button"),
    }
    longest = {}
    for name, act in work.items():
        longest[name] = browser.longest_task(act)
        tell(f"{name}: longest task {longest[name]:.0f} ms of the processor")
    browser.call("HeapProfiler.collectGarbage")
    memory, file = browser.metrics(), pathlib.Path(page.url.removeprefix("file://")).stat().st_size
    tell(f"memory of the script {memory['JSHeapUsedSize'] / 2**20:.0f} MiB, {memory['Nodes']:,.0f} nodes, {file / 2**20:.1f} MiB of file")
    whole, *others = longest.values()
    assert max(others) < whole
    assert longest["scrolled by 100 pixels a frame"] < whole / 10
    assert len(page.rows()) < 150
