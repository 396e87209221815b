# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host showed of one declared certificate, as values for the decision."""

from __future__ import annotations

import base64
import itertools
import typing as t
from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.certops.fleet.plugins.plugin_utils._x509.crypto import InvalidSignature, UnsupportedAlgorithm, x509
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import certificate_info, moment
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.names import Name, canonical_name

KEY_KINDS = {"RSA": "rsa", "ECC": "ec", "Ed25519": "ed25519", "Ed448": "ed448", "DSA": "dsa"}


@dataclass(frozen=True, slots=True)
class Leaf:
    """The facts of an end-entity certificate that a decision needs; C(problem) is set where it cannot be read."""

    sha256: str
    spki: str | None
    names: frozenset[Name]
    not_before: datetime
    not_after: datetime
    key_kind: str
    key_size: int
    signature: str
    extended_key_usage: frozenset[str]
    subject: str
    subject_key: str | None
    issuer: str
    authority_key: str | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Staged:
    """A key (and perhaps a certificate) that an earlier transaction left on the host."""

    transaction: str
    state: str
    request_digest: str
    csr: bytes | None
    certificate: bytes | None
    chain: tuple[bytes, ...]
    attempts: int
    age: float


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One file of a declared certificate as it lies on the host; C(certificates) are the fingerprints of what stands in it, in order."""

    role: str
    path: str
    state: str
    owner: str | None
    group: str | None
    mode: str | None
    certificates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """What one listener served to one kind of client: C(sha256) of the leaf, or C(error)."""

    service: str
    address: str
    port: int
    name: str | None
    key_type: str
    sha256: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """The state of one declared certificate on its host."""

    files: tuple[FoundFile, ...]
    certificate: bytes | None
    leaf: Leaf | None
    chain: tuple[bytes, ...]
    pair: bool | None
    key_readable_by_others: bool
    probes: tuple[Probe, ...]
    owned_by: str | None
    contested: str | None
    staged: tuple[Staged, ...]
    services: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()  # those of the services that do not run
    chain_problem: str | None = None
    problems: tuple[str, ...] = ()


def _moment(text: str | None) -> datetime:
    """What has no date counts as the epoch, so that it is never taken for valid."""
    return moment(text) if text else datetime.fromtimestamp(0, timezone.utc)


def _san(values: t.Sequence[str] | None) -> frozenset[Name]:
    names = set()
    for value in values or ():
        kind, _colon, text = value.partition(":")
        if kind in ("DNS", "IP"):
            try:
                names.add(canonical_name(text, wildcard=True))
            except ValueError:
                continue
    return frozenset(names)


def leaf_from_der(der: bytes) -> Leaf:
    """Never raises: what cannot be parsed has a C(problem)."""
    info = certificate_info(der)
    data = info.get("public_key_data") or {}
    return Leaf(
        sha256=info["sha256"],
        spki=info.get("spki"),
        names=_san(info.get("subject_alt_name")),
        not_before=_moment(info.get("not_before")),
        not_after=_moment(info.get("not_after")),
        key_kind=KEY_KINDS.get(info.get("public_key_type") or "", "unknown"),
        key_size=int(data.get("size") or data.get("exponent_size") or 0),
        signature=str(info.get("signature_algorithm") or ""),
        extended_key_usage=frozenset(info.get("extended_key_usage") or ()),
        subject=repr(info.get("subject_ordered")),
        subject_key=info.get("subject_key_identifier"),
        issuer=repr(info.get("issuer_ordered")),
        authority_key=info.get("authority_key_identifier"),
        problem=info.get("problem"),
    )


def _bytes(text: str | None) -> bytes | None:
    return base64.b64decode(text, validate=True) if text else None


def _file(item: t.Mapping[str, t.Any]) -> FoundFile:
    certificates = tuple(str(fingerprint) for fingerprint in item.get("certificates") or ())
    return FoundFile(item["role"], item["path"], item["state"], item.get("owner"), item.get("group"), item.get("mode"), certificates)


def _staged(item: t.Mapping[str, t.Any]) -> Staged:
    return Staged(
        transaction=str(item["transaction"]),
        state=str(item["state"]),
        request_digest=str(item.get("request_digest") or ""),
        csr=_bytes(item.get("csr")),
        certificate=_bytes(item.get("certificate")),
        chain=tuple(base64.b64decode(der) for der in item.get("chain") or ()),
        attempts=int(item.get("attempts") or 0),
        age=float(item.get("age") or 0),
    )


def _probe(service: str, item: t.Mapping[str, t.Any]) -> Probe:
    return Probe(service, str(item["address"]), int(item["port"]), item.get("name"), str(item["key_type"]), item.get("sha256"), item.get("error"))


def chain_problem(certificate: bytes | None, chain: t.Sequence[bytes]) -> str | None:
    """Why the certificates on disk do not lead from one to the next (RFC 5246 section 7.4.2), by names and signatures."""
    if certificate is None or not chain:
        return None
    try:
        certificates = [x509.load_der_x509_certificate(der) for der in (certificate, *chain)]
        for issued, issuer in itertools.pairwise(certificates):
            issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.InvalidVersion) as exc:
        return f"the chain does not lead from the certificate to its issuers: {str(exc) or 'a signature does not verify'}"
    return None


def found_from_host(item: t.Mapping[str, t.Any]) -> Found:
    """From one item of C(certificates) in the answer to the verb C(inspect)."""
    certificate = _bytes(item.get("certificate"))
    chain = tuple(base64.b64decode(der) for der in item.get("chain") or ())
    services = item.get("services") or ()
    return Found(
        files=tuple(_file(file) for file in item.get("files") or ()),
        certificate=certificate,
        leaf=None if certificate is None else leaf_from_der(certificate),
        chain=chain,
        pair=item.get("pair"),
        key_readable_by_others=bool((item.get("key") or {}).get("readable_by_others")),
        probes=tuple(_probe(str(service["name"]), probe) for service in services for probe in service.get("served") or ()),
        owned_by=item.get("owned_by"),
        contested=item.get("contested"),
        staged=tuple(_staged(staged) for staged in item.get("staged") or ()),
        services=tuple(str(service["name"]) for service in services),
        stopped=tuple(str(service["name"]) for service in services if service.get("active") is False),
        chain_problem=chain_problem(certificate, chain),
        problems=tuple(str(problem) for problem in item.get("problems") or ()),
    )
