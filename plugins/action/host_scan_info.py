# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import Task, now, run_action
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
        request = scan_request(task.args, (), keep=not task.check_mode)
        answer = task.exchange("scan", request)
        for part in _parts(task, request, answer, not_in_it(answer) if task.args["return_certificates"] else {}):
            answer["certificates"].update(part)
        return _result(task, answer, recorded=False, twins=[])
    owned, problems = task.stated()
    with task.inventory() as inventory:
        inventory.check_writable()
        bundles = inventory.known_bundles()
        certificates = () if task.args["return_certificates"] else inventory.known_certificates(task.host)
    recorder = task.recorder()
    try:
        answer = _answer(task, scan_request(task.args, bundles, known_certificates=certificates, keep=True))
    except BaseException as exc:  # the timeout of a task is no Exception
        reason = silence(exc)
        if reason is not None:
            recorder.put(SilentHost(task.host, reason, started, now(), owned))
            recorder.flush()
        raise
    recorded = recorder.put(ScanRecord(task.host, started, now(), answer, answer["_host"], partial=bool(task.args["paths"]), stated=owned))
    recorder.flush()
    result = _result(task, answer, recorded=recorded is not None, twins=[twin.name for twin in recorded.twins] if recorded else [])
    failure = {"failed": True, "msg": "; ".join(recorder.lost)} if recorder.lost else {}
    return {**result, **failure, "spooled": recorder.spooled, "warnings": [*result["warnings"], *problems]}


def _answer(task: Task, request: dict[str, t.Any]) -> dict[str, t.Any]:
    """What the host says; certificates beyond one answer are stored part by part, or kept where everything is returned."""
    answer = task.exchange("scan", request)
    lacking = not_in_it(answer)
    if lacking and not task.args["return_certificates"]:
        lacking = _unknown(task, lacking)
    for part in _parts(task, request, answer, lacking):
        if task.args["return_certificates"] or not _stored(task, part):
            answer["certificates"].update(part)
    return answer


def _unknown(task: Task, lacking: dict[str, str]) -> dict[str, str]:
    """Those that the inventory has not; all of them, when it went away while the host was asked."""
    try:
        with task.inventory() as inventory:
            unknown = inventory.lacking_certificates(lacking)
    except UnavailableError:
        return lacking
    return {digest: path for digest, path in lacking.items() if digest in unknown}


def _stored(task: Task, part: dict[str, str]) -> bool:
    """Whether the inventory took certificates; else they are recorded with the scan."""
    try:
        with task.inventory() as inventory:
            inventory.add_certificates(part)
    except UnavailableError:
        return False
    return True


def _parts(task: Task, request: dict[str, t.Any], answer: dict[str, t.Any], lacking: dict[str, str]) -> t.Iterator[dict[str, str]]:
    """The certificates that are lacking; those that the host does not send are said in its answer."""
    left = len(lacking)
    for part in rest(lacking, lambda some: task.exchange("scan", rest_request(request, some))):
        left -= len(part)
        yield part
    if left:
        answer["complete"] = False
        answer["skipped"].append({"path": "/", "reason": NOT_SENT, "count": left})


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
