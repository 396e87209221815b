# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run came to: one small state a host and a certificate, folded from the results, and the figures of the end."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.sentence import named
from ansible_collections.certops.fleet.plugins.plugin_utils._display.text import count, printable
from ansible_collections.certops.fleet.plugins.plugin_utils._display.told import Certificate, Scan, Told

NO_MESSAGE = "no message was given"


@dataclass(frozen=True, slots=True)
class Kept:
    """One certificate over all tasks of a run. What was done stays done; what stands in the way may be gone in a later task."""

    due: bool = False
    done: frozenset[str] = frozenset()
    outcome: str = ""
    failure: str = ""
    unverified: str = ""
    told: tuple[str, ...] = ()

    def after(self, certificate: Certificate, *, due: bool, would: bool) -> Kept:
        acted = certificate.outcome == ("pending" if would else "committed")
        return Kept(
            due=self.due or due,
            done=self.done | {certificate.done} if acted else self.done,
            outcome=certificate.outcome if certificate.failed else "",
            failure=certificate.text or NO_MESSAGE if certificate.failed else "",
            unverified=certificate.unverified if acted else self.unverified,
            told=certificate.told,
        )


@dataclass(frozen=True, slots=True)
class Attention:
    """A host that a person should look at, the most urgent reason first."""

    host: str
    urgency: int
    text: str


@dataclass(frozen=True, slots=True)
class Figures:
    """The end of a run. Hosts that are neither failed nor unreachable are ok; the changed ones are counted among all."""

    hosts: int
    ok: int
    changed: int
    failed: int
    unreachable: int
    certificates: tuple[Kept, ...] = ()
    scans: tuple[Scan, ...] = ()
    attention: tuple[Attention, ...] = ()
    check: bool = False
    ended: bool = True

    def kept(self, wanted: t.Callable[[Kept], object]) -> int:
        return sum(1 for certificate in self.certificates if wanted(certificate))


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """web2 before web10."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d{1,18})", name))


class Tally:
    """Takes what the results of a run tell, and keeps little of it."""

    def __init__(self) -> None:
        self.check = False
        self.lost: dict[str, str] = {}
        self.unreachable: set[str] = set()
        self._changed: set[str] = set()
        self._hosts: set[str] = set()
        self._certificates: dict[tuple[str, str], Kept] = {}
        self._scans: dict[str, Scan] = {}
        self._owner: dict[str, str] = {}

    def seen(self, host: str, *, changed: bool = False) -> None:
        """A host of the fleet had a result; a host that is only the controller of a task is none."""
        self._hosts.add(host)
        if changed:
            self._changed.add(host)

    def told(self, target: str, told: Told, *, would: bool) -> None:
        """What a task told of the host C(target), which may be a delegate; C(would) for what check mode did not do."""
        self.check = self.check or would
        for certificate in told.certificates:
            key = (target, certificate.name)
            self._certificates[key] = self._certificates.get(key, Kept()).after(certificate, due=certificate.name in told.due, would=would)
        if told.scan is not None:
            self._scans[target] = told.scan

    def failure(self, host: str, message: str, *, unreachable: bool = False) -> None:
        """A host did not get through a task. Whether it was rescued is only known at the end."""
        self.lost[host] = message or NO_MESSAGE
        if unreachable:
            self.unreachable.add(host)

    def _summaries(self) -> dict[str, dict[str, int]]:
        """What Ansible's own statistics would say, for a run that ended without them."""
        return {
            host: {"unreachable": host in self.unreachable, "failures": host in self.lost and host not in self.unreachable, "changed": host in self._changed}
            for host in self._hosts | set(self.lost)
        }

    def figures(self, summaries: Mapping[str, Mapping[str, int]] | None) -> Figures:
        """C(summaries): of each host how often it had C(failures), was C(unreachable), was C(changed); None when the run did not get to its end."""
        known = self._summaries() if summaries is None else summaries
        own = {host: summary for host, summary in known.items() if host in self._hosts or summary["failures"] or summary["unreachable"]} or known
        unreachable = {host for host, summary in own.items() if summary["unreachable"]}
        failed = {host for host, summary in own.items() if summary["failures"]} - unreachable
        return Figures(
            hosts=len(own),
            ok=len(own) - len(unreachable) - len(failed),
            changed=sum(1 for summary in own.values() if summary["changed"]),
            failed=len(failed),
            unreachable=len(unreachable),
            certificates=tuple(self._certificates.values()),
            scans=tuple(self._scans.values()),
            attention=self._attention(failed, unreachable),
            check=self.check,
            ended=summaries is not None,
        )

    def _attention(self, failed: set[str], unreachable: set[str]) -> tuple[Attention, ...]:
        reasons: dict[str, list[tuple[int, str]]] = {}
        for host in unreachable:
            reasons.setdefault(host, []).append((0, f"unreachable: {self.lost.get(host, NO_MESSAGE)}"))
        for host in failed:
            reasons.setdefault(host, []).append((1, self.lost.get(host, NO_MESSAGE)))
        for (host, name), kept in self._certificates.items():
            reasons.setdefault(host, []).extend(_troubles(name, kept, told=host in failed))
        for host, scan in self._scans.items():
            reasons.setdefault(host, []).extend(_gaps(scan))
        attention = (_attention_of(host, sorted(texts)) for host, texts in reasons.items() if texts)
        return tuple(sorted(attention, key=lambda one: (one.urgency, _natural(one.host))))


def _attention_of(host: str, reasons: list[tuple[int, str]]) -> Attention:
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return Attention(printable(host), reasons[0][0], reasons[0][1] + more)


def _troubles(name: str, kept: Kept, *, told: bool) -> t.Iterator[tuple[int, str]]:
    """C(told): the failure of the host says it already."""
    if kept.failure and not told:
        yield 2, named(name, kept.failure)
    if kept.unverified:
        yield 3, named(name, f"not verified: {kept.unverified}")
    for text in kept.told:
        yield 4, named(name, text)


def _gaps(scan: Scan) -> t.Iterator[tuple[int, str]]:
    if not scan.complete:
        more = f": {count(scan.problems, 'problem')}, the first: {scan.first_problem}" if scan.problems else ""
        yield 5, f"not scanned completely{more}"
