# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's content and its three formats."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import os
import pathlib
import stat
import typing as t
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.signers import Chains
from ansible_collections.certops.fleet.plugins.plugin_utils._report.content import build_report
from ansible_collections.certops.fleet.plugins.plugin_utils._report.files import ReportError, write_report
from ansible_collections.certops.fleet.plugins.plugin_utils._report.formats import csv_cell, to_csv, to_html, to_json

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
HOSTILE = '</script><script>alert(1)</script><!-- &amp; {{ 7*7 }} \u2028 \x00 \'"=HYPERLINK("x")'


def certificate(name: str, sha256: str = "a" * 64) -> dict[str, t.Any]:
    return {
        "sha256": sha256,
        "subject_ordered": [["organizationName", "Example"], ["commonName", name]],
        "subject_alt_name": [f"DNS:{name}"],
        "issuer_ordered": [["commonName", name]],
        "public_key_type": "ECC",
        "public_key_data": {"curve": "secp256r1", "exponent_size": 256},
        "serial": "1f",
        "problem": None,
    }


def place(**changes: t.Any) -> dict[str, t.Any]:
    row = {"sha256": "a" * 64, "namespace": "", "host": "web1", "path": "/etc/web.pem", "class": "in_use", "services": ["nginx"], "gone_at": None}
    return {**row, "status": "expired", "days_remaining": -3, "not_after": "2026-11-20T12:00:00Z", **changes}


HOSTS = [
    {"namespace": "", "host": "web1", "last_seen": "2026-11-23T11:00:00Z", "last_scan": {"complete": True, "ended": "2026-11-23T11:00:00Z"}},
    {"namespace": "", "host": "dead1", "last_seen": None, "last_scan": {"complete": False, "ended": "2026-11-23T11:00:00Z", "reason": "no route to host"}},
]


class Page(html.parser.HTMLParser):
    """The page as another reader sees it: its elements, and the text of its data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.data = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1] == ("script", {"type": "application/json", "id": "data"}) and not self.data:
            self.data = data


def report(name: str = "web.example.com", **changes: t.Any) -> t.Any:
    return build_report(HOSTS, [certificate(name)], [place(**changes), place(path="/gone", gone_at="2026-11-01T00:00:00Z")], NOW)


def test_hosts_with_equal_evidence_are_told() -> None:
    """Under the name that the inventory has for it."""
    hosts = [{**HOSTS[0], "equal_evidence": [{"namespace": "", "host": "web9", "evidence": ["machine_id"]}]}]
    assert build_report(hosts, [], [], NOW).hosts[0]["same_machine_as"] == ["web9"]


def test_the_ca_of_a_place() -> None:
    """Is a number in the list of CAs, in the JSON and in the data of the page; names of CAs are text there."""
    chains = Chains(({"sha256": "c" * 64, "name": HOSTILE, "root": True, "above": []},), {"a" * 64: 0})
    built = build_report(HOSTS, [certificate("web")], [place(), place(path="/other", sha256="b" * 64)], NOW, chains=chains)
    assert {row["path"]: row["authority"] for row in built.places} == {"/etc/web.pem": 0, "/other": None}
    assert json.loads(to_json(built))["authorities"][0]["name"] == HOSTILE
    page = Page(to_html(built))
    assert json.loads(page.data)["authorities"][0]["name"] == HOSTILE
    assert [tag for tag, _attributes in page.elements].count("script") == 2


def test_content() -> None:
    """Hosts scanned completely of hosts known is the first figure, and what is gone is left out."""
    built = report()
    assert built.figures["hosts_complete"] == 1
    assert built.figures["hosts_known"] == 2
    assert built.figures["expired"] == 1
    assert built.figures["unknown"] == 0
    assert [row["path"] for row in built.places] == ["/etc/web.pem"]
    assert built.hosts[1]["reason"] == "no route to host"


def service(**changes: t.Any) -> dict[str, t.Any]:
    """A service as the inventory has it, whose one listener serves something else than its file holds."""
    look = {"address": "127.0.0.1", "port": 443, "protocol": "tls", "name": "web.example.com", "sha256": "b" * 64, "not_after": 1795435200}
    own = {"namespace": "", "host": "web1", "name": "nginx", "gone_at": None, "served": [{**look, "state": "not_loaded", "error": None}]}
    uses = [{"certificate": "/etc/web.pem", "store": None, "listeners": [0]}, {"certificate": "/etc/other.pem", "store": None, "listeners": [1]}]
    return {**own, "uses": uses, "listeners": [{"address": "127.0.0.1", "port": port} for port in (443, 8443)], **changes}


def stale(*services: dict[str, t.Any]) -> t.Any:
    """A file of two certificates, the issuer's found first, and another file."""
    places = [place(sha256="c" * 64, entry=1), place(entry=0), place(path="/etc/other.pem", sha256="d" * 64, entry=0)]
    return build_report(HOSTS, [certificate("web.example.com"), certificate("old.example.com", "b" * 64)], places, NOW, services)


