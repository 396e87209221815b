# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision about one declared certificate: what must be done on its host, and why. Pure: no clock, no I/O."""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.journal import EXPIRES, MOST_ATTEMPTS
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.declaration import Declared
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.found import Found, FoundFile, Leaf, Staged
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.lifetime import CLOCK_ERROR, effective_window, jitter, judged_now, stamp

FORBIDDEN_SIGNATURES = ("md2", "md5", "sha1")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a certificate is replaced: C(now), or only when it is renewed anyway (C(at_renewal))."""

    when: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the controller knows beside the host: the chains of the allowed issuers by their certificates, and this certificate's history.

    C(chains) are (fingerprints of the issuing CA and what follows, DER), the preferred issuer first.
    """

    now: datetime
    host: str
    chains: tuple[IssuingChain, ...]
    issued_at: datetime | None = None
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class IssuingChain:
    """An allowed issuer: its name, whether it signed a leaf, and the DER certificates that a server sends behind the leaf."""

    issuer: str
    subject: str
    key_identifier: str | None
    certificates: tuple[bytes, ...]

    def issued(self, leaf: Leaf) -> bool:
        return self.subject == leaf.issuer and (leaf.authority_key is None or leaf.authority_key == self.key_identifier)


@dataclass(frozen=True, slots=True)
class Decision:
    """What will be done. C(actions) is empty where nothing is: C(issue), C(install_staged), C(chain), C(attributes), C(reload).

    C(refused) is the sentence of what forbids any change. C(told) are warnings that change nothing.
    """

    actions: tuple[str, ...]
    reasons: tuple[Reason, ...]
    told: tuple[str, ...]
    refused: str | None = None
    staged: Staged | None = None
    due_at: datetime | None = None

    @property
    def due(self) -> bool:
        return "issue" in self.actions or "install_staged" in self.actions


def _now(code: str, text: str) -> Reason:
    return Reason("now", code, text)


def _file_reasons(found: Found) -> t.Iterator[Reason]:
    for file in found.files:
        if file.role in ("certificate", "combined", "key") and file.state != "present":
            yield _now(file.state, f"{file.path} is {file.state}")
    if found.leaf is not None and found.pair is False:
        yield _now("key_mismatch", "the private key does not belong to the certificate")


def _name_reasons(desired: Declared, leaf: Leaf) -> t.Iterator[Reason]:
    missing = [name.text for name in desired.names if name not in leaf.names]
    if missing:
        yield _now("missing_name", f"the certificate does not hold the declared name {', '.join(missing)}")
    extra = sorted(name.text for name in leaf.names - frozenset(desired.names))
    if extra and not missing:
        yield Reason("at_renewal", "extra_name", f"the certificate also holds {', '.join(extra)}, which is not declared")


def _algorithm_reasons(desired: Declared, leaf: Leaf) -> t.Iterator[Reason]:
    if not desired.profile.allows_key(leaf.key_kind, leaf.key_size):
        yield _now("forbidden_algorithm", f"profile {desired.profile.name!r} does not allow its {leaf.key_kind} key of {leaf.key_size} bits")
    elif desired.key_type not in ("auto", leaf.key_kind) or desired.key_size not in (None, leaf.key_size):
        wanted = desired.key_type if desired.key_size is None else f"{desired.key_type} {desired.key_size}"
        yield Reason("at_renewal", "key_type", f"its key is {leaf.key_kind} {leaf.key_size}, declared is {wanted}")
    digest = leaf.signature.lower().replace("-", "")
    if any(word in digest for word in FORBIDDEN_SIGNATURES):
        yield _now("forbidden_algorithm", f"it is signed with {leaf.signature}")


