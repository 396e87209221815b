# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at the declared certificates of one host: what is there, what was issued for it, and what is therefore to be done."""

from __future__ import annotations

import base64
import typing as t
from dataclasses import replace
from datetime import datetime, timezone

from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.decide import IssuingChain, Known, decide
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.declaration import Declared
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.found import Found, found_from_host, leaf_from_der
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.key import KeyRequest, requested_key
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.lifetime import clock_problem
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.work import KeepError, Kept, Look, Looked, Requested, Unrecorded, Wish, Work
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Issuance
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.issue import Issuers
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.request import RequestTemplate, request_template


def issuing_chains(issuers: Issuers) -> tuple[IssuingChain, ...]:
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
    if wish is None:
        asked_at = work.now()
        return _answered(work, certificates, work.exchange("inspect", asked), asked_at)
    return _look_and_request(work, certificates, asked, wish)


def _answered(work: Work, certificates: t.Sequence[Declared], answer: t.Mapping[str, t.Any], asked_at: datetime) -> Look:
    clocks = _clocks(work, asked_at, _host_time(work, answer.get("_host") or {}))
    items, chains = _items(work, answer, certificates), issuing_chains(work.issuers)
    with work.inventory() as inventory:
        looked = tuple(_looked(work, declared, items[declared.name], chains, inventory=inventory, asked_at=asked_at) for declared in certificates)
    return Look(looked, _sentences(answer.get("recovered")), clocks)


def _template(declared: Declared, key: KeyRequest) -> RequestTemplate:
    return request_template(declared.names, dict(declared.subject), declared.profile, key_kind=key.type)


def request_arguments(key: KeyRequest, template: RequestTemplate) -> dict[str, t.Any]:
    return {
        "key": key.for_host(),
        "subject": base64.b64encode(template.subject).decode(),
        "attributes": base64.b64encode(template.attributes).decode(),
        "request_digest": key.digest(template.digest),
    }


def _look_and_request(work: Work, certificates: t.Sequence[Declared], asked: t.Mapping[str, t.Any], wish: Wish) -> Look:
    """The look and the request in one exchange. That it begins is in the audit log before; its end is told there when the certificate is kept."""
    declared, transaction, asked_at = wish.declared, work.new_transaction(), work.now()
    arguments = request_arguments(wish.key, _template(declared, wish.key))
    work.begins(declared, actions=list(wish.actions), reasons=list(wish.reasons))
    try:
        answer = work.exchange("request", {**arguments, "name": declared.name, "inspect": asked}, transaction=transaction)
        csr, refused = _request_in(work, answer)
        look_at = _answered(work, certificates, answer, asked_at)
    except BaseException as exc:
        work.ended(declared, outcome="unknown", text=str(exc), transaction=transaction, certificate=None)
        raise
    return replace(look_at, requested=Requested(declared.name, transaction, arguments["request_digest"], csr, refused))


def _request_in(work: Work, answer: t.Mapping[str, t.Any]) -> tuple[bytes | None, str | None]:
    """The request in an answer, or why there is none."""
    try:
        told = answer["request"]
        return (None, str(told["refused"])) if told.get("refused") else (base64.b64decode(told["csr"]), None)
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        raise KeepError(f"host {work.host.name!r}: the request that it made cannot be read ({type(exc).__name__})") from exc


def refusal_of(looked: Looked, clocks: str | None) -> str | None:
    """What forbids any change."""
    return looked.decision.refused or (clocks if looked.decision.due else None)


def preview(looked: Looked, clocks: str | None) -> Kept:
    """What C(keep_one) would do, for the look and for check mode."""
    refusal = refusal_of(looked, clocks)
    if refusal:
        return Kept(looked, "failed", refusal)
    return Kept(looked, "pending" if looked.decision.actions else "unchanged")
