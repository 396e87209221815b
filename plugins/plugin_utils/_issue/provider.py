# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every kind of issuer takes and gives."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from ansible_collections.certops.fleet.plugins.plugin_utils._issue.request import CheckedRequest


class IssuerError(ValueError):
    """An issuer that cannot or may not issue; the next one is tried."""


@dataclass(frozen=True, slots=True)
class IssuerSettings:
    """One item of `certops_issuers`; `profiles` None means all."""

    name: str
    type: str
    directory: str
    passphrase: bytes | None = field(default=None, repr=False)
    profiles: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """Whether an issuer can issue now, why not, and when it ends."""

    usable: bool
    reason: str | None
    not_after: datetime | None


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and what is sent behind it (DER)."""

    der: bytes
    chain: tuple[bytes, ...]


class Issuer(t.Protocol):
    """A source of certificates."""

    name: str
    type: t.ClassVar[str]
    settings: IssuerSettings

    @property
    def certificate(self) -> bytes:
        """The CA certificate that signs (DER)."""

    @property
    def chain(self) -> tuple[bytes, ...]:
        """What is sent behind a certificate (DER)."""

    @property
    def above(self) -> tuple[bytes, ...]:
        """The CAs above the one that signs, up to the trust anchor (DER)."""

    def status(self, now: datetime) -> Status:
        """Tell whether it can issue."""

    def new_serial(self) -> int | None:
        """Return an unused serial, None where the issuer chooses it itself."""

    def issue(self, request: CheckedRequest, *, serial: int, now: datetime) -> Issued:
        """Issue, or raise IssuerError."""
