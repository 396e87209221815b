# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the result of a task says, as values of printable text. A result comes from a host and may have any form."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.certops.fleet.plugins.plugin_utils._display.text import printable

CERTIFICATE = "certops.fleet.certificate"
SCAN = "certops.fleet.host_scan_info"
# How ansible-core 2.19 and later begin the message of an exception.
PREFIXES = ("Task failed: ", "Action failed: ")
FAILED = ("failed", "undone", "unknown")


@dataclass(frozen=True, slots=True)
class Certificate:
    """What became of one declared certificate, in the words of the module's documentation."""

    name: str
    actions: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    outcome: str = ""
    text: str = ""
    services: tuple[str, ...] = ()
    unverified: str = ""
    told: tuple[str, ...] = ()

    @property
    def done(self) -> str:
        """What was done, or would be done, in one word."""
        if {"issue", "install_staged"} & set(self.actions):
            return "rotated"
        return "reloaded" if self.actions == ("reload",) else "mended"

    @property
    def failed(self) -> bool:
        return self.outcome in FAILED


@dataclass(frozen=True, slots=True)
class Scan:
    """What one discovery of a host saw; C(problems) are the returned ones, which are bounded."""

    complete: bool
    certificates: int
    problems: int = 0
    first_problem: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What one result told, that of a loop with all its items."""

    certificates: tuple[Certificate, ...] = ()
    due: tuple[str, ...] = ()
    recovered: tuple[str, ...] = ()
    scan: Scan | None = None
    warnings: tuple[str, ...] = ()
    message: str = ""


def _list(value: object) -> list[t.Any]:
    return value if isinstance(value, list) else []


def _texts(value: object) -> tuple[str, ...]:
    return tuple(printable(item) for item in _list(value))


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _certificate(item: Mapping[str, t.Any]) -> Certificate:
    unverified = printable(item.get("verified_reason") or "no reason was told") if item.get("verified") is False else ""
    return Certificate(
        name=printable(item.get("name", "")),
        actions=_texts(item.get("actions")),
        reasons=tuple(printable(reason["text"]) for reason in _list(item.get("reasons")) if isinstance(reason, dict) and "text" in reason),
        outcome=printable(item.get("outcome", "")),
        text=printable(item.get("text") or ""),
        services=_texts(item.get("services")),
        unverified=unverified,
        told=_texts(item.get("told")),
    )


def _scan(result: Mapping[str, t.Any]) -> Scan | None:
    summary = result.get("summary")
    if not isinstance(summary, dict):
        return None
    problems = [item for item in _list(result.get("problems")) if isinstance(item, dict)]
    first = f"{problems[0].get('path')}: {problems[0].get('reason')}" if problems else ""
    return Scan(result.get("complete") is True, _number(summary.get("certificates")), len(problems), printable(first))


def _message(result: Mapping[str, t.Any]) -> str:
    """The sentence of a failure; when there is none, why."""
    message = printable(result.get("msg") or result.get("censored") or "", 4 * 300)
    while prefix := next((prefix for prefix in PREFIXES if message.startswith(prefix)), None):
        message = message.removeprefix(prefix)
    return printable(message)


def _items(result: Mapping[str, t.Any]) -> list[Mapping[str, t.Any]]:
    """The results of a loop, or the one that there is."""
    items: list[Mapping[str, t.Any]] = [item for item in _list(result.get("results")) if isinstance(item, dict)]
    return items or [result]


def _failed(result: Mapping[str, t.Any]) -> bool:
    return bool(result.get("failed") or result.get("unreachable"))


def told(action: str, result: Mapping[str, t.Any]) -> Told:
    """What a result of the task C(action), a full name, tells."""
    items = _items(result)
    messages = [_message(item) for item in items if item is result or _failed(item)] or [_message(result)]
    common = Told(warnings=_texts(result.get("warnings")), message=printable("; ".join(filter(None, messages)), 600))
    if action == CERTIFICATE:
        return Told(
            certificates=tuple(_certificate(one) for item in items for one in _list(item.get("certificates")) if isinstance(one, dict)),
            due=tuple(name for item in items for name in _texts(item.get("due"))),
            recovered=tuple(text for item in items for text in _texts(item.get("recovered"))),
            warnings=tuple(dict.fromkeys((*common.warnings, *(text for item in items for text in _texts(item.get("warnings")))))),
            message=common.message,
        )
    if action == SCAN:
        return Told(scan=next((scan for item in items if (scan := _scan(item))), None), warnings=common.warnings, message=common.message)
    return common
