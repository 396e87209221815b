# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.certops.fleet.plugins.plugin_utils._action.jobs import job_id
from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import Task, new_transaction, now, run_action
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.declaration import OPTIONS, declared_certificates
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.keep import keep
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.look import look, preview, wished
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.sentence import named
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.work import Kept, Look, Work
from ansible_collections.certops.fleet.plugins.plugin_utils._host.bundle import prepare
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rehearsal import rehearse
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.spool import Recorder
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.issue import issuers_from_settings

ARGUMENT_SPEC: dict[str, t.Any] = {
    "step": {"type": "str", "choices": ["all", "look"], "default": "all"},
    "looked": {"type": "dict"},
    "services": {"type": "list", "elements": "dict"},
    "issuers": {"type": "list", "elements": "dict", "no_log": True},
    "certificates": {"type": "list", "elements": "dict", "options": OPTIONS},
    "inventory": {"type": "str"},
    "spool": {"type": "path"},
}

# Once for all hosts: this file is imported before the workers fork.
prepare("inspect", "request", "install")
rehearse()


def kept_certificates(task: Task) -> dict[str, t.Any]:
    certificates = declared_certificates(task.args["certificates"] or ())
    looking = task.check_mode or task.args["step"] == "look"
    with task.inventory() as inventory:
        if not task.check_mode:
            inventory.check_writable()
    work = Work(
        host=task.host,
        exchange=task.exchange,
        inventory=task.inventory,
        recorder=task.recorder(),
        issuers=issuers_from_settings(task.args["issuers"]),
        services=task.args["services"] or (),
        now=now,
        new_transaction=new_transaction,
        requester=task.actor,
        job=job_id(),
    )
    look_at = look(work, certificates, heal=not looking, wish=None if looking else wished(certificates, task.args["looked"]))
    kept = tuple(preview(looked, look_at.clocks) for looked in look_at.looked) if looking else keep(work, look_at)
    return _result(task, look_at, kept, records=work.recorder)


def _result(task: Task, look_at: Look, kept: tuple[Kept, ...], *, records: Recorder) -> dict[str, t.Any]:
    failed = [*(one.message for one in kept if one.failed), *records.lost]
    result: dict[str, t.Any] = {
        "changed": task.args["step"] == "all" and (any(one.changed for one in kept) or bool(look_at.recovered)),
        "certificates": [one.to_result() for one in kept],
        "declared": [one.looked.declared.name for one in kept],
        "due": [one.looked.declared.name for one in kept if one.looked.decision.due],
        "pending": bool(look_at.recovered) or any(one.looked.decision.actions or one.failed or one.looked.unrecorded for one in kept),
        "recovered": list(look_at.recovered),
        "spooled": records.spooled,
        "warnings": [named(one.looked.declared.name, text) for one in kept for text in one.looked.decision.told],
    }
    if failed and task.args["step"] == "all":
        result.update(failed=True, msg="; ".join(failed))
    if task.diff:
        result["diff"] = [difference for one in kept if one.changed and (difference := one.diff())]
    return result


class ActionModule(ActionBase):
    """Wiring of M(certops.fleet.certificate)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        return {**result, **run_action(self, task_vars, ARGUMENT_SPEC, kept_certificates)}
