# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""inventory_info as a play meets it: ansible itself runs it, in check mode, without any connection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from datetime import datetime, timezone

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import open_inventory

COLLECTIONS = os.pathsep.join(path for path in sys.path if os.path.isdir(os.path.join(path, "ansible_collections", "certops")))


@pytest.fixture(name="path")
def _path(tmp_path: os.PathLike[str]) -> str:
    """An inventory with one event whose subject looks like a template."""
    path = os.path.join(tmp_path, "inventory.db")
    with open_inventory(path, now=lambda: datetime.now(timezone.utc)) as inventory:
        inventory.append_event("test.event", subject="{{ 6 * 7 }} é")
    return path


def _ask(tmp_path: os.PathLike[str], *arguments: str, variables: t.Mapping[str, t.Any] | None = None) -> dict[str, t.Any]:
    """The result of one task, run against a host that does not exist."""
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS, "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal", "ANSIBLE_HOME": str(tmp_path)}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, "-m", "ansible", "adhoc", "-i", "nowhere.invalid,", "all", "--check", "-m", "certops.fleet.inventory_info"]
    command += ["-e", json.dumps(variables or {}), "-a", " ".join(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    result: dict[str, t.Any] = json.loads(done.stdout.partition("=> ")[2])
    return result


def test_documents_are_returned_and_not_templated(path: str, tmp_path: os.PathLike[str]) -> None:
    """From the inventory that the option names; text of others stays text."""
    result = _ask(tmp_path, "kind=events", f"inventory={path}", "select='[].subject'")
    assert result["documents"] == ["{{ 6 * 7 }} é"]
    assert result["changed"] is False


def test_the_variable_is_the_default(path: str, tmp_path: os.PathLike[str]) -> None:
    """And is templated like every variable."""
    result = _ask(tmp_path, "kind=events", "limit=1", variables={"where": path, "certops_inventory": "sqlite:///{{ where }}"})
    assert [document["seq"] for document in result["documents"]] == [1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("kind=secrets", "kind must be one of hosts, coverage"),
        ("inventory=/nonexistent/inventory.db", "inventory '/nonexistent/inventory.db' does not exist"),
        ("kind=events select='[?' inventory={path}", "select '[?' is not possible: "),
    ],
)
def test_one_sentence(path: str, tmp_path: os.PathLike[str], arguments: str, message: str) -> None:
    """Says what is wrong."""
    assert _ask(tmp_path, arguments.format(path=path))["msg"].startswith(message)
