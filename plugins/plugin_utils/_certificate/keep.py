# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of the declared certificates of one host after the look: request, issue, install, record."""

from __future__ import annotations

import base64
import typing as t
from dataclasses import replace

from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.decide import Known, decide
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.declaration import PATHS
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.found import Staged, chain_problem, leaf_from_der
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.look import issuing_chains, refusal_of, request_arguments
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.work import KeepError, Kept, Look, Looked, Requested, Work
from ansible_collections.certops.fleet.plugins.plugin_utils._discovery.scan import scan_request
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import InventoryError, Issuance, ScanRecord, UnavailableError


def _request(work: Work, looked: Looked, transaction: str) -> bytes:
    """The host's own certification request: from the key that is staged there, or from a new one."""
    if looked.decision.staged is not None and looked.decision.staged.csr is not None:
        return looked.decision.staged.csr
    asked = {**request_arguments(looked.key, looked.template), "certificate": looked.for_host, "services": list(work.services)}
    return base64.b64decode(work.exchange("request", asked, transaction=transaction)["csr"])


def _issued(work: Work, looked: Looked, csr: bytes, transaction: str) -> tuple[bytes, tuple[bytes, ...], int]:
    """A certificate for the request; refused when it would be due at once, because then every run would get another one."""
    with work.inventory() as inventory:
        issuance = work.issuers.issue(
            inventory,
            csr=csr,
            host=work.host,
            name=looked.declared.name,
            names=looked.declared.names,
            subject=dict(looked.declared.subject),
            profile=looked.declared.profile,
            request_digest=looked.request_digest,
            transaction=transaction,
            requester=work.requester,
            job=work.job,
            now=work.now(),
        )
    return _usable(work, looked, issuance)


def _usable(work: Work, looked: Looked, issuance: Issuance) -> tuple[bytes, tuple[bytes, ...], int]:
    if issuance.certificate is None:
        raise KeepError(f"certificate {looked.declared.name!r}: issuer {issuance.issuer!r} returned none")
    certificate, chain = issuance.certificate, issuance.chain
    problem = chain_problem(certificate, chain)
    fresh = replace(looked.found, certificate=certificate, leaf=leaf_from_der(certificate), chain=chain, chain_problem=problem, pair=True, files=(), probes=())
    known = Known(now=work.now(), host=work.host.name, chains=(), issued_at=work.now())
    again = decide(looked.declared, replace(fresh, staged=(), owned_by=None), known)
    if again.due:
        why = f"it would be due at once: {'; '.join(reason.text for reason in again.reasons)}"
        work.settle(issuance.id, "issued_nowhere", transaction=issuance.transaction, reason=why)
        raise KeepError(f"certificate {looked.declared.name!r}: what issuer {issuance.issuer!r} returned is not installed, {why}")
    return certificate, chain, issuance.id


def _install(work: Work, looked: Looked, transaction: str, *, leaf: bytes | None, chain: t.Sequence[bytes], action: str) -> dict[str, t.Any]:
    with work.inventory() as inventory:
        known = inventory.known_bundles()
    asked = {
        "action": action,
        "certificate": looked.for_host,
        "services": list(work.services),
        "leaf": None if leaf is None else base64.b64encode(leaf).decode(),
        "chain": [base64.b64encode(der).decode() for der in chain],
        "places": _places_request(work, (looked,), known=known),
    }
    return work.exchange("install", asked, transaction=transaction)


def _renew(work: Work, looked: Looked, requested: Requested | None) -> Kept:
    """A new key, a new certificate, and their installation under one transaction id."""
    staged: Staged | None = looked.decision.staged
    issuance: int | None = None
    if requested is not None and requested.refused is not None:
        raise KeepError(requested.refused)
    begun = staged or requested
    transaction = work.new_transaction() if begun is None else begun.transaction
    if staged is not None and staged.certificate is not None:
        leaf, chain = staged.certificate, staged.chain
        with work.inventory() as inventory:
            issuance = next((one.id for one in inventory.issuances(transaction=transaction) if one.state == "issued"), None)
    else:
        csr = requested.csr if requested is not None and requested.csr is not None else _request(work, looked, transaction)
        leaf, chain, issuance = _issued(work, looked, csr, transaction)
    return _settled(work, _kept(looked, _install(work, looked, transaction, leaf=leaf, chain=chain, action="install"), leaf, transaction), issuance)


def _settled(work: Work, kept: Kept, issuance: int | None) -> Kept:
    """The issuance follows what the host did; refused twice, a certificate is listed as issued nowhere."""
    staged = kept.looked.decision.staged
    last_try = staged is not None and staged.attempts >= 1
    if issuance is not None and kept.outcome == "committed":
        work.settle(issuance, "installed", transaction=kept.transaction)
    elif issuance is not None and kept.outcome == "undone" and last_try:
        work.settle(issuance, "issued_nowhere", transaction=kept.transaction, reason=kept.text)
    return kept


