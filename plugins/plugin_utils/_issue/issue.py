# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One issuance: the intent is committed before anything is signed, the certificate before it is handed out."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName, Intent, Issuance, SerialTakenError
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Issuer as IssuerRow
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.issuers import make_issuers, parse_issuers
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.profiles import Profile
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.provider import Issued, Issuer, IssuerError
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.request import CheckedRequest, Wanted, checked_request, wanted
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.names import Name

if t.TYPE_CHECKING:
    from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory

SERIAL_ATTEMPTS = 3


class IssueError(ValueError):
    """No issuer could issue; the text has the reason of each."""


@dataclass(frozen=True, slots=True)
class Order:
    """One certificate that a host asks for: who asks, what is wanted, the request (DER), and the transaction that it belongs to."""

    host: HostName
    name: str
    want: Wanted
    csr: bytes
    requester: str
    request_digest: str | None = None
    job: str | None = None
    transaction: str | None = None


def _earlier(order: Order, request: CheckedRequest, inventory: Inventory) -> Issuance | None:
    """Return what this transaction was issued already; an intent of it that came to no end may have been signed and stays listed."""
    if order.transaction is None:
        return None
    for known in inventory.issuances(transaction=order.transaction):
        if known.state in ("issued", "installed") and known.certificate is not None and known.csr_digest == request.digest:
            return known
        if known.state == "intent":
            inventory.set_issuance_state(known.id, state="abandoned", reason="the run that began it did not end it, a later run began again")
    return None


def register(issuer: Issuer, inventory: Inventory) -> bool:
    """Put the issuer into the inventory; tell whether it was unknown or has changed."""
    row = IssuerRow(name=issuer.name, kind=issuer.type, certificate=issuer.certificate, chain=issuer.above)
    if inventory.get_issuer(issuer.name) == row:
        return False
    inventory.put_issuer(row)
    return True


def _begin(order: Order, request: CheckedRequest, issuer: Issuer, inventory: Inventory) -> Issuance:
    """Commit the intent, with another serial when the issuer has used the first one."""
    for attempt in range(1, SERIAL_ATTEMPTS + 1):
        intent = Intent(
            host=order.host,
            name=order.name,
            issuer=issuer.name,
            serial=issuer.new_serial(),
            csr_digest=request.digest,
            profile=order.want.profile.name,
            requester=order.requester,
            request_digest=order.request_digest,
            job=order.job,
            transaction=order.transaction,
        )
        try:
            return inventory.begin_issuance(intent)
        except SerialTakenError:
            if attempt == SERIAL_ATTEMPTS:
                raise
    raise IssueError("no serial was tried")


def _sign(request: CheckedRequest, issuance: Issuance, issuer: Issuer, inventory: Inventory, now: datetime) -> Issued:
    try:
        return issuer.issue(request, serial=issuance.serial or 0, now=now)
    except ValueError as exc:
        inventory.set_issuance_state(issuance.id, state="failed", reason=str(exc))
        raise IssuerError(str(exc)) from exc


def _from(order: Order, request: CheckedRequest, issuer: Issuer, inventory: Inventory, now: datetime) -> Issuance:
    """Issue from this issuer. What the inventory cannot store ends everything: it is no reason to try the next issuer."""
    if issuer.settings.profiles is not None and order.want.profile.name not in issuer.settings.profiles:
        raise IssuerError(f"issuer {issuer.name!r} does not issue profile {order.want.profile.name!r}")
    status = issuer.status(now)
    if not status.usable:
        raise IssuerError(str(status.reason))
    register(issuer, inventory)
    issuance = _begin(order, request, issuer, inventory)
    issued = _sign(request, issuance, issuer, inventory, now)
    return inventory.complete_issuance(issuance.id, der=issued.der, chain=issued.chain)


def issue(order: Order, issuers: t.Sequence[Issuer], inventory: Inventory, *, now: datetime) -> Issuance:
    """Check the request and get the certificate from the first issuer that gives one; who was passed over, and why, goes to the audit log.

    The same transaction with the same request gets the same certificate again. Raises RequestError before any issuer is asked,
    IssueError when none gave one, InventoryError when the inventory could not store a step.
    """
    request = checked_request(order.csr, order.want)
    earlier = _earlier(order, request, inventory)
    if earlier is not None:
        return earlier
    passed_over: list[str] = []
    for issuer in issuers:
        try:
            return _from(order, request, issuer, inventory, now)
        except IssuerError as exc:
            passed_over.append(str(exc))
            inventory.append_event("issuer.passed_over", subject=issuer.name, host=order.host, detail={"certificate": order.name, "reason": str(exc)})
    raise IssueError(f"certificate {order.name!r}: no issuer gave one: {'; '.join(passed_over) or 'none is declared'}")


@dataclass(frozen=True, slots=True)
class Issuers:
    """The issuers of a fleet in the order in which they are tried."""

    providers: tuple[Issuer, ...]

    def chains(self) -> tuple[tuple[str, bytes, tuple[bytes, ...]], ...]:
        """Return (name, the CA certificate that signs, what is sent behind a certificate) of those that can be read now."""
        found = []
        for provider in self.providers:
            try:
                found.append((provider.name, provider.certificate, provider.chain))
            except ValueError:
                # Why it cannot be read is told when something is to be issued.
                continue
        return tuple(found)

    def issue(
        self,
        inventory: Inventory,
        *,
        csr: bytes,
        host: HostName,
        name: str,
        names: t.Sequence[Name],
        subject: t.Mapping[str, str],
        profile: Profile,
        requester: str,
        now: datetime,
        request_digest: str | None = None,
        transaction: str | None = None,
        job: str | None = None,
    ) -> Issuance:
        """Issue one certificate, see issue()."""
        want = wanted(names, subject.items(), profile)
        order = Order(host, name, want, csr, requester, request_digest, job, transaction)
        return issue(order, self.providers, inventory, now=now)


def issuers_from_settings(value: t.Any, *, environ: t.Mapping[str, str] | None = None) -> Issuers:
    """Return the issuers that `certops_issuers` declares; raise IssuerSettingsError with the path to what is wrong."""
    return Issuers(make_issuers(parse_issuers(value, environ=os.environ if environ is None else environ)))