def test_what_is_not_loaded_is_told_with_both_certificates() -> None:
    """What the listener serves, and the first certificate of the file that its service names for it."""
    built = stale(service())
    loaded = {"sha256": "b" * 64, "name": "old.example.com", "not_after": "2026-11-23T12:00:00Z"}
    on_disk = [{"path": "/etc/web.pem", "sha256": "a" * 64, "name": "web.example.com", "not_after": "2026-11-20T12:00:00Z"}]
    where = {"namespace": "", "host": "web1", "service": "nginx", "port": 443, "asked": "web.example.com"}
    assert built.not_loaded == ({**where, "loaded": loaded, "on_disk": on_disk},)
    assert built.figures["not_loaded"] == 1


@pytest.mark.parametrize("state", ["same", "unknown", None])
def test_other_listeners_raise_no_alarm(state: str | None) -> None:
    """Neither what is served as it lies there, nor what no file holds, nor what could not be seen."""
    assert stale(service(served=[{**service()["served"][0], "state": state}])).not_loaded == ()


LOOK = service()["served"][0]


@pytest.mark.parametrize(
    "told",
    [
        {"served": {}},
        {"served": [None, "x", [], {}]},
        {"served": [{**LOOK, "sha256": []}]},
        {"served": [{**LOOK, "name": {}}]},
        {"served": [{**LOOK, "port": "443"}]},
        {"served": [{**LOOK, "not_after": "soon"}]},
    ],
)
def test_what_is_no_look_is_passed_over(told: dict[str, t.Any]) -> None:
    """A host may tell anything of its services; the report of the others is made all the same."""
    assert [row["host"] for row in stale(service(host="web2", **told), service()).not_loaded] == ["web1"]


@pytest.mark.parametrize(
    "told",
    [
        {"uses": None},
        {"uses": [7, {"certificate": ["/etc/web.pem"], "listeners": [0]}]},
        {"uses": [{"certificate": "/etc/web.pem", "listeners": [[0]]}]},
        {"listeners": None},
        {"listeners": ["127.0.0.1:443", {"port": [443]}]},
        {"served": [{**LOOK, "not_after": -(10**18)}], "uses": []},
        {"served": [{**LOOK, "not_after": 10**18}], "uses": []},
    ],
)
def test_what_a_service_names_may_be_anything(told: dict[str, t.Any]) -> None:
    """The alarm is raised; what the files hold is told where it can be."""
    (row,) = stale(service(**told)).not_loaded
    assert (row["loaded"]["sha256"], row["on_disk"]) == ("b" * 64, [])


def test_a_service_that_is_gone_raises_no_alarm() -> None:
    """What it served last is of no matter, and a service recorded before anybody looked has nothing to tell."""
    assert stale(service(gone_at="2026-11-22T00:00:00Z"), service(served=None)).not_loaded == ()


def test_locked_stores_stand_apart() -> None:
    """With the reason, and not among the places."""
    closed = place(path="/etc/store.p12", state="locked", format="pkcs12", reason="no password is given", sha256=None)
    built = build_report(HOSTS, [], [closed, {**closed, "gone_at": "2026-11-22T00:00:00Z"}], NOW)
    assert [(row["path"], row["reason"]) for row in built.locked] == [("/etc/store.p12", "no password is given")]
    assert (built.places, built.figures["locked"]) == ((), 1)


