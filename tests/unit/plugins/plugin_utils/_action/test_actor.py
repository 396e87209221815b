# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who asks, and how that is known."""

from __future__ import annotations

import types
import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._action.actor import account, actor_of
from ansible_collections.certops.fleet.plugins.plugin_utils._host.variables import VariableError
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Actor

ACTION: t.Any = types.SimpleNamespace(_templar=types.SimpleNamespace(template=lambda value: value))


@pytest.fixture(autouse=True)
def _no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JOB_ID", "TOWER_JOB_ID"):
        monkeypatch.delenv(name, raising=False)


def test_the_account_that_runs_ansible() -> None:
    """Where nobody else is named."""
    assert actor_of(ACTION, {}) == Actor(account(), "local", account())


def test_what_awx_says() -> None:
    """The user and the job; the account is told beside it."""
    told = {"awx_user_name": "alice", "tower_user_name": "bob", "awx_job_id": 12, "certops_ticket": "CHG1", "certops_reason": ""}
    assert actor_of(ACTION, told) == Actor("alice", "awx_user_name", account(), "12", "CHG1", None)


def test_the_job_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWX sets it where a user cannot."""
    monkeypatch.setenv("JOB_ID", "7")
    assert actor_of(ACTION, {"awx_job_id": 12}).job == "7"


@pytest.mark.parametrize("value", [["a"], {"a": 1}, True])
def test_no_text(value: t.Any) -> None:
    """Is refused by its name."""
    with pytest.raises(VariableError, match="certops_ticket must be a text such as 'CHG0042', got "):
        actor_of(ACTION, {"certops_ticket": value})
