# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arguments of action plugins are checked as those of modules."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._action.arguments import ArgumentError, checked_arguments
from ansible_collections.certops.fleet.plugins.plugin_utils._host.variables import VariableError

SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "days": {"type": "int"},
    "names": {"type": "list", "elements": "str"},
    "key": {"type": "dict", "options": {"size": {"type": "int", "default": 2048}}},
    "passphrase": {"type": "int", "no_log": True},
    "items": {"type": "list", "elements": "dict", "options": {"size": {"type": "int", "required": True}}},
}


class Text(str):
    """Stands for a text of ansible-core with a tag."""


def test_converted_and_complete() -> None:
    """Every option is there, of its type and of no type of Ansible's."""
    checked = checked_arguments({"name": Text("web"), "days": "30", "names": "a,b", "key": {}}, SPEC)
    assert checked == {"name": "web", "state": "present", "days": 30, "names": ["a", "b"], "key": {"size": 2048}, "passphrase": None, "items": None}
    assert checked["name"].__class__ is str


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "name must be given: a text"),
        ({"name": "a", "state": "gone"}, "state must be one of present, absent, got 'gone'"),
        ({"name": "a", "days": "x"}, "days must be a whole number, got 'x'"),
        ({"name": "a", "nmae": "b"}, "nmae is not known, did you mean 'name'? accepted are name, state, days, names, key, passphrase, items"),
        ({"name": "a", "colour": "b"}, "colour is not known, accepted are name, "),
        ({"name": "a", "key": {"sise": 1}}, "key.sise is not known, did you mean 'size'? accepted are size"),
        ({"name": "a", "key": "x"}, "key must be a dictionary, got 'x'"),
        ({"name": "a", "names": {"b": 1}}, "names must be a list of texts, got {'b': 1}"),
        ({"name": "a", "state": "gone", "days": "x"}, "got 'gone'; days must be"),
        ({"name": "a", "items": {}}, "certops_items must be a list of dictionaries, got {}"),
        ({"name": "a", "items": ["x"]}, "certops_items[0] must be a dictionary, got 'x'"),
        ({"name": "a", "items": [{}, {"size": 2, "sise": 1}]}, "certops_items[0].size must be given: a whole number; certops_items[1].sise is not known"),
        ({"name": "a", "names": "x" * 300, "days": "y" * 300}, f"got '{'y' * 199}…"),
    ],
)
def test_refused(arguments: dict[str, t.Any], message: str) -> None:
    """All that is wrong, each with its place, the value and what is accepted."""
    with pytest.raises(ArgumentError) as error:
        checked_arguments(arguments, SPEC, {"items": "certops_items"})
    assert message in str(error.value)


def test_rules_between_options() -> None:
    """Are those of ansible-core."""
    with pytest.raises(ArgumentError, match="parameters are mutually exclusive: days"):
        checked_arguments({"name": "a", "days": 1, "names": []}, SPEC, mutually_exclusive=[("days", "names")])


def test_no_secret_in_a_message() -> None:
    """A passphrase of the wrong type is not quoted."""
    with pytest.raises(ArgumentError) as error:
        checked_arguments({"name": "a", "passphrase": "correct horse"}, SPEC)
    assert str(error.value) == "passphrase must be a whole number, got a value of the type str"


def test_only_plain_values() -> None:
    """Anything else is refused by the name of its option."""
    with pytest.raises(VariableError, match=r"^names\[0\] must be made of text"):
        checked_arguments({"name": "a", "names": [object()]}, SPEC)
