# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of the declared certificates of one host: look, decide, request, issue, install, record."""

from __future__ import annotations

import base64
import typing as t
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.decide import Decision, IssuingChain, Known, decide
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.declaration import PATHS, Declared
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.diff import certificate_diff, certificate_text, expected_text
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.found import Found, Staged, chain_problem, found_from_host, leaf_from_der
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.key import KeyRequest, requested_key
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.lifetime import clock_problem, stamp
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.sentence import named
from ansible_collections.certops.fleet.plugins.plugin_utils._discovery.scan import scan_request
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName, Issuance, ScanRecord
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.issue import Issuers
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.request import RequestTemplate, request_template


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
    issuers: Issuers
    services: t.Sequence[t.Mapping[str, t.Any]]
    now: t.Callable[[], datetime]
    new_transaction: t.Callable[[], str]
    requester: str
    job: str | None = None


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


def _chains(issuers: Issuers) -> tuple[IssuingChain, ...]:
    """The allowed issuers as a decision needs them, the preferred one first."""
    chains = []
    for name, certificate, chain in issuers.chains():
        leaf = leaf_from_der(certificate)
        chains.append(IssuingChain(name, leaf.subject, leaf.subject_key, chain))
    return tuple(chains)


def _history(inventory: Inventory, found: Found) -> tuple[Issuance, ...]:
    """Our issuances of the certificate that is there."""
    return () if found.leaf is None else inventory.issuances(certificate=found.leaf.sha256)


def _with_issued(inventory: Inventory, found: Found) -> Found:
    """What is staged, as the inventory knows it.

    A certificate that was committed and never handed out is as good as one that lies on the host; what was revoked since, or given up, is not used.
    """
    staged = []
    for item in found.staged:
        issuances = inventory.issuances(transaction=item.transaction)
        if any(one.state in ("revoked", "issued_nowhere") for one in issuances):
            continue
        issued = next((one for one in issuances if one.state == "issued" and one.certificate), None)
        staged.append(item if issued is None or item.certificate else replace(item, certificate=issued.certificate, chain=issued.chain))
    return replace(found, staged=tuple(staged))


def _found(work: Work, item: t.Mapping[str, t.Any]) -> Found:
    """What a host sends is not trusted to have the form that it should have."""
    try:
        return found_from_host(item)
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        raise KeepError(f"host {work.host.name!r}: what it told of its certificates cannot be read ({type(exc).__name__})") from exc


def _unrecorded(found: Found, issued: t.Iterable[Issuance], asked_at: datetime) -> t.Iterator[Unrecorded]:
    """What became of certificates that are only known as issued. One that is newer than the look may be on its way to the host."""
    staged = {item.transaction for item in found.staged}
    for issuance in issued:
        if found.leaf is not None and issuance.sha256 == found.leaf.sha256:
            yield Unrecorded(issuance.id, "installed", "it was found on its host")
        elif issuance.transaction not in staged and issuance.issued is not None and issuance.issued < asked_at:
            yield Unrecorded(issuance.id, "issued_nowhere", "its host does not have its key any more")


def _looked(
    work: Work, declared: Declared, item: t.Mapping[str, t.Any], chains: tuple[IssuingChain, ...], *, inventory: Inventory, asked_at: datetime
) -> Looked:
    there = _found(work, item)
    issued = (issuance for issuance in inventory.issuances(host=work.host, state="issued") if issuance.name == declared.name)
    unrecorded = tuple(_unrecorded(there, issued, asked_at))
    found = _with_issued(inventory, there)
    history = _history(inventory, found)
    key = requested_key(declared, found.leaf)
    template = _template(declared, key)
    digest = key.digest(template.digest)
    known = Known(
        now=work.now(),
        host=work.host.name,
        chains=chains,
        issued_at=next((issuance.issued for issuance in history if issuance.issued), None),
        revoked=any(issuance.state == "revoked" for issuance in history),
    )
    return Looked(declared, item["declared"], found, decide(declared, found, known, request_digest=digest), key, template, digest, unrecorded)


def _items(work: Work, answer: t.Mapping[str, t.Any], certificates: t.Sequence[Declared]) -> dict[str, dict[str, t.Any]]:
    """What the host told of each declared certificate."""
    told = answer.get("certificates")
    items = {str(item.get("name")): item for item in told if isinstance(item, dict)} if isinstance(told, list) else {}
    missing = [declared.name for declared in certificates if not isinstance(items.get(declared.name, {}).get("declared"), dict)]
    if missing:
        raise KeepError(f"host {work.host.name!r}: it told nothing of certificate {missing[0]!r}")
    return items


