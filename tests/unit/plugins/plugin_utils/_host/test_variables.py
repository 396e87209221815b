# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of a play as plain values."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import types
import typing as t
from pathlib import Path

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._host.variables import VariableError, host_variables, plain

if t.TYPE_CHECKING:
    from ansible_collections.certops.fleet.tests.unit.plugins.plugin_utils._host.conftest import Estate

VARIABLES = """
domain: example.org
certops_certificates:
  - name: web
    names: ["{{ domain }}", "www.{{ domain }}", "{{ domain | upper }}"]
    passphrase: {vault}
    literal: !unsafe "{{ domain }}"
    number: 7
    share: 0.5
    listens: true
    nothing:
    day: 2030-01-02
    "{{ domain }}": a key is not a template
"""


@pytest.fixture
def arguments(estate: Estate) -> tuple[str, ...]:
    (estate.folder / "password").write_text("the vault's password\n")
    vault = Path(sys.executable).with_name("ansible-vault")
    options = ["--vault-password-file", str(estate.folder / "password")]
    encrypted = subprocess.run([vault, "encrypt_string", *options, "s3cret"], capture_output=True, text=True, check=True).stdout.strip()
    text = VARIABLES.replace("{vault}", encrypted.replace("\n", "\n      "))
    (estate.folder / "variables.yml").write_text(text)
    return ("-e", "@variables.yml", *options)


def test_shared_variable(estate: Estate, arguments: tuple[str, ...]) -> None:
    """Templates are filled in, vaulted text is opened, text marked unsafe stays as it is, and only plain types are left."""
    result = estate.play([{"name": "Ask", "certops.fleet.probe": {"variable": "certops_certificates"}}], arguments=arguments).result
    assert result["value"] == [
        {
            "name": "web",
            "names": ["example.org", "www.example.org", "EXAMPLE.ORG"],
            "passphrase": "s3cret",
            "literal": "{{ domain }}",
            "number": 7,
            "share": 0.5,
            "listens": True,
            "nothing": None,
            "day": "2030-01-02",
            "{{ domain }}": "a key is not a template",
        }
    ]
    assert result["types"] == ["builtins.NoneType", "builtins.bool", "builtins.dict", "builtins.float", "builtins.int", "builtins.list", "builtins.str"]


def test_default(estate: Estate) -> None:
    """A variable that is not set gives the default."""
    result = estate.play([{"name": "Ask", "certops.fleet.probe": {"variable": "certops_policy"}}]).result
    assert result["value"] == "the default"


class Text(str):
    """Stands for the tagged text of ansible-core."""

    __slots__ = ()


class Number(int):
    """Stands for a tagged number."""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Text("a"), "a"),
        (Number(7), 7),
        (True, True),
        ((1, 2), [1, 2]),
        ({Text("a"): [Text("b")]}, {"a": ["b"]}),
        ({1: 2}, {"1": 2}),
        (dt.datetime(2030, 1, 2, 3, 4, tzinfo=dt.timezone.utc), "2030-01-02T03:04:00+00:00"),
    ],
)
def test_plain(value: object, expected: object) -> None:
    """Subclasses, tuples and dates become what JSON knows."""
    found = plain(value, "x")
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize("value", [object(), b"bytes", {1, 2}])
def test_what_is_not_plain(value: object) -> None:
    """Anything else is refused with the path to it."""
    with pytest.raises(VariableError, match=rf"certops_x\[0\].a must be made of text, numbers, lists and dictionaries, got {type(value).__name__}"):
        plain([{"a": value}], "certops_x")


def test_host_variables() -> None:
    """The variables of a delegated task's host are those of the delegate."""
    variables = {"ansible_delegated_vars": {"other": {"a": 1}}, "a": 2}
    for delegate, expected in ((None, 2), ("other", 1)):
        action = types.SimpleNamespace(_task=types.SimpleNamespace(delegate_to=delegate))
        assert host_variables(action, variables)["a"] == expected
