# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What C(certops_audit) says: who signs checkpoints of the audit log, how often, and where its lines are copied to."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t
from urllib.parse import urlsplit

from ansible_collections.certops.fleet.plugins.plugin_utils._action.arguments import checked_arguments
from ansible_collections.certops.fleet.plugins.plugin_utils._files.text import octal_mode

VARIABLE = "certops_audit"
KINDS = ("path", "syslog", "command")
PORTS = {"udp": 514, "tcp": 601, "tls": 6514}  # RFC 5426, RFC 6587, RFC 5425
TARGET: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "path": {"type": "path"},
    "mode": {"type": "raw", "default": "0600"},
    "syslog": {"type": "str"},
    "ca_path": {"type": "path"},
    "command": {"type": "list", "elements": "str"},
}
SPEC: dict[str, t.Any] = {
    "signing_key": {"type": "path", "no_log": False},
    "signers": {"type": "list", "elements": "str", "default": []},
    "checkpoint_events": {"type": "int", "default": 1000},
    "checkpoint_hours": {"type": "int", "default": 24},
    "targets": {"type": "list", "elements": "dict", "default": [], "options": TARGET},
}
_PUBLIC_KEY = re.compile(r"((?:sk-)?(?:ssh|ecdsa)-[a-zA-Z0-9@.-]+ [A-Za-z0-9+/]+=*)(?: [^\r\n]*)?")


class AuditError(ValueError):
    """The settings of the audit log cannot be used, a checkpoint was not signed, or a copy was not made or cannot be read."""


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """One place outside of the database; ``kind`` is which one of the three it is."""

    name: str
    kind: str
    path: str = ""
    mode: int = 0o600
    syslog: str = ""
    ca_path: str | None = None
    command: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class AuditSettings:
    """The whole variable. ``signers`` are public keys as OpenSSH writes them, without their comments."""

    signing_key: str | None = None
    signers: tuple[str, ...] = ()
    checkpoint_events: int = 1000
    checkpoint_hours: int = 24
    targets: tuple[Target, ...] = ()


def audit_settings(value: t.Any) -> AuditSettings:
    """From the variable; nothing is set where there is none. Raises ArgumentError or AuditError."""
    if value is None:
        return AuditSettings()
    given = checked_arguments({VARIABLE: value}, {VARIABLE: {"type": "dict", "options": SPEC}})[VARIABLE]
    for name in ("checkpoint_events", "checkpoint_hours"):
        if given[name] < 1:
            raise AuditError(f"{VARIABLE}.{name} must be a number above 0, got {given[name]!r}")
    targets = tuple(_target(item, f"{VARIABLE}.targets[{index}]") for index, item in enumerate(given["targets"]))
    names = [target.name for target in targets]
    for name in names:
        if names.count(name) > 1:
            raise AuditError(f"{VARIABLE}.targets: the name {name!r} is given twice")
    return AuditSettings(
        signing_key=given["signing_key"] and _absolute(given["signing_key"], f"{VARIABLE}.signing_key"),
        signers=public_keys(given["signers"], f"{VARIABLE}.signers"),
        checkpoint_events=given["checkpoint_events"],
        checkpoint_hours=given["checkpoint_hours"],
        targets=targets,
    )


def public_keys(given: t.Iterable[str], where: str) -> tuple[str, ...]:
    """Kind and key of each public key, nothing that could be another field of a file of signers. Raises AuditError."""
    keys = []
    for index, text in enumerate(given):
        found = _PUBLIC_KEY.fullmatch(text.strip())
        if not found:
            raise AuditError(f"{where}[{index}] must be a public key as OpenSSH writes it, such as 'ssh-ed25519 AAAA…', got {text[:100]!r}")
        keys.append(found[1])
    return tuple(keys)


def _target(item: t.Mapping[str, t.Any], where: str) -> Target:
    kinds = [kind for kind in KINDS if item[kind]]
    if len(kinds) != 1:
        raise AuditError(f"{where} must have exactly one of {', '.join(KINDS)}, got {', '.join(kinds) or 'none'}")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", item["name"], re.ASCII):
        raise AuditError(f"{where}.name must be letters, digits, '.', '_' and '-', at most 63, got {item['name']!r}")
    mode = octal_mode(item["mode"])
    if mode is None:
        raise AuditError(f"{where}.mode must be an octal mode such as '0640', got {item['mode']!r}")
    if item["syslog"]:
        syslog_address(item["syslog"], f"{where}.syslog")
    return Target(
        name=item["name"],
        kind=kinds[0],
        path=_absolute(item["path"], f"{where}.path") if item["path"] else "",
        mode=mode,
        syslog=item["syslog"] or "",
        ca_path=item["ca_path"],
        command=tuple(item["command"] or ()),
    )


def _absolute(path: str, where: str) -> str:
    if not os.path.isabs(path):
        raise AuditError(f"{where} must be an absolute path, got {path!r}")
    return path


def syslog_address(text: str, where: str) -> tuple[str, str, int]:
    """Scheme, host and port; of a socket of this machine C(unix), its path and 0. Raises AuditError."""
    if text.startswith("/"):
        return "unix", text, 0
    try:
        parts = urlsplit(text)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        scheme, host, port = "", None, None
    if scheme not in PORTS or not host:
        raise AuditError(f"{where} must be udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT or the path of a socket such as '/dev/log', got {text!r}")
    return scheme, host, port or PORTS[scheme]
