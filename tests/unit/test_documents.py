# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages that repeat a table of the code for readers say what the code says."""

from __future__ import annotations

import importlib
import pathlib
import re

import pytest
import yaml

from ansible_collections.certops.fleet.plugins.doc_fragments.display import ModuleDocFragment
from ansible_collections.certops.fleet.plugins.module_utils._host import tls
from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint import starttls
from ansible_collections.certops.fleet.plugins.module_utils._host.scan import paths_table
from ansible_collections.certops.fleet.plugins.module_utils._host.services import service_table
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint import targets
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.scan import STATES
from ansible_collections.certops.fleet.plugins.plugin_utils._report import papers, register

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"


def _words(page: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", DOCS.joinpath(page).read_text(encoding="utf-8")))


CLASSES = (*paths_table.FILE_CLASSES, *paths_table.ANCHOR_CLASSES, *paths_table.CLASSES, *paths_table.CHECKOUT_CLASSES)
IN_CHECKOUTS = {pattern for pattern, _class in paths_table.CHECKOUT_CLASSES}


@pytest.mark.parametrize("table", [paths_table.DEFAULT_PATHS, paths_table.OUT_FOLDERS, paths_table.OUT_NAMES, (paths_table.HOME, paths_table.OUR_PREFIX)])
def test_every_path_is_documented(table: tuple[bytes, ...]) -> None:
    """Where a discovery looks, and what it leaves out."""
    assert {path.decode() for path in table} - _words("discovery.md") == set()


def test_no_path_is_documented_that_is_not_in_the_table() -> None:
    """What a reader relies on is there. The sections on keys and trust stores name what is compared, not where a discovery looks."""
    tables = (paths_table.DEFAULT_PATHS, paths_table.OUT_FOLDERS, paths_table.NO_CHECKOUTS, [pattern for pattern, _class in CLASSES])
    known = {path.decode() for table in tables for path in table} | {paths_table.HOME.decode(), "/etc/backup-agent"}
    before, _start, rest = DOCS.joinpath("discovery.md").read_text(encoding="utf-8").partition("\n### Who can read a private key\n")
    where = before + rest.partition("\n### Stores that stay closed\n")[2]
    assert set(re.findall(r"`(/[^`\n]+)`", where)) - known == set()


def test_every_class_is_documented() -> None:
    """With each of its patterns, in a row of a table that names the class, or the list of what counts in checkouts; the class of the rest, too."""
    lines = DOCS.joinpath("discovery.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split("|")[1:3] for line in lines if line.lstrip().startswith("| `")]
    for pattern, kind in CLASSES:
        if not (kind == "container_layer" and pattern in paths_table.OUT_FOLDERS):
            assert any(f"`{kind}`" in first and f"`{pattern.decode()}`" in second for first, second in rows) or pattern in IN_CHECKOUTS, pattern
    assert set(paths_table.BEST_CLASSES) | {pattern.decode() for pattern in IN_CHECKOUTS} <= _words("discovery.md")


@pytest.mark.parametrize(
    "words",
    [
        getattr(service_table, name)
        for name in (
            *("_FIELDS", "_USE_FIELDS", "_LISTENER_FIELDS", "_READS_FIELDS", "_FILE_FIELDS", "_PORT_FIELDS"),
            *("SYNTAXES", "RELOADS", "VALIDATES", "PROTOCOLS"),
        )
    ],
)
def test_the_schema_of_entries_is_documented(words: tuple[str, ...]) -> None:
    """Every key and every word that is accepted."""
    assert set(words) - _words("services.md") == set()


def test_the_example_of_entries_is_accepted() -> None:
    """By the function that reads `certops_services`."""
    (text,) = re.findall(r"```yaml\n(.*?)```", DOCS.joinpath("services.md").read_text(encoding="utf-8"), re.DOTALL)
    names = {entry["name"] for entry in service_table.check_entries(yaml.safe_load(text)["certops_services"])}
    assert names - set(service_table.all_shipped()) == {"broker", "ldap"}


def test_every_entry_is_documented() -> None:
    """With what of it was tried."""
    assert set(service_table.all_shipped()) - _words("services.md") == set()


def test_every_conversation_is_documented() -> None:
    """With its ports, and every scheme and state."""
    words = _words("endpoints.md")
    assert (set(starttls.PROTOCOLS) | set(targets.SCHEMES) | set(STATES)) - words == set()
    rows = [line for line in DOCS.joinpath("endpoints.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    for port, protocol in tls.STARTTLS_PORTS.items():
        assert any(f"`{protocol}`" in line and re.search(rf"\b{port}\b", line) for line in rows), port


@pytest.mark.parametrize("plugin", ["fleet", "fleet_summary"])
def test_the_displays_are_documented(plugin: str) -> None:
    """How each is switched on, and the options that it has beside those of Ansible's default display."""
    documentation = yaml.safe_load(importlib.import_module(f"ansible_collections.certops.fleet.plugins.callback.{plugin}").DOCUMENTATION)
    every = {**yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"], **documentation.get("options", {})}
    options = {name: option for name, option in every.items() if "CERTOPS_DISPLAY" in option["env"][0]["name"]}
    assert f"certops.fleet.{plugin}" in _words("display.md")
    assert set(options) | {option["env"][0]["name"] for option in options.values()} <= _words("display.md")


def test_the_documents_are_documented() -> None:
    """Their files and titles, the variables of the role, and how much the register holds."""
    page = DOCS.joinpath("documents.md").read_text(encoding="utf-8")
    files = {f"{name}.{kind}" for name in papers.NAMES for kind in ("md", "html")}
    variables = set(yaml.safe_load((DOCS.parent / "roles/report/defaults/main.yml").read_text(encoding="utf-8")))
    assert files <= _words("documents.md")
    assert {name for name in variables if f"{name}:" not in page} == set()
    assert {title.lower() for title in papers.NAMES.values() if title.lower() not in page} == set()
    assert f"{register.LISTED:,} certificates" in page