def _profile_reasons(desired: Declared, leaf: Leaf, known: Known) -> t.Iterator[Reason]:
    lacking = sorted(frozenset(desired.profile.extended_key_usage_texts) - leaf.extended_key_usage)
    if lacking:
        yield Reason("at_renewal", "profile", f"profile {desired.profile.name!r} adds the extended key usage {', '.join(lacking)}")
    signers = [chain.issuer for chain in known.chains if chain.issued(leaf)]
    if known.chains and known.chains[0].issuer not in signers:
        told = f"issuer {signers[0]!r}" if signers else "an issuer that is not declared here"
        yield Reason("at_renewal", "preferred_issuer", f"it comes from {told}; the preferred issuer is {known.chains[0].issuer!r}")


def _time_reasons(desired: Declared, leaf: Leaf, known: Known) -> tuple[list[Reason], list[str], datetime]:
    """Reasons, warnings, and the moment from which it is due."""
    reasons, told = [], []
    lifetime = max(leaf.not_after - leaf.not_before, timedelta(0))
    now = judged_now(known.now, leaf.not_before, known.issued_at)
    window, cut = effective_window(desired.renew_before, lifetime)
    if cut:
        told.append(f"renew_before is not below the lifetime of {lifetime.total_seconds() / 86400:g} days by at least two days: it counts as a third of it")
    due_at = leaf.not_after - window - jitter(known.host, desired.name, window, lifetime)
    if now > leaf.not_after:
        reasons.append(_now("expired", f"it expired at {stamp(leaf.not_after)}"))
    elif now >= due_at:
        reasons.append(Reason("at_renewal", "window", f"it ends at {stamp(leaf.not_after)} and is due since {stamp(due_at)}"))
    elif now + CLOCK_ERROR < leaf.not_before:
        told.append(f"it is not valid before {stamp(leaf.not_before)}")
    return reasons, told, due_at


def _chain_sentences(found: Found, known: Known) -> list[str]:
    """Why the chain must be written again: it is not that of an issuer of ours, or a file that is for it lacks it."""
    chain = next((chain for chain in known.chains if found.leaf is not None and chain.issued(found.leaf)), None)
    wrong = chain is not None and found.chain[: len(chain.certificates)] != chain.certificates
    sentences = [f"the chain on disk is not that of issuer {chain.issuer!r}"] if chain is not None and wrong else []
    beside = [file for file in found.files if file.role in ("chain", "fullchain")]
    sentences += [f"{file.path} is {file.state}" for file in beside if file.state != "present" and found.chain]
    expected = () if chain is None else tuple(hashlib.sha256(der).hexdigest() for der in chain.certificates)
    return sentences + [sentence for file in beside if file.certificates and (sentence := _held_otherwise(file, found, expected))]


def _held_otherwise(file: FoundFile, found: Found, expected: tuple[str, ...]) -> str | None:
    """What is wrong in a file beside the certificate's own: one that an earlier renewal has not reached serves the old certificate."""
    held = file.certificates
    if file.role == "fullchain":
        if found.leaf is not None and held[0] != found.leaf.sha256:
            return f"{file.path} begins with another certificate"
        held = held[1:]
    return f"{file.path} does not hold the issuer's chain" if held[: len(expected)] != expected else None


def _served_otherwise(found: Found, *, stopped: bool) -> list[str]:
    """Services that serve something else than the certificate on disk to every client that was tried; of a stopped one, what listens in its place."""
    stale = []
    for service in (name for name in found.services if (name in found.stopped) is stopped):
        seen = [probe for probe in found.probes if probe.service == service and probe.sha256]
        listeners = {(probe.address, probe.port, probe.name) for probe in seen}
        for listener in sorted(listeners, key=repr):
            shown = {probe.sha256 for probe in seen if (probe.address, probe.port, probe.name) == listener}
            if found.leaf is not None and found.leaf.sha256 not in shown:
                who = f"{service} does not run, and what listens in its place" if stopped else service
                stale.append(f"{who} at {listener[0]}:{listener[1]} serves another certificate than {found.leaf.sha256[:16]}… on disk")
    return stale