def _kept(looked: Looked, answer: t.Mapping[str, t.Any], leaf: bytes | None, transaction: str) -> Kept:
    new = leaf if answer["outcome"] == "committed" else None
    lines = tuple(str(service["line"]) for service in answer.get("services") or ())
    places = answer.get("places")
    return Kept(
        looked,
        str(answer["outcome"]),
        str(answer.get("text") or ""),
        services=lines,
        verified=answer.get("verified"),
        verified_reason=answer.get("verified_reason"),
        validated=answer.get("validated"),
        layout=answer.get("layout"),
        new=new,
        transaction=transaction,
        places={**places, "_host": answer.get("_host") or {}} if isinstance(places, dict) else None,
    )


def _small(work: Work, looked: Looked, action: str) -> Kept:
    """A change without a new certificate: the issuer's chain, declared attributes, or a reload."""
    transaction, found = work.new_transaction(), looked.found
    chain = next((known.certificates for known in issuing_chains(work.issuers) if found.leaf is not None and known.issued(found.leaf)), found.chain)
    return _kept(looked, _install(work, looked, transaction, leaf=found.certificate, chain=chain, action=action), found.certificate, transaction)


def _still_wanted(work: Work, looked: Looked, requested: Requested | None, refusal: str | None) -> Requested | None:
    """The request that came with the look, where it is what the look asks for; another one is taken back."""
    staged = looked.decision.staged
    if requested is None or (staged is not None and staged.transaction == requested.transaction):
        return None
    if refusal is None and looked.decision.due and staged is None and requested.digest == looked.request_digest:
        return requested
    if requested.csr is not None:
        work.exchange("discard", {"transactions": [requested.transaction]}, transaction=requested.transaction)
    return None


def _act(work: Work, looked: Looked, requested: Requested | None, refusal: str | None) -> Kept:
    requested = _still_wanted(work, looked, requested, refusal)
    if refusal:
        return Kept(looked, "failed", refusal)
    if looked.decision.due:
        return _renew(work, looked, requested)
    done = [Kept(looked, "unchanged")]
    for action in looked.decision.actions:
        done.append(_small(work, looked, action))
        if done[-1].failed:
            return done[-1]
    return replace(next((kept for kept in done if kept.changed), done[-1]), places=done[-1].places)


def keep_one(work: Work, looked: Looked, *, requested: Requested | None = None, clocks: str | None = None) -> Kept:
    """Brings one certificate to its desired state. A failure is returned, not raised, so that the others go on."""
    refusal = refusal_of(looked, clocks)
    if requested is None:
        if refusal or not looked.decision.actions:
            return Kept(looked, "failed", refusal) if refusal else Kept(looked, "unchanged")
        reasons = [reason.text for reason in looked.decision.reasons]
        try:
            work.begins(looked.declared, actions=list(looked.decision.actions), reasons=reasons)
        except InventoryError as exc:
            return Kept(looked, "failed", str(exc))
    kept = Kept(looked, "unknown", "the run was interrupted")
    try:
        kept = _act(work, looked, requested, refusal)
    except ValueError as exc:
        kept = Kept(looked, "unknown" if getattr(exc, "kind", "") == "unknown" else "failed", str(exc))
    finally:  # a connection that breaks ends the whole task
        new = kept.to_result()["new"]
        work.ended(looked.declared, outcome=kept.outcome, text=kept.text, transaction=kept.transaction, certificate=new)
    return kept


def keep(work: Work, look_at: Look) -> tuple[Kept, ...]:
    """All declared certificates of one host, one after the other, and then what lies there now into the inventory."""
    _record_missed(work, look_at)
    kept = []
    for looked in look_at.looked:
        requested = look_at.requested if look_at.requested and look_at.requested.name == looked.declared.name else None
        kept.append(keep_one(work, looked, requested=requested, clocks=look_at.clocks))
    record_places(work, [one for one in kept if one.outcome == "committed"])
    return tuple(kept)


def _record_missed(work: Work, look_at: Look) -> None:
    """What an earlier run could not record."""
    for each in (unrecorded for looked in look_at.looked for unrecorded in looked.unrecorded):
        work.settle(each.issuance, each.state, reason=each.reason)
    work.recorder.flush()


def _known_bundles(work: Work) -> tuple[str, ...]:
    """None after a change in whose middle the inventory went away: the host then sends what is in them."""
    try:
        with work.inventory() as inventory:
            return inventory.known_bundles()
    except UnavailableError:
        return ()


def _places_request(work: Work, looked: t.Sequence[Looked], *, known: t.Sequence[str]) -> dict[str, t.Any]:
    """A scan of the declared paths."""
    paths = {str(one.for_host[role]) for one in looked for role in PATHS if one.for_host.get(role)}
    return scan_request({"paths": sorted(paths), "services": list(work.services)}, known)


def record_places(work: Work, changed: t.Sequence[Kept]) -> None:
    """What lies at the declared paths after a change: as the answer to it told, else the host is asked once more."""
    started = work.now()
    told = [one.places for one in changed if one.places is not None]
    untold = [one.looked for one in changed if one.places is None]
    if untold:
        told.append(work.exchange("scan", _places_request(work, untold, known=_known_bundles(work))))
    for answer in told:
        result = {name: value for name, value in answer.items() if name != "_host"}
        work.recorder.put(ScanRecord(work.host, started, work.now(), result, answer.get("_host") or {}, partial=True))
    work.recorder.flush()
