# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options of the module mean together, and what a play is told."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.action.ownership import ARGUMENT_SPEC
from ansible_collections.certops.fleet.plugins.plugin_utils._action.arguments import checked_arguments
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.assignments import Assigned
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.assign import result, wanted
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.rules import rule_from
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import OwnershipError

MATCH, SET = {"host": "web1"}, {"owner": "web"}
MAPPING = {"match": {"host": "host"}, "set": {"owner": "team"}}


def _wanted(**args: t.Any) -> list[tuple[t.Any, ...]]:
    return [(each.source, each.origin, len(each.rules), each.match, each.reason) for each in wanted(checked_arguments(args, ARGUMENT_SPEC))]


def test_the_ways(tmp_path: pathlib.Path) -> None:
    """By hand, by rules, by an import; each goes as it came."""
    rules, export = tmp_path / "rules.yml", tmp_path / "cmdb.csv"
    rules.write_text("- {match: {host: a}, set: {owner: x}}\n", encoding="utf-8")
    export.write_text("host,team\na,x\n", encoding="utf-8")
    match = (("host", ("web1",)),)
    assert _wanted(match=MATCH, set=SET, reason="CHG") == [("manual", "", 1, match, "CHG")]
    assert _wanted(match=MATCH, state="absent") == [("manual", "", 0, match, None)]
    assert _wanted(rules_path=str(rules)) == [("rules", "rules", 1, None, None)]
    assert _wanted(rules_path=str(rules), name="ops") == [("rules", "ops", 1, None, None)]
    assert _wanted(import_path=str(export), mapping=MAPPING) == [("import", "import", 1, None, None)]
    assert _wanted(name="ops", state="absent") == [("rules", "ops", 0, None, None), ("import", "ops", 0, None, None)]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "one of match, rules_path, import_path must be given, got none of them"),
        ({"match": MATCH, "rules_path": "/x"}, "one of match, rules_path, import_path must be given, got match and rules_path"),
        ({"match": MATCH}, "assignment.set must be a dictionary of owner, "),
        ({"match": MATCH, "set": SET, "name": "x"}, "name does nothing with match: it belongs to rules_path and import_path"),
        ({"rules_path": "/x", "set": SET}, "set does nothing with rules_path: it belongs to match"),
        ({"rules_path": "/x", "mapping": MAPPING}, "mapping does nothing with rules_path: it belongs to import_path"),
        ({"import_path": "/x"}, "mapping must be a dictionary with match, set and"),
        ({"state": "absent"}, "state=absent takes either match, for an assignment by hand, or name, for rules and imports of that name"),
        ({"state": "absent", "match": MATCH, "name": "x"}, "state=absent takes either match, "),
        ({"state": "absent", "rules_path": "/x", "name": "x"}, "state=absent takes either match, "),
        ({"state": "absent", "match": {}}, "assignment.match must have one of namespace"),
    ],
)
def test_what_does_not_go_together(args: dict[str, t.Any], message: str) -> None:
    """Is refused, not passed over."""
    with pytest.raises(OwnershipError) as caught:
        _wanted(**args)
    assert str(caught.value).startswith(message)


def test_what_a_play_is_told() -> None:
    """The first rules and the number of all; the diff has one line a rule."""
    rules = [rule_from({"host": f"web{number:03}"}, {"owner": "ü", "contacts": "a,b"}, source="rules", origin="x", where="rule") for number in range(60)]
    told = result([Assigned(tuple(rules), (), 3), Assigned((), (rules[0],), 0)], diff=True)
    assert (told["changed"], told["figures"]) == (True, {"added": 60, "removed": 1, "kept": 3})
    assert (len(told["added"]), len(told["removed"])) == (50, 1)
    after = told["diff"][0]["after"].splitlines()
    assert (len(after), after[0], after[-1]) == (51, '{"match": {"host": "web000"}, "set": {"contacts": ["a", "b"], "owner": "ü"}}', "… 10 more")
    assert result([Assigned((), (), 3)], diff=False) == {"changed": False, "added": [], "removed": [], "figures": {"added": 0, "removed": 0, "kept": 3}}
