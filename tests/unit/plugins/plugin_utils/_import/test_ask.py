# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task asks to import, and what it is told."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.action.inventory_import import ARGUMENT_SPEC
from ansible_collections.certops.fleet.plugins.plugin_utils._action.arguments import checked_arguments
from ansible_collections.certops.fleet.plugins.plugin_utils._import.ask import SHOWN, result, wanted
from ansible_collections.certops.fleet.plugins.plugin_utils._import.read import Export
from ansible_collections.certops.fleet.plugins.plugin_utils._import.rows import RowsError
from ansible_collections.certops.fleet.plugins.plugin_utils._import.values import ImportedError
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.imported import Listed

FIELDS = {"fields": {"serial": "serial"}}


def _asked(**args: t.Any) -> Export:
    return wanted(checked_arguments({"origin": "lemur", **args}, ARGUMENT_SPEC))


def test_by_a_mapping_of_the_task_or_of_a_file(tmp_path: pathlib.Path) -> None:
    """The same."""
    (tmp_path / "rows.json").write_text('[{"serial": "1"}]', encoding="utf-8")
    (tmp_path / "mapping.yml").write_text(json.dumps(FIELDS), encoding="utf-8")
    told = _asked(path=str(tmp_path / "rows.json"), mapping=FIELDS)
    assert told == _asked(path=str(tmp_path / "rows.json"), mapping_path=str(tmp_path / "mapping.yml"))
    assert [each.serial for each in told.certificates] == ["1"]
    assert _asked(state="absent") == Export((), 0)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "path and one of mapping, mapping_path must be given, got none of them"),
        ({"path": "/x"}, "path and one of mapping, mapping_path must be given, got path"),
        ({"mapping": FIELDS, "mapping_path": "/x"}, "path and one of mapping, mapping_path must be given, got mapping and mapping_path"),
        ({"path": "/x", "state": "absent"}, "path do nothing with state=absent: it takes back all that origin 'lemur' lists"),
        ({"origin": ""}, "origin must be one line of at most 100 characters, got ''"),
        ({"origin": "a\nb"}, r"origin must be one line of at most 100 characters, got 'a\nb'"),
        ({"path": "/nonexistent.csv", "mapping": FIELDS}, "'/nonexistent.csv' cannot be read: No such file or directory"),
        ({"path": "/x", "mapping_path": "/nonexistent.yml"}, "'/nonexistent.yml' cannot be read: No such file or directory"),
        ({"path": "/x", "mapping": {"fields": []}}, "mapping.fields must be a dictionary of JMESPath expressions with one of "),
    ],
)
def test_what_is_refused(args: dict[str, t.Any], message: str) -> None:
    """In one sentence."""
    with pytest.raises((ImportedError, RowsError)) as caught:
        _asked(**args)
    assert str(caught.value).startswith(message)


def test_what_a_play_gets() -> None:
    """The first of each kind, and all of them counted; a diff with one line for each."""
    rows = tuple({"sha256": None, "serial": f"{number:x}", "common_name": "{{ 7 * 7 }}\n+ evil"} for number in range(SHOWN + 3))
    told = result(Export((), 99, ("row 1 is none",)), Listed(rows, (), rows[:1], 4), diff=True)
    assert (told["changed"], len(told["added"]), told["problems"]) == (True, SHOWN, ["row 1 is none"])
    assert told["figures"] == {"added": SHOWN + 3, "updated": 0, "removed": 1, "kept": 4, "rows": 99, "refused": 1}
    (diff,) = told["diff"]
    assert (len(diff["before"].splitlines()), len(diff["after"].splitlines())) == (1, SHOWN + 1)
    assert diff["after"].splitlines()[-1] == "… 3 more"
    assert "diff" not in result(Export((), 0), Listed((), (), (), 0), diff=False)
