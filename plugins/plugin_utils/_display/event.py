# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a callback gets of Ansible, the same under every supported ansible-core."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.certops.fleet.plugins.plugin_utils._display.text import printable

COLLECTION = "certops.fleet"
# These act on the controller alone: the host that carries them is none of the fleet.
ON_CONTROLLER = ("certops.fleet.ca", "certops.fleet.inventory_info", "certops.fleet.report")
VALIDATION = "validate_argument_spec"
# No progress for what takes no time, asks a person, or leads to other tasks.
QUIET = (VALIDATION, "include_role", "include_tasks", "import_role", "import_tasks", "meta", "pause")


@dataclass(frozen=True, slots=True)
class Event:
    """One result of one host. C(label) names the host and its delegate, C(target) is the one that was acted on."""

    host: str
    target: str
    label: str
    task: str
    name: str
    action: str
    ours: bool
    would: bool
    changed: bool
    path: str
    result: dict[str, t.Any]

    @property
    def of_fleet(self) -> bool:
        return self.action not in ON_CONTROLLER and action_name(self.action) != VALIDATION


def _part(result: t.Any, name: str) -> t.Any:
    """A part of a task's result: a public attribute since ansible-core 2.19."""
    missing = object()
    value = getattr(result, name, missing)
    return getattr(result, f"_{name}") if value is missing else value


def action_name(action: str) -> str:
    """The last part of a full name."""
    return action.rpartition(".")[2]


def _action(task: t.Any) -> str:
    """The full name of the task's action, as far as it is known without a template."""
    action = str(task.action)
    return action if "." in action or "{" in action else str(task.resolved_action or action)


def _ours(task: t.Any, action: str) -> bool:
    """A task of the collection's, or of one of its roles."""
    role = getattr(task, "_role", None)
    return action.startswith(f"{COLLECTION}.") or getattr(role, "_role_collection", None) == COLLECTION


def event_of(result: t.Any) -> Event:
    """C(result) is what a callback gets of a task for a host."""
    task, values = _part(result, "task"), _part(result, "result")
    host = str(_part(result, "host").get_name())
    delegate = str(task.delegate_to) if task.delegate_to and task.delegate_to != host else ""
    action = _action(task)
    changed = values.get("changed") is True
    return Event(
        host=host,
        target=delegate or host,
        label=printable(f"{host} -> {delegate}" if delegate else host),
        task=task._uuid,
        name=task_name(task),
        action=action,
        ours=_ours(task, action),
        would=bool(task.check_mode) and changed,
        changed=changed,
        path=printable(task.get_path()),
        result=values,
    )


def is_ignored_unreachable(result: t.Any) -> bool:
    return bool(_part(result, "task").ignore_unreachable)


def task_name(task: t.Any) -> str:
    """Its own name; a role says nothing that the play does not."""
    return printable(task.name or task.get_name())


def batch_of(play: t.Any) -> frozenset[str]:
    """The hosts that a play, or its batch, is for."""
    return frozenset(play.get_variable_manager().get_vars(play=play).get("ansible_play_batch") or ())