def _host_time(work: Work, evidence: t.Mapping[str, t.Any]) -> datetime:
    try:
        return datetime.fromtimestamp(float(evidence["now"]), timezone.utc)
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as exc:
        raise KeepError(f"host {work.host.name!r}: the time that it told cannot be read") from exc


def _clocks(work: Work, asked_at: datetime, host_now: datetime) -> str | None:
    """The host looked at its clock at some time between question and answer. The clock of an SQLite file is the controller's own."""
    nearest = min(max(host_now, asked_at), work.now())
    return clock_problem(work.host.name, nearest, host_now, nearest)


def _sentences(transactions: t.Any) -> tuple[str, ...]:
    return tuple(f"{item['transaction']}: {item['text']}" for item in transactions or ())


def wished(certificates: t.Sequence[Declared], looked: t.Mapping[str, t.Any] | None) -> Wish | None:
    """The first certificate that an earlier look found due, by the result of that look; None where it found none, or cannot be read."""
    told = (looked or {}).get("certificates")
    items = {item.get("name"): item for item in told if isinstance(item, dict)} if isinstance(told, list) else {}
    for declared in certificates:
        item = items.get(declared.name, {})
        if item.get("outcome") == "pending" and item.get("new_key"):
            try:
                key = KeyRequest(**item["new_key"])
                return Wish(declared, key, tuple(map(str, item["actions"])), tuple(str(reason["text"]) for reason in item["reasons"]))
            except (TypeError, KeyError):
                return None
    return None


def look(work: Work, certificates: t.Sequence[Declared], *, heal: bool, wish: Wish | None = None) -> Look:
    """The one exchange that always happens. C(heal) lets the host finish or undo what an earlier run left open.

    With a C(wish) the host makes that request in the same exchange; whether it is used is decided by what the look shows.
    """
    if not certificates:
        return Look(())
    asked = {"certificates": [declared.for_host() for declared in certificates], "services": list(work.services), "look": True, "heal": heal}
    asked_at = work.now()
    answer, requested = (work.exchange("inspect", asked), None) if wish is None else _look_and_request(work, asked, wish)
    clocks = _clocks(work, asked_at, _host_time(work, answer.get("_host") or {}))
    items, chains = _items(work, answer, certificates), _chains(work.issuers)
    with work.inventory() as inventory:
        looked = tuple(_looked(work, declared, items[declared.name], chains, inventory=inventory, asked_at=asked_at) for declared in certificates)
    return Look(looked, _sentences(answer.get("recovered")), clocks, requested)


def _template(declared: Declared, key: KeyRequest) -> RequestTemplate:
    return request_template(declared.names, dict(declared.subject), declared.profile, key_kind=key.type)


def _request_arguments(key: KeyRequest, template: RequestTemplate) -> dict[str, t.Any]:
    return {
        "key": key.for_host(),
        "subject": base64.b64encode(template.subject).decode(),
        "attributes": base64.b64encode(template.attributes).decode(),
        "request_digest": key.digest(template.digest),
    }


def _look_and_request(work: Work, asked: t.Mapping[str, t.Any], wish: Wish) -> tuple[dict[str, t.Any], Requested]:
    """The look and the request in one exchange. That it begins is in the audit log before; its end is told there when the certificate is kept."""
    declared, transaction = wish.declared, work.new_transaction()
    arguments = _request_arguments(wish.key, _template(declared, wish.key))
    _event(work, "certificate.change_begins", declared, actions=list(wish.actions), reasons=list(wish.reasons))
    try:
        answer = work.exchange("request", {**arguments, "name": declared.name, "inspect": asked}, transaction=transaction)
        told = answer["request"]
        csr = None if told.get("refused") else base64.b64decode(told["csr"])
    except BaseException as exc:
        _event(work, "certificate.change_ended", declared, outcome="unknown", text=str(exc), transaction=transaction, certificate=None)
        raise
    return answer, Requested(declared.name, transaction, arguments["request_digest"], csr, told.get("refused"))


