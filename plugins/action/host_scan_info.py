# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import typing as t
from tempfile import TemporaryFile

from ansible.plugins.action import ActionBase

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import Task, now, run_action
from ansible_collections.certops.fleet.plugins.plugin_utils._discovery.parts import Parts, merge, other_parts
from ansible_collections.certops.fleet.plugins.plugin_utils._discovery.rest import NOT_SENT, not_in_it, rest, rest_request
from ansible_collections.certops.fleet.plugins.plugin_utils._discovery.scan import scan_request, scan_result
from ansible_collections.certops.fleet.plugins.plugin_utils._host.bundle import prepare
from ansible_collections.certops.fleet.plugins.plugin_utils._host.exchange import silence
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rehearsal import rehearse
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import ScanRecord, SilentHost, UnavailableError

ARGUMENT_SPEC: dict[str, t.Any] = {
    "paths": {"type": "list", "elements": "str", "default": []},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "home": {"type": "bool", "default": False},
    "max_file_size": {"type": "int", "default": 2097152},
    "max_seconds": {"type": "int", "default": 0},
    "nice": {"type": "int", "default": 10},
    "max_processes": {"type": "int", "default": 2},
    "full": {"type": "bool", "default": False},
    "cache_days": {"type": "int", "default": 7},
    "return_certificates": {"type": "bool", "default": False},
    "probe": {"type": "str", "choices": ["none", "services", "all"], "default": "services"},
    "record": {"type": "bool", "default": True},
    "services": {"type": "list", "elements": "dict"},
    "store_passwords": {"type": "list", "elements": "str", "no_log": True},
    "inventory": {"type": "str"},
    "spool": {"type": "path"},
}

STALE = "service {service!r} serves another certificate on port {port} than its files hold: it was renewed, but never reloaded"
REFUSED = "looked at as the user {user!r}, who may not read everything: what was refused is in problems; set become for a complete discovery"

# Once for all hosts: this file is imported before the workers fork.
prepare("scan")
rehearse()


def scan(task: Task) -> dict[str, t.Any]:
    started = now()
    if not task.args["record"] or task.check_mode:
        wanted = "none" if not task.args["return_certificates"] else "all" if task.check_mode else "parts"
        answer = _everything(task, scan_request(task.args, (), keep=not task.check_mode, rows=wanted))
        return _result(task, answer, recorded=False, twins=[])
    owned, problems = task.stated()
    with task.inventory() as inventory:
        inventory.check_writable()
        bundles = inventory.known_bundles()
        certificates = () if task.args["return_certificates"] else inventory.known_certificates(task.host)
    request = scan_request(task.args, bundles, known_certificates=certificates, keep=True, rows="parts")
    recorder = task.recorder()
    with TemporaryFile() as file:  # without a name, so that nobody else can open it
        more = Parts(file)
        try:
            answer, stored = (_everything(task, request), 0) if task.args["return_certificates"] else _stored(task, request, more)
        except BaseException as exc:  # the timeout of a task is no Exception
            reason = silence(exc)
            if reason is not None:
                recorder.put(SilentHost(task.host, reason, started, now(), owned, task.run))
                recorder.flush()
            raise
        partial = bool(task.args["paths"])
        record = ScanRecord(task.host, started, now(), answer, answer["_host"], partial=partial, stated=owned, run=task.run, more=more, stored=stored)
        recorded = recorder.put(record)
        recorder.flush()
    result = _result(task, answer, recorded=recorded is not None, twins=[twin.name for twin in recorded.twins] if recorded else [])
    failure = {"failed": True, "msg": "; ".join(recorder.lost)} if recorder.lost else {}
    return {**result, **failure, "spooled": recorder.spooled, "warnings": [*result["warnings"], *problems]}


def _everything(task: Task, request: dict[str, t.Any]) -> dict[str, t.Any]:
    """What the host says, in one, with every certificate: as large as it may be, because a play wants it."""
    answer = task.exchange("scan", request)
    for part in other_parts(answer, lambda asked: task.exchange("scan", asked)):
        merge(answer, part)
    lacking = not_in_it(answer) if task.args["return_certificates"] else {}
    sent = 0
    for some in rest(lacking, lambda some: task.exchange("scan", rest_request(request, some))):
        answer["certificates"].update(some)
        sent += len(some)
    _tell_not_sent(answer, len(lacking) - sent)
    return answer


def _stored(task: Task, request: dict[str, t.Any], more: Parts) -> tuple[dict[str, t.Any], int]:
    """What the host says, as much as one answer holds, and how many certificates were stored by then; the other rows are in C(more)."""
    answer = task.exchange("scan", request)
    stored = left = 0
    for part in itertools.chain((answer,), other_parts(answer, lambda asked: task.exchange("scan", asked))):
        unknown = _unknown(task, not_in_it({**part, "certificates": answer["certificates"]}))
        left += len(unknown)
        for some in rest(unknown, lambda some: task.exchange("scan", rest_request(request, some))):
            left -= len(some)
            stored += _added(task, answer, some)
        if part is not answer:
            more.add(part)
    _tell_not_sent(answer, left)
    return answer, stored


def _unknown(task: Task, lacking: dict[str, str]) -> dict[str, str]:
    """Those that the inventory has not; all of them, when it went away while the host was asked."""
    try:
        with task.inventory() as inventory:
            unknown = inventory.lacking_certificates(lacking)
    except UnavailableError:
        return lacking
    return {digest: path for digest, path in lacking.items() if digest in unknown}


def _added(task: Task, answer: dict[str, t.Any], some: dict[str, str]) -> int:
    """How many certificates are new in the inventory; where it went away, they are recorded with the scan."""
    try:
        with task.inventory() as inventory:
            return inventory.add_certificates(some)
    except UnavailableError:
        answer["certificates"].update(some)
        return 0


def _tell_not_sent(answer: dict[str, t.Any], count: int) -> None:
    if count:
        answer["complete"] = False
        answer["skipped"].append({"path": "/", "reason": NOT_SENT, "count": count})


def _result(task: Task, answer: dict[str, t.Any], *, recorded: bool, twins: list[str]) -> dict[str, t.Any]:
    result = scan_result(answer, everything=task.args["return_certificates"], now=now())
    facts = {"ansible_facts": answer["ansible_facts"]} if "ansible_facts" in answer else {}
    # Without the host's name, so that Ansible prints it once a run.
    refused = not answer["privileged"] and any("Permission denied" in problem["reason"] for problem in answer["problems"])
    warnings = [REFUSED.format(user=answer["_host"].get("user"))] if refused else []
    warnings += [STALE.format(**look) for look in result["not_loaded"]]
    return {"changed": False, "recorded": recorded, "spooled": False, "twins": twins, "warnings": warnings, **result, **facts}


class ActionModule(ActionBase):
    """Wiring of M(certops.fleet.host_scan_info)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        return {**result, **run_action(self, task_vars, ARGUMENT_SPEC, scan)}