def test_only_used_and_installed_raise_alarms() -> None:
    """An expired certificate in a trust store is listed and not counted."""
    built = report(**{"class": "trust_store"})
    assert (built.figures["expired"], built.figures["places"], built.figures["places_all"]) == (0, 0, 1)


def test_what_could_not_be_read_is_counted() -> None:
    """A certificate in use whose end nobody knows has a figure of its own."""
    figures = report(status=None, days_remaining=None, not_after=None).figures
    assert (figures["unknown"], figures["expired"], figures["certificates"]) == (1, 0, 1)


def test_hostile_text_stays_text_in_html() -> None:
    """A name that looks like markup adds no element to the page, and comes out of its data unchanged."""
    plain, hostile = Page(to_html(report())), Page(to_html(report(HOSTILE, path=HOSTILE, host=HOSTILE)))
    assert hostile.elements == plain.elements
    assert json.loads(hostile.data)["places"][0]["name"] == HOSTILE


@given(st.text())
def test_any_text_stays_text_in_html(text: str) -> None:
    """No text at all adds an element."""
    assert [tag for tag, _attributes in Page(to_html(report(text))).elements].count("script") == 2


def test_page_loads_nothing() -> None:
    """The page names no other document, and its policy forbids to load one."""
    page = Page(to_html(report()))
    assert not [attributes for _tag, attributes in page.elements if {"src", "href", "action"} & set(attributes)]
    policy = next(attributes["content"] for tag, attributes in page.elements if tag == "meta" and attributes.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1", "=cmd|' /C calc'!A0"])
def test_formula_is_text_in_csv(text: str) -> None:
    """What a spreadsheet would run gets an apostrophe in front."""
    assert csv_cell(text).startswith("'")


def test_csv_is_read_back() -> None:
    """Quotes, line breaks and separators survive another reader; a number stays a number."""
    rows = list(csv.DictReader(io.StringIO(to_csv(report('a"b,c;\nd')), newline="")))
    assert rows[0]["name"] == 'a"b,c;\nd'
    assert rows[0]["days_remaining"] == "-3"


def test_who_answers_for_a_place() -> None:
    """In the table and the JSON; the account that owns the file is somebody else."""
    told = report(owner="root", ownership={"owner": "=Team", "contacts": ["a@x", "b@x"]})
    (row,) = csv.DictReader(io.StringIO(to_csv(told), newline=""))
    assert (row["owner"], row["contacts"]) == ("'=Team", "a@x b@x")
    assert (told.places[0]["owner"], told.places[0]["contacts"]) == ("=Team", ["a@x", "b@x"])
    assert (report(owner="root").places[0]["owner"], report().places[0]["contacts"]) == (None, [])


def test_json_is_read_back() -> None:
    """The JSON holds the same rows."""
    assert json.loads(to_json(report(HOSTILE)))["places"][0]["name"] == HOSTILE


def test_files_are_private(tmp_path: pathlib.Path) -> None:
    """The three files are readable by their owner alone, and nothing else is left in the folder."""
    folder = tmp_path / "report"
    paths = write_report(str(folder), report())
    assert sorted(os.listdir(folder)) == ["index.html", "places.csv", "report.json"]
    assert {stat.S_IMODE(os.stat(path).st_mode) for path in paths} == {0o600}


def test_check_mode_writes_nothing(tmp_path: pathlib.Path) -> None:
    """The paths are named and not made."""
    assert len(write_report(str(tmp_path / "report"), report(), write=False)) == 3
    assert not (tmp_path / "report").exists()


def test_folder_that_cannot_be_made(tmp_path: pathlib.Path) -> None:
    """A file in place of the folder is one sentence with its path."""
    (tmp_path / "report").write_text("")
    with pytest.raises(ReportError, match=r"^report '.*report' cannot be written: "):
        write_report(str(tmp_path / "report"), report())
