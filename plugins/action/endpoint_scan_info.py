# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint.engine import SEEN, look_at
from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import Task, now, run_action
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.groups import hosts_of
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.progress import Told
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.scan import Findings, batches, check_settings, probe, returned, settings_from
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.targets import STARTTLS, Origin, Target, TargetError, Wanted, expand
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.trust import Trust, read_roots
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import EndpointsRecord
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.crypto import require

ARGUMENT_SPEC: dict[str, t.Any] = {
    "targets": {"type": "list", "elements": "str", "default": []},
    "groups": {"type": "list", "elements": "str", "default": []},
    "ports": {"type": "list", "elements": "str", "default": ["443"]},
    "names": {"type": "list", "elements": "str", "default": []},
    "starttls": {"type": "str", "default": "auto", "choices": list(STARTTLS)},
    "alpn": {"type": "list", "elements": "str", "default": ["h2", "http/1.1"]},
    "all_protocols": {"type": "bool", "default": False},
    "roots": {"type": "list", "elements": "path", "default": []},
    "from_host": {"type": "bool", "default": False},
    "concurrency": {"type": "int", "default": 100},
    "rate": {"type": "int", "default": 0},
    "connect_timeout": {"type": "int", "default": 5},
    "starttls_timeout": {"type": "int", "default": 10},
    "handshake_timeout": {"type": "int", "default": 10},
    "max_seconds": {"type": "int", "default": 0},
    "max_endpoints": {"type": "int", "default": 65536},
    "return_certificates": {"type": "bool", "default": False},
    "record": {"type": "bool", "default": True},
    "inventory": {"type": "str"},
}


def scan(task: Task) -> dict[str, t.Any]:
    require()
    check_settings(task.args)
    targets = expand(task.args["targets"], hosts_of(task.args["groups"], task.variables), Wanted.from_args(task.args))
    if not targets:
        raise TargetError("targets and groups are empty: name at least one endpoint such as 'www.example.com:443'")
    roots = read_roots(task.args["roots"])
    recording = task.args["record"] and not task.check_mode
    if recording:
        with task.inventory() as inventory:
            inventory.check_writable()
    findings = Findings(Trust([*roots, *known_roots(task)], now=now()), now())
    began, kept = time.monotonic(), t.cast("dict[str, bytes]", {})
    told = Told(len(targets), Display().display)
    for part in batches(targets):
        rows, certificates = findings.add(part, answered(task, part, findings, told=told, spent=time.monotonic() - began))
        if task.args["from_host"]:
            told.rows(len(part), sum(row["state"] == SEEN for row in rows))
        if task.args["return_certificates"]:
            kept.update(certificates)
        if recording:
            with task.inventory() as inventory:
                inventory.record_endpoints(EndpointsRecord(task.host.namespace, task.host.name if task.args["from_host"] else "", rows, certificates))
    result = returned(findings, kept if task.args["return_certificates"] else None, time.monotonic() - began)
    Display().display(result["msg"])
    return {"changed": False, "recorded": bool(recording), **result}


def answered(task: Task, part: t.Sequence[tuple[Target, Origin]], findings: Findings, *, told: Told, spent: float) -> dict[str, t.Any]:
    """The answer of the engine here, or of the one on the host."""
    settings = settings_from(task.args, spent=spent)
    probes = [probe(target) for target, _origin in part]
    if settings is None:
        return {"endpoints": [], "certificates": {}, "left_over": len(part)}
    if task.args["from_host"]:
        return task.exchange("endpoints", {"probes": probes, "settings": settings._asdict()})

    def row_told(row: dict[str, t.Any], certificates: dict[str, str]) -> None:
        findings.foresee(row, certificates)
        told.row(row)

    return look_at(probes, settings, row_told)


def known_roots(task: Task) -> list[bytes]:
    """The roots of the issuers in the inventory; none where others were given, or the inventory is not to be opened."""
    if task.args["roots"] or not task.args["record"]:
        return []
    with task.inventory() as inventory:
        return inventory.known_roots()


class ActionModule(ActionBase):
    """Wiring of M(certops.fleet.endpoint_scan_info)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        return {**result, **run_action(self, task_vars, ARGUMENT_SPEC, scan)}
