# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of users that begin as those of the collection do."""

from __future__ import annotations

import pathlib
import re
import types
import typing as t

import pytest
from ansible.errors import AnsibleError

from ansible_collections.certops.fleet.plugins.plugin_utils._action.variables import GIVEN, KNOWN, SerialError, check_serial, stated, unknown_variables
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Stated

ROOT = pathlib.Path(__file__).resolve().parents[5]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("certops_certificate", "did you mean 'certops_certificates'?"),
        ("certops_inventry", "did you mean 'certops_inventory'?"),
        ("certops_Issuers", "did you mean 'certops_issuers'?"),
        ("certops_x", "those of this collection are certops_application, certops_audit, certops_business_service, certops_certificates"),
    ],
)
def test_a_misspelled_variable_is_told(name: str, advice: str) -> None:
    """With the nearest name, or with all of them."""
    (text,) = unknown_variables([*KNOWN, name, "ansible_user"])
    assert text.startswith(f"the variable {name!r} is not known and does nothing: {advice}")


def test_what_is_known_or_does_not_begin_so_is_not_told() -> None:
    """Variables of users are their own."""
    assert unknown_variables([*KNOWN, *GIVEN, "certop_certificates", "my_certops_inventory", "discover_path", "Certops_x"]) == []


def test_every_variable_that_is_read_is_known() -> None:
    """Those that plugins, roles and playbooks name, and no others."""
    files = [path for kind in ("plugins", "roles", "playbooks") for path in (ROOT / kind).rglob("*") if path.suffix in (".py", ".yml")]
    read = {name for path in files for name in re.findall(r"[\"' ](certops_[a-z_]+[a-z])[\"' ]", path.read_text(encoding="utf-8"))}
    assert read - {"certops_begin"} == {*KNOWN, *GIVEN}


def _action(delegate: str | None = None) -> t.Any:
    def template(value: t.Any) -> t.Any:
        if value == "{{ secret }}":
            raise AnsibleError("Attempting to decrypt but no vault secrets found.")
        return value

    return types.SimpleNamespace(_templar=types.SimpleNamespace(template=template), _task=types.SimpleNamespace(delegate_to=delegate))


def test_what_is_stated_of_a_host() -> None:
    """Its groups, and every attribute that is set; of a delegated task those of the delegate."""
    own = {"group_names": ["web"], "certops_owner": "a", "certops_environment": "prod", "certops_contacts": "b@x, a@x", "certops_application": ""}
    expected = Stated(("web",), (("owner", "a"), ("contacts", ("a@x", "b@x")), ("environment", "prod")))
    assert stated(_action(), own) == (expected, [])
    assert stated(_action("web1"), {"ansible_delegated_vars": {"web1": own}, "certops_owner": "z"}) == (expected, [])


def test_what_cannot_be_used_is_told_and_left_out() -> None:
    """A scan goes on without it."""
    own = {"certops_owner": {"a": 1}, "certops_criticality": "{{ secret }}", "certops_regulations": ["{{ x }}"], "certops_application": "shop"}
    found, problems = stated(_action(), own)
    assert found == Stated((), (("application", "shop"),))
    assert problems == [
        "certops_owner must be one line of at most 500 characters, got a dictionary; nothing was recorded of it",
        "certops_criticality cannot be used: Attempting to decrypt but no vault secrets found.; nothing was recorded of it",
        "certops_regulations[0] looks like a template, and nothing is evaluated here: '{{ x }}'; nothing was recorded of it",
    ]


@pytest.mark.parametrize("value", [1, "5", "10%", [1, "50%"], 0])
def test_batches_that_ansible_understands(value: t.Any) -> None:
    """Numbers, percentages, and lists of them."""
    check_serial(value)


@pytest.mark.parametrize("value", ["lots", "", "-1", -1, 1.5, None, True, [], [1, "x"], {}])
def test_batches_that_would_end_in_a_traceback(value: t.Any) -> None:
    """Are refused before any host is asked."""
    with pytest.raises(SerialError, match=r"^certops_serial must be a number of hosts such as 5, .*, got "):
        check_serial(value)