def _attributes(desired: Declared, found: Found) -> list[str]:
    """Files whose owner, group or mode is not as declared; what is not declared is left alone."""
    different = []
    for file in found.files:
        wanted = {"owner": desired.owner, "group": desired.group, "mode": desired.mode_of(file.role)}
        for field, value in wanted.items():
            current = getattr(file, field)
            if value is not None and file.state == "present" and current != value:
                different.append(f"{file.path} has {field} {current}, declared is {value}")
    return different


def _usable_staged(found: Found, request_digest: str) -> Staged | None:
    """What an earlier run left and this one may use once more: the same request, young, not refused twice."""
    usable = [staged for staged in found.staged if staged.request_digest == request_digest and staged.attempts < MOST_ATTEMPTS and staged.age < EXPIRES]
    return max(usable, key=lambda staged: (staged.certificate is not None, -staged.age), default=None)


def _told(found: Found) -> list[str]:
    told = [*found.problems, *([found.contested] if found.contested else [])]
    if found.key_readable_by_others:
        keys = ", ".join(file.path for file in found.files if file.role in ("key", "combined"))
        told.append(f"the private key in {keys} can be read by others than its owner and group")
    if found.leaf is not None and found.leaf.problem:
        told.append(f"the certificate cannot be read whole: {found.leaf.problem}")
    return told + _served_otherwise(found, stopped=True)


def _leaf_reasons(desired: Declared, found: Found, known: Known) -> tuple[list[Reason], list[str], datetime | None]:
    leaf = found.leaf
    if leaf is None:
        return [], [], None
    reasons, told, due_at = _time_reasons(desired, leaf, known)
    reasons += [*_name_reasons(desired, leaf), *_algorithm_reasons(desired, leaf), *_profile_reasons(desired, leaf, known)]
    if found.chain_problem and not any(chain.issued(leaf) for chain in known.chains):
        reasons.append(_now("broken_chain", found.chain_problem))
    if known.revoked:
        reasons.append(_now("revoked", "it is revoked"))
    return reasons, told, due_at


def _small_actions(desired: Declared, found: Found, known: Known) -> tuple[list[str], list[str]]:
    """Actions that need no new certificate, each with its sentence."""
    found_wrong = {"chain": _chain_sentences(found, known), "attributes": _attributes(desired, found), "reload": _served_otherwise(found, stopped=False)}
    return [action for action, sentences in found_wrong.items() if sentences], [sentence for sentences in found_wrong.values() for sentence in sentences]


def _left_alone(decision: Decision) -> Decision:
    """The decision about a certificate that is declared as not managed: what would be done is only told."""
    would = [f"it is not managed, so this is left alone: {', '.join(decision.actions)}"] if decision.actions else []
    return replace(decision, actions=(), told=(*decision.told, *would), refused=None, staged=None)


def decide(desired: Declared, found: Found, known: Known, *, request_digest: str = "") -> Decision:
    """The actions that bring C(found) to C(desired). The same values give the same actions, whoever asks."""
    decision = _decided(desired, found, known, request_digest)
    return decision if desired.managed else _left_alone(decision)


def _decided(desired: Declared, found: Found, known: Known, request_digest: str) -> Decision:
    told = _told(found)
    if found.owned_by and not desired.takeover:
        return Decision((), (), tuple(told), refused=f"certificate {desired.name!r}: its files belong to {found.owned_by}; set takeover to keep them here")
    leaf_reasons, leaf_told, due_at = _leaf_reasons(desired, found, known)
    reasons = [*_file_reasons(found), *leaf_reasons]
    told += leaf_told
    due = any(reason.when == "now" or reason.code == "window" for reason in reasons)
    if due:
        staged = _usable_staged(found, request_digest)
        action = "install_staged" if staged is not None and staged.certificate is not None else "issue"
        return Decision((action,), tuple(reasons), tuple(told), staged=staged, due_at=due_at)
    actions, sentences = _small_actions(desired, found, known)
    return Decision(tuple(actions), tuple(reasons), tuple(told + sentences), due_at=due_at)
