# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What passes between looking at the declared certificates of a host and keeping them."""

from __future__ import annotations

import typing as t
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.decide import Decision
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.declaration import Declared
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.diff import certificate_diff, certificate_text, expected_text
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.found import Found, leaf_from_der
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.key import KeyRequest
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.lifetime import stamp
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.sentence import named
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.spool import Recorder
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Event, HostName, Settled
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.issue import Issuers
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.request import RequestTemplate


class KeepError(ValueError):
    """A declared certificate could not be brought to its desired state."""


class Exchange(t.Protocol):
    """One exchange with the host."""

    def __call__(self, verb: str, args: t.Mapping[str, t.Any], *, transaction: str | None = None) -> dict[str, t.Any]:
        """Return what the verb answers."""


@dataclass(frozen=True, slots=True)
class Work:
    """What keeping the certificates of one host needs beside their declarations."""

    host: HostName
    exchange: Exchange
    inventory: t.Callable[[], AbstractContextManager[Inventory]]
    recorder: Recorder
    issuers: Issuers
    services: t.Sequence[t.Mapping[str, t.Any]]
    now: t.Callable[[], datetime]
    new_transaction: t.Callable[[], str]
    requester: str
    job: str | None = None

    def begins(self, declared: Declared, **detail: t.Any) -> None:
        """The line of the audit log before a change: without it there is none."""
        with self.inventory() as inventory:
            inventory.append_event("certificate.change_begins", subject=declared.name, host=self.host, detail=detail)

    def ended(self, declared: Declared, **detail: t.Any) -> None:
        """The line after it, with which a transaction of the host is told in full."""
        self.recorder.put(Event("certificate.change_ended", declared.name, self.host, detail))
        self.recorder.flush()

    def settle(self, issuance: int, state: str, *, transaction: str | None = None, reason: str | None = None) -> None:
        """What became of an issuance on the host."""
        self.recorder.put(Settled(issuance, self.host, state, reason, transaction))


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """An issuance of which the inventory knows less than its host shows: an earlier run was interrupted before it could tell."""

    issuance: int
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Looked:
    """One declared certificate after the look at its host."""

    declared: Declared
    for_host: t.Mapping[str, t.Any]
    found: Found
    decision: Decision
    key: KeyRequest
    template: RequestTemplate
    request_digest: str
    unrecorded: tuple[Unrecorded, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """What an earlier look at the host said of one certificate: that it is due, and for which key it will be asked."""

    declared: Declared
    key: KeyRequest
    actions: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Requested:
    """A request that came together with the look: its DER, or why the host made none."""

    name: str
    transaction: str
    digest: str
    csr: bytes | None
    refused: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of one declared certificate; C(text) is one sentence."""

    looked: Looked
    outcome: str
    text: str = ""
    services: tuple[str, ...] = ()
    verified: bool | None = None
    verified_reason: str | None = None
    validated: str | None = None
    layout: str | None = None
    new: bytes | None = None
    transaction: str | None = None
    places: t.Mapping[str, t.Any] | None = None  # the answer of a scan of its paths, after the change

    @property
    def failed(self) -> bool:
        return self.outcome not in ("unchanged", "committed", "pending")

    @property
    def changed(self) -> bool:
        return self.outcome in ("committed", "pending")

    @property
    def message(self) -> str:
        """The sentence of a failure, with the certificate's name and what became of its old state."""
        told = named(self.looked.declared.name, self.text)
        return f"{told}; everything is as it was before" if self.outcome == "undone" else told

    def to_result(self) -> dict[str, t.Any]:
        decision = self.looked.decision
        return {
            "name": self.looked.declared.name,
            "actions": list(decision.actions),
            "reasons": [{"when": reason.when, "code": reason.code, "text": reason.text} for reason in decision.reasons],
            "told": list(decision.told),
            "outcome": self.outcome,
            "text": self.text,
            "services": list(self.services),
            "verified": self.verified,
            "verified_reason": self.verified_reason,
            "validated": self.validated,
            "layout": self.layout,
            "old": self.looked.found.leaf.sha256 if self.looked.found.leaf else None,
            "new": None if self.new is None else leaf_from_der(self.new).sha256,
            "due_at": stamp(decision.due_at) if decision.due_at else None,
            "new_key": self.looked.key.for_host() if decision.due and decision.staged is None else None,
        }

    def diff(self) -> dict[str, t.Any] | None:
        """Old and new certificate, or what is known of the new one; None when the certificate stays."""
        if not self.looked.decision.due:
            return None
        after = certificate_text(self.new) if self.new is not None else expected_text(self.looked.declared, self.looked.key)
        return certificate_diff(self.looked.declared, self.looked.found.certificate, after)


@dataclass(frozen=True, slots=True)
class Look:
    """The look at all declared certificates of one host; C(recovered) was left open there, and was ended if the look was to heal."""

    looked: tuple[Looked, ...]
    recovered: tuple[str, ...] = ()
    clocks: str | None = None
    requested: Requested | None = None
