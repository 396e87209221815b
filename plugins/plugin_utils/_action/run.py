# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every action plugin of the collection does: check its arguments, call one function, turn one exception into Ansible's."""

from __future__ import annotations

import os
import typing as t
import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.utils.display import Display

from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_table import check_entries
from ansible_collections.certops.fleet.plugins.plugin_utils._action.actor import account, actor_of
from ansible_collections.certops.fleet.plugins.plugin_utils._action.arguments import checked_arguments
from ansible_collections.certops.fleet.plugins.plugin_utils._action.jobs import job_id, running
from ansible_collections.certops.fleet.plugins.plugin_utils._action.variables import SHARED, check_serial, stated, unknown_variables
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.care import care
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.settings import VARIABLE, AuditSettings, audit_settings
from ansible_collections.certops.fleet.plugins.plugin_utils._host.exchange import exchange
from ansible_collections.certops.fleet.plugins.plugin_utils._host.variables import host_variables, plain, shared_variable
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.spool import Recorder, Spool, replay, spool_of
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Actor, HostName, Run, Stated


@dataclass(frozen=True, slots=True)
class Task:
    """One task for one host, as far as the collection's own code knows it."""

    action: t.Any
    variables: dict[str, t.Any]
    args: Mapping[str, t.Any]
    asked: Actor = field(default_factory=lambda: Actor(""))
    audit: AuditSettings = field(default_factory=AuditSettings)
    end: ExitStack = field(default_factory=ExitStack)  # what is closed when the task is over
    _opened: list[Inventory] = field(default_factory=list)
    _python: list[str] = field(default_factory=list)  # the host's version, since it first answered
    warnings: list[str] = field(default_factory=list)  # what the task itself has to say beside its work

    @property
    def check_mode(self) -> bool:
        return bool(self.action._task.check_mode)

    @property
    def diff(self) -> bool:
        return bool(self.action._task.diff)

    @property
    def host(self) -> HostName:
        """The host that the task acts on: the delegate, where there is one."""
        own = host_variables(self.action, self.variables)
        name = self.action._task.delegate_to or self.variables["inventory_hostname"]
        namespace = shared_variable(self.action, own, "certops_environment", "")
        return HostName(str(namespace or ""), str(name))

    def stated(self) -> tuple[Stated, list[str]]:
        """What the Ansible inventory says of who answers for the host, and what of it cannot be used."""
        return stated(self.action, self.variables)

    @property
    def actor(self) -> str:
        """Who asks: the user on the controller, and the job where there is one."""
        job = job_id()
        return account() + (f" job {job}" if job else "")

    @property
    def run(self) -> Run:
        """What the task is a part of: the job template or the playbook, and this run of it; slices of a job and plays of a playbook are parts."""
        return running(self.action, self.variables)

    def exchange(self, verb: str, args: Mapping[str, t.Any], *, transaction: str | None = None) -> dict[str, t.Any]:
        answer = exchange(self.action, self.variables, verb, dict(args), actor=self.actor, transaction=transaction, python=self._known_python())
        self._python[:] = [str(answer["_host"].get("python"))]
        return answer

    def _known_python(self) -> str | None:
        """The host's version of Python, as it told by now, or as the inventory has it."""
        if self._python:
            return self._python[0]
        return self._opened[0].host_python(self.host) if self._opened else None

    def inventory(self, *, create: bool = True) -> AbstractContextManager[Inventory]:
        """The inventory; in check mode one that is not there yet is empty and stays unmade.

        It is opened once a task, as that costs more than most of what it is asked; between its transactions nothing is locked.
        """
        if not self._opened:
            missing: t.Literal["create", "refuse", "empty"] = ("empty" if self.check_mode else "create") if create else "refuse"
            opened = self.end.enter_context(open_inventory(self.args.get("inventory"), now=now, actor=self.asked, missing=missing))
            self._opened.append(opened)
            if "spool" in self.args and missing == "create":
                self.warnings.extend(replay(opened, self._spool()))
        return nullcontext(self._opened[0])

    def cared(self) -> None:
        """What is new in the audit log goes to its targets after the work of the task; what could not be done becomes a warning."""
        if self.check_mode or not self._opened or not self._opened[0].wrote:
            return
        try:
            self.warnings.extend(care(self._opened[0], self.audit))
        except ValueError as exc:
            self.warnings.append(f"the audit log was not copied: {exc}")

    def recorder(self) -> Recorder:
        """What records the things that the host has done, even when the inventory goes away meanwhile. The inventory is open."""
        return Recorder(self.inventory, self._spool(), host=self.host, actor=self.actor, tell=self.warnings.append)

    def _spool(self) -> Spool:
        return spool_of(self._opened[0].path, self.args.get("spool"), environ=os.environ)


def now() -> datetime:
    return datetime.now(timezone.utc)


def new_transaction() -> str:
    return uuid.uuid4().hex


def _with_shared(action: t.Any, task_vars: dict[str, t.Any], spec: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The task's arguments, and for what is left out the variable of the same meaning."""
    args: dict[str, t.Any] = plain(dict(action._task.args), "arguments")
    for option, variable in SHARED.items():
        if option in spec and args.get(option) is None:
            value = shared_variable(action, host_variables(action, task_vars), variable)
            if value is not None:
                args[option] = value
    return args


def _checked(action: t.Any, variables: dict[str, t.Any], spec: Mapping[str, t.Any], rules: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The task's arguments as plain values, after everything that can be refused before a host is asked."""
    args = checked_arguments(_with_shared(action, variables, spec), spec, SHARED, **rules)
    if args.get("services"):
        check_entries(args["services"])
    if "certops_serial" in variables:
        check_serial(shared_variable(action, variables, "certops_serial"))
    return args


def run_action(
    action: t.Any, task_vars: dict[str, t.Any] | None, spec: Mapping[str, t.Any], work: t.Callable[[Task], dict[str, t.Any]], **rules: t.Any
) -> dict[str, t.Any]:
    """The result of C(work); what it says in a ValueError becomes the message of a failed task. C(rules) are those of checked_arguments."""
    variables = task_vars or {}
    unknown = unknown_variables(variables)  # often why something is missing
    told: list[str] = []
    try:
        args = _checked(action, variables, spec, rules)
        own = host_variables(action, variables)
        asked, audit = actor_of(action, own), audit_settings(shared_variable(action, own, VARIABLE))
        with ExitStack() as end:
            task = Task(action, variables, args, asked, audit, end, warnings=told)
            try:
                result = work(task)
            except (ValueError, AnsibleError):  # not what ends the run
                task.cared()
                raise
            task.cared()
    except ValueError as exc:
        for text in (*told, *unknown):  # ansible-core 2.19 drops the warnings of a result that is an error
            Display().warning(text)
        raise AnsibleActionFail(str(exc)) from None  # ansible-core 2.19 appends the text of every cause
    return {**result, "warnings": [*told, *result.get("warnings", ()), *unknown]}
