# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes into the inventory and what comes out of it, as values."""

from __future__ import annotations

import dataclasses
import functools
import typing as t
from datetime import datetime, timezone

STATES = ("intent", "awaiting_issuer", "issued", "installed", "failed", "abandoned", "issued_nowhere", "revoked")
ALARMED = ("in_use", "installed")  # the classes of places that raise alarms
DAY = 86400  # seconds
WARNING_DAYS = 30  # before the end of a certificate
BEGINNING = -62135596800  # 0001-01-01T00:00:00Z
ENDLESS = 253402300799  # 9999-12-31T23:59:59Z, RFC 5280 section 4.1.2.5


class InventoryError(ValueError):
    """The inventory cannot be opened, read or written, or what it was given cannot be stored."""


class UnavailableError(InventoryError):
    """The database cannot be asked or written now; what was to be written is in order."""


class ConflictError(UnavailableError):
    """Two writers were in each other's way: the database undid this transaction, and the same again may succeed."""


class SerialTakenError(InventoryError):
    """The issuer has used this serial before: try another one."""


class TransitionError(InventoryError):
    """An issuance cannot go from its state to the wanted one."""


@dataclasses.dataclass(frozen=True, slots=True)
class HostName:
    """Identity of a host: its name in the Ansible inventory and the namespace that makes the name unique."""

    namespace: str
    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Stated:
    """What the Ansible inventory says of a host: its groups, and checked attributes of its ownership."""

    groups: tuple[str, ...] = ()
    given: tuple[tuple[str, str | tuple[str, ...]], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """One run of a job, which is a job template of AWX or a playbook, with its limit, as far as one play of one process knows it.

    ``part`` tells slices and plays of a run apart; ``hosts_asked`` are those of the play.
    """

    job: str
    run: str
    part: str = ""
    hosts_asked: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class ScanRecord:
    """One answered scan: ``result`` is that of the verb ``scan``, ``evidence`` is the ``host`` part of the same answer.

    ``partial``: only some paths were asked for, so that it says nothing of the host as a whole. ``stated`` is None where the Ansible inventory was not read,
    ``run`` where no run of a job asked for the scan. ``more`` holds the rows that one answer has no room for, in parts that are gone through one by one;
    ``stored`` is how many of its certificates were stored before it.
    """

    host: HostName
    started: datetime
    ended: datetime
    result: t.Mapping[str, t.Any]
    evidence: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    partial: bool = False
    stated: Stated | None = None
    run: Run | None = None
    more: t.Iterable[t.Mapping[str, t.Any]] = ()
    stored: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Recorded:
    """What recording a scan did. ``twins`` are other hosts with the same machine-id or ssh host key."""

    scan: int
    changed: bool
    new_certificates: int = 0
    gone: int = 0
    twins: tuple[HostName, ...] = ()
    problems: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class SilentHost:
    """A host that gave nothing, and why."""

    host: HostName
    reason: str
    started: datetime
    ended: datetime
    stated: Stated | None = None
    run: Run | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class EndpointsRecord:
    """What was seen of endpoints. ``seen_from`` is the host that looked, empty for the controller; ``certificates`` is DER by SHA-256.

    Each endpoint has state, inventory_host, target, port, name, starttls, address, chain, protocol, cipher, reason and the names of ``endpoints.FACTS``.
    """

    namespace: str
    seen_from: str
    endpoints: t.Sequence[t.Mapping[str, t.Any]]
    certificates: t.Mapping[str, bytes]


@dataclasses.dataclass(frozen=True, slots=True)
class EndpointsRecorded:
    """What recording endpoints did: places that are new or show another certificate, places that are gone, places of a host that is known."""

    changed: int
    gone: int
    linked: int


@dataclasses.dataclass(frozen=True, slots=True)
class Issuer:
    """A CA that certificates are got from. ``certificate`` and ``chain`` are DER; ``facts`` is JSON and holds no secret."""

    name: str
    kind: str
    certificate: bytes | None = None
    chain: tuple[bytes, ...] = ()
    facts: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Intent:
    """What is about to be issued. ``serial`` is None where only the issuer will know it; digests are SHA-256 in hexadecimal."""

    host: HostName
    name: str
    issuer: str
    serial: int | None
    csr_digest: str
    profile: str
    requester: str
    request_digest: str | None = None
    job: str | None = None
    transaction: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Issuance:
    """One issuance as stored. ``certificate`` and ``chain`` are DER, present from the state ``issued`` on."""

    id: int
    host: HostName
    name: str
    issuer: str
    serial: int | None
    csr_digest: str
    request_digest: str | None
    profile: str
    requester: str
    job: str | None
    transaction: str | None
    state: str
    reason: str | None
    began: datetime
    changed: datetime
    issued: datetime | None
    sha256: str | None
    certificate: bytes | None
    chain: tuple[bytes, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Actor:
    """Who asks and why, as every event has it.

    ``known`` says how the name is known: C(local) where it is the account that runs Ansible, else the variable that gave it. ``account`` is the account anyway.
    """

    name: str
    known: str | None = None
    account: str | None = None
    job: str | None = None
    ticket: str | None = None
    reason: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Settled:
    """What became of an issuance of a host. ``transaction`` is the one it belongs to, None where that is not known."""

    issuance: int
    host: HostName
    state: str
    reason: str | None = None
    transaction: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """One line of the audit log. ``detail`` is JSON and holds no secret."""

    kind: str
    subject: str
    host: HostName | None = None
    detail: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


def seconds(moment: datetime) -> int:
    """Whole seconds since the epoch of an aware time."""
    if moment.tzinfo is None:
        raise InventoryError(f"the time {moment.isoformat()!r} has no time zone: aware UTC times are stored")
    return int(moment.timestamp())


def moment(stored: int) -> datetime:
    """The aware UTC time of a stored one."""
    return datetime.fromtimestamp(stored, timezone.utc)


def iso(time: datetime) -> str:
    """A time as documents and reports have it, C(2026-11-23T09:43:04Z)."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


@functools.lru_cache(maxsize=4096)  # many rows have the time of the same scan
def iso_stored(stored: int | None) -> str | None:
    """The same of a stored one, None where there is none; others may claim a time after the last year that there is, or before the first."""
    return None if stored is None else iso(moment(max(BEGINNING, min(stored, ENDLESS))))


def endpoint_place(target: str, port: int, name: str) -> str:
    """As a reader knows an endpoint: host and port, and the name that was asked for where it is another one."""
    where = f"[{target}]:{port}" if ":" in target else f"{target}:{port}"
    return where if name in ("", target) else f"{where} ({name})"
