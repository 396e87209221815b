# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every role: its tasks make only variables of its own, and its README names each with its default."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
import yaml

ROLES = pathlib.Path(__file__).resolve().parents[3] / "roles"
NAMES = sorted(path.name for path in ROLES.iterdir() if path.is_dir())


def load(name: str, path: str) -> t.Any:
    return yaml.safe_load((ROLES / name / path).read_text())


@pytest.mark.parametrize("name", NAMES)
def test_prefix(name: str) -> None:
    """Every variable that a role has or makes begins with its name."""
    made = set(load(name, "defaults/main.yml"))
    for path in (ROLES / name / "tasks").iterdir():
        for task in yaml.safe_load(path.read_text()):
            made |= {task.get("register", f"{name}_"), *task.get("vars", {}), *task.get("ansible.builtin.set_fact", {})}
    assert [variable for variable in made if not variable.startswith(f"{name}_")] == []


@pytest.mark.parametrize("name", NAMES)
def test_readme(name: str) -> None:
    """The README's table has each variable with its default, and no other."""
    rows = re.findall(r"^\| `(\w+)` \| `(.*?)` \|", (ROLES / name / "README.md").read_text(), re.MULTILINE)
    assert {variable: yaml.safe_load(default) for variable, default in rows} == load(name, "defaults/main.yml")
