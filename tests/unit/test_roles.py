# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles and playbooks: what they promise in their argument specs and in their order."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
SECRET = ("ca_passphrase",)


def _loaded(*parts: str) -> t.Any:
    return yaml.safe_load(ROOT.joinpath(*parts).read_text(encoding="utf-8"))


@pytest.mark.parametrize("role", ROLES)
def test_argument_specs_and_defaults_are_equal(role: str) -> None:
    """The same variables with the same values, all with the role's name before them."""
    options = _loaded("roles", role, "meta", "argument_specs.yml")["argument_specs"]["main"]["options"]
    defaults = _loaded("roles", role, "defaults", "main.yml")
    assert {name: option["default"] for name, option in options.items()} == defaults
    assert all(name.startswith(f"{role}_") for name in defaults)
    assert all(option.get("no_log") for name, option in options.items() if name in SECRET)


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_of_a_role_is_described(role: str) -> None:
    """A play that takes a part of a role has its variables checked, too."""
    described = set(_loaded("roles", role, "meta", "argument_specs.yml")["argument_specs"])
    assert described == {path.stem for path in (ROOT / "roles" / role / "tasks").iterdir()}


def test_rotate_looks_at_all_hosts_before_the_first_batch() -> None:
    """The fuse counts the whole run, however small the batches are in which it acts."""
    look, act = _loaded("playbooks", "rotate.yml")
    assert "serial" not in look
    assert "serial" in act
    assert [play["tasks"][-1]["ansible.builtin.import_role"]["tasks_from"] for play in (look, act)] == ["look", "act"]
    assert look["hosts"] == act["hosts"]
