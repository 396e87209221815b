# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers as files."""

from __future__ import annotations

import csv
import json
import os
import pathlib
import tracemalloc
import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._questions.export import FORMATS, checked_mode, write_export
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.groups import QuestionError

EVIL = ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "\r=1", "\uff1d1", '"=1"', "a\nb", "\ud800", "<script>", "ü"]
DOCUMENTS: list[t.Any] = [
    {"name": "a", "days": -5, "ok": True, "none": None},
    {"name": "b", "subject": {"commonName": "=1+1"}, "services": ["=x", "y"]},
    *({"name": text} for text in EVIL),
    "=text",
    [1],
]


def written(tmp_path: pathlib.Path, form: str, documents: t.Iterable[t.Any] = DOCUMENTS) -> str:
    path = tmp_path / f"export.{form}"
    assert write_export(str(path), documents, form=form, mode=0o600, write=True)[0]
    return path.read_bytes().decode("utf-8")


def test_json(tmp_path: pathlib.Path) -> None:
    """Is what went in, in both forms; nothing is an empty list."""
    assert json.loads(written(tmp_path, "json")) == DOCUMENTS
    assert [json.loads(line) for line in written(tmp_path, "ndjson").splitlines()] == DOCUMENTS
    assert json.loads(written(tmp_path, "json", [])) == []


def test_csv(tmp_path: pathlib.Path) -> None:
    """Has the columns of all documents, JSON in cells with more than one value, and nothing that a spreadsheet runs."""
    rows = list(csv.DictReader(written(tmp_path, "csv").splitlines(keepends=True)))
    assert list(rows[0]) == ["name", "days", "ok", "none", "subject", "services", "value"]
    assert (rows[0]["days"], rows[0]["ok"], rows[0]["none"]) == ("-5", "true", "")
    assert (json.loads(rows[1]["subject"]), json.loads(rows[1]["services"])) == ({"commonName": "=1+1"}, ["=x", "y"])
    assert rows[-2]["value"] == "'=text"
    cells = [cell for row in rows for name, cell in row.items() if name != "days"]
    assert [cell for cell in cells if cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d"))] == []


@pytest.mark.parametrize("form", FORMATS)
def test_the_file(tmp_path: pathlib.Path, form: str) -> None:
    """Is its owner's alone, changed when its content or mode differs, and not in check mode; nothing else is left in its folder."""
    path = tmp_path / "export"
    steps = [(0o600, False, True), (0o600, True, True), (0o600, True, False), (0o600, False, False), (0o640, False, True), (0o640, True, True)]
    for mode, write, changed in steps:
        assert write_export(str(path), iter(DOCUMENTS), form=form, mode=mode, write=write) == (changed, len(DOCUMENTS))
    assert path.stat().st_mode & 0o777 == 0o640
    before = path.read_bytes()
    assert write_export(str(path), DOCUMENTS[:1], form=form, mode=0o640, write=False)[0]
    assert (path.read_bytes(), os.listdir(tmp_path)) == (before, ["export"])


def test_a_failure_leaves_the_file_as_it_was(tmp_path: pathlib.Path) -> None:
    """Whole, with nothing beside it."""

    def broken() -> t.Iterator[t.Any]:
        yield {"name": "x"}
        raise ValueError("the inventory went away")

    before = written(tmp_path, "json")
    with pytest.raises(ValueError, match="went away"):
        write_export(str(tmp_path / "export.json"), broken(), form="json", mode=0o600, write=True)
    assert (tmp_path / "export.json").read_text(encoding="utf-8") == before
    assert os.listdir(tmp_path) == ["export.json"]


@pytest.mark.parametrize("form", FORMATS)
def test_documents_are_not_gathered(tmp_path: pathlib.Path, form: str) -> None:
    """Twenty megabytes of them need a small part of that."""
    tracemalloc.start()
    write_export(str(tmp_path / "export"), ({"name": f"{number}" + "x" * 2000} for number in range(10000)), form=form, mode=0o600, write=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
    assert (tmp_path / "export").stat().st_size > 20_000_000


@pytest.mark.parametrize(("path", "write"), [("missing/export", True), ("missing/export", False), (".", True)])
def test_a_file_that_cannot_be_written(tmp_path: pathlib.Path, path: str, write: bool) -> None:
    """Is named in one sentence."""
    with pytest.raises(QuestionError, match=r"^export '.*' cannot be written: "):
        write_export(str(tmp_path / path), DOCUMENTS, form="json", mode=0o600, write=write)


@pytest.mark.parametrize(("value", "mode"), [("0600", 0o600), ("640", 0o640), (0o644, 0o644)])
def test_modes(value: t.Any, mode: int) -> None:
    """As text or as YAML reads them."""
    assert checked_mode(value) == mode


@pytest.mark.parametrize("value", ["u=rw", "", True, None, "01777", -1, 600])
def test_modes_that_are_none(value: t.Any) -> None:
    """Are refused."""
    with pytest.raises(QuestionError, match="mode must be an octal mode such as '0640', got"):
        checked_mode(value)