def _request(work: Work, looked: Looked, transaction: str) -> bytes:
    """The host's own certification request: from the key that is staged there, or from a new one."""
    if looked.decision.staged is not None and looked.decision.staged.csr is not None:
        return looked.decision.staged.csr
    asked = {**_request_arguments(looked.key, looked.template), "certificate": looked.for_host, "services": list(work.services)}
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
        with work.inventory() as inventory:
            inventory.set_issuance_state(issuance.id, state="issued_nowhere", reason=why)
        raise KeepError(f"certificate {looked.declared.name!r}: what issuer {issuance.issuer!r} returned is not installed, {why}")
    return certificate, chain, issuance.id


def _install(work: Work, looked: Looked, transaction: str, *, leaf: bytes | None, chain: t.Sequence[bytes], action: str) -> dict[str, t.Any]:
    asked = {
        "action": action,
        "certificate": looked.for_host,
        "services": list(work.services),
        "leaf": None if leaf is None else base64.b64encode(leaf).decode(),
        "chain": [base64.b64encode(der).decode() for der in chain],
        "places": _places_request(work, (looked,)),
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
    with work.inventory() as inventory:
        if issuance is not None and kept.outcome == "committed":
            inventory.set_issuance_state(issuance, state="installed")
        elif issuance is not None and kept.outcome == "undone" and last_try:
            inventory.set_issuance_state(issuance, state="issued_nowhere", reason=kept.text)
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
    chain = next((known.certificates for known in _chains(work.issuers) if found.leaf is not None and known.issued(found.leaf)), found.chain)
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


def _event(work: Work, kind: str, declared: Declared, **detail: t.Any) -> None:
    with work.inventory() as inventory:
        inventory.append_event(kind, subject=declared.name, host=work.host, detail=detail)


def keep_one(work: Work, looked: Looked, *, requested: Requested | None = None, clocks: str | None = None) -> Kept:
    """Brings one certificate to its desired state. A failure is returned, not raised, so that the others go on."""
    refusal = _refusal(looked, clocks)
    if requested is None:
        if refusal or not looked.decision.actions:
            return Kept(looked, "failed", refusal) if refusal else Kept(looked, "unchanged")
        reasons = [reason.text for reason in looked.decision.reasons]
        _event(work, "certificate.change_begins", looked.declared, actions=list(looked.decision.actions), reasons=reasons)
    kept = Kept(looked, "unknown", "the run was interrupted")
    try:
        kept = _act(work, looked, requested, refusal)
    except ValueError as exc:
        kept = Kept(looked, "unknown" if getattr(exc, "kind", "") == "unknown" else "failed", str(exc))
    finally:  # a connection that breaks ends the whole task
        new = kept.to_result()["new"]
        _event(work, "certificate.change_ended", looked.declared, outcome=kept.outcome, text=kept.text, transaction=kept.transaction, certificate=new)
    return kept


def _refusal(looked: Looked, clocks: str | None) -> str | None:
    """What forbids any change."""
    return looked.decision.refused or (clocks if looked.decision.due else None)


def preview(looked: Looked, clocks: str | None) -> Kept:
    """What C(keep_one) would do, for the look and for check mode."""
    refusal = _refusal(looked, clocks)
    if refusal:
        return Kept(looked, "failed", refusal)
    return Kept(looked, "pending" if looked.decision.actions else "unchanged")


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
    missed = [unrecorded for looked in look_at.looked for unrecorded in looked.unrecorded]
    if not missed:
        return
    with work.inventory() as inventory:
        for each in missed:
            inventory.set_issuance_state(each.issuance, state=each.state, reason=each.reason)


def _places_request(work: Work, looked: t.Sequence[Looked]) -> dict[str, t.Any]:
    """A scan of the declared paths."""
    paths = {str(one.for_host[role]) for one in looked for role in PATHS if one.for_host.get(role)}
    with work.inventory() as inventory:
        known = inventory.known_bundles()
    return scan_request({"paths": sorted(paths), "services": list(work.services)}, known)


def record_places(work: Work, changed: t.Sequence[Kept]) -> None:
    """What lies at the declared paths after a change: as the answer to it told, else the host is asked once more."""
    started = work.now()
    told = [one.places for one in changed if one.places is not None]
    untold = [one.looked for one in changed if one.places is None]
    if untold:
        told.append(work.exchange("scan", _places_request(work, untold)))
    with work.inventory() as inventory:
        for answer in told:
            result = {name: value for name, value in answer.items() if name != "_host"}
            inventory.record_scan(ScanRecord(work.host, started, work.now(), result, answer.get("_host") or {}, partial=True))
