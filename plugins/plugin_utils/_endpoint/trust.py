# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a chain that was shown is complete, leads to one of the given roots, and carries the name that was asked for."""

from __future__ import annotations

import functools
import hashlib
import ipaddress
import os
import ssl
import typing as t
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import pem
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.crypto import x509
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.oids import oid_name
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.signature import UNREADABLE, is_signed_by, readable

_MOST_CHECKS = 60  # signatures of one chain: a server may show many certificates of one name
_LONGEST_PATH = 12
_SERVER_USAGES = ("1.3.6.1.5.5.7.3.1", "2.5.29.37.0")


class RootsError(ValueError):
    """The roots that were given cannot be read."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a chain is worth. ``problem`` is one sentence where it does not verify."""

    complete: bool
    verified: bool
    problem: str | None


@dataclass(frozen=True, slots=True)
class _Certificate:
    sha256: str
    own: t.Any
    issuer: bytes
    subject: bytes
    begins: datetime
    ends: datetime

    @property
    def called(self) -> str:
        """Its subject for a sentence."""
        pairs = [f"{oid_name(attribute.oid.dotted_string)}={attribute.value!s}" for attribute in self.own.subject]
        return ascii(", ".join(pairs)[:100])


def read_roots(paths: t.Sequence[str]) -> list[bytes]:
    """The certificates of these PEM files and folders in DER; without paths those that this machine trusts."""
    found: list[bytes] = []
    for path in paths or _system_stores():
        own = [block.content for file in _files(path) for block in pem.blocks(_content(file)) if block.content and "CERTIFICATE" in block.label]
        if not own and paths:
            raise RootsError(f"roots: {path!r} must be a file or folder with certificates in PEM, there is none")
        found += own
    return found


def _system_stores() -> list[str]:
    usual = ssl.get_default_verify_paths()
    places = (usual.cafile, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem")
    return next(([place] for place in places if place and os.path.isfile(place)), [])


def _files(path: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    return sorted(entry.path for entry in os.scandir(path) if entry.is_file() and entry.name.endswith((".pem", ".crt", ".cer")))


def _content(path: str) -> t.Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            while piece := file.read(1 << 16):
                yield piece
    except OSError as exc:
        raise RootsError(f"roots: {path!r} cannot be read: {exc.strerror}") from None


class Trust:
    """Given roots, and what was found out about chains: the same chain is judged once, and the same signature checked once."""

    def __init__(self, roots: t.Iterable[bytes], *, now: datetime) -> None:
        self._now = now
        self._roots: dict[bytes, list[_Certificate]] = {}
        self._trusted: set[str] = set()
        self._signed: dict[tuple[str, str], bool] = {}
        self._judged: dict[tuple[str, ...], Verdict] = {}
        for der in roots:
            root = read(der)
            if root is not None and root.sha256 not in self._trusted:
                self._trusted.add(root.sha256)
                self._roots.setdefault(root.subject, []).append(root)

    def judge(self, chain: t.Sequence[bytes]) -> Verdict:
        """Whether the first certificate leads to a root by those that were shown with it (RFC 5280 section 6.1 without policies and name constraints)."""
        identity = tuple(hashlib.sha256(der).hexdigest() for der in chain)
        if identity not in self._judged:
            self._judged[identity] = self._judge(chain)
        return self._judged[identity]

    def _judge(self, chain: t.Sequence[bytes]) -> Verdict:
        leaf = read(chain[0])
        if leaf is None:
            return Verdict(False, False, "its certificate cannot be read")
        shown = [certificate for certificate in map(read, chain[1:]) if certificate is not None]
        search = _Search(self, shown)
        path = search.path(leaf)
        end = path[-1]
        if end.sha256 not in self._trusted:
            if end.issuer == end.subject:
                return Verdict(True, False, f"its chain ends at {end.called}, which is not among the roots")
            missing = "no certificate of its issuer was shown, and it is not among the roots"
            return Verdict(False, False, f"its chain ends at {end.called}: {missing}")
        problem = self._wrong(path)
        return Verdict(True, problem is None, problem)

    def _wrong(self, path: t.Sequence[_Certificate]) -> str | None:
        for below, certificate in enumerate(path):
            if certificate.ends < self._now:
                return f"{certificate.called} expired"
            if certificate.begins > self._now:
                return f"{certificate.called} is not valid yet"
            if below and certificate.sha256 not in self._trusted and not _may_issue(certificate, below - 1):
                return f"{certificate.called} may not issue certificates"
        return None if _may_serve(path[0]) else f"{path[0].called} is not for servers by its extended key usage"

    def above(self, certificate: _Certificate) -> t.Sequence[_Certificate]:
        """Roots of the name that a certificate was issued by."""
        return self._roots.get(certificate.issuer, ())

    def signed(self, certificate: _Certificate, issuer: _Certificate) -> bool:
        """Whether the signature is the issuer's."""
        pair = (certificate.sha256, issuer.sha256)
        if pair not in self._signed:
            self._signed[pair] = is_signed_by(certificate.own, issuer.own) is True
        return self._signed[pair]

    def is_root(self, certificate: _Certificate) -> bool:
        return certificate.sha256 in self._trusted


class _Search:
    """The way up from one certificate, with a bound on what a hostile chain may cost."""

    def __init__(self, trust: Trust, shown: t.Sequence[_Certificate]) -> None:
        self._trust = trust
        self._by_subject: dict[bytes, list[_Certificate]] = {}
        self._left = _MOST_CHECKS
        for certificate in shown:
            self._by_subject.setdefault(certificate.subject, []).append(certificate)

    def path(self, leaf: _Certificate) -> list[_Certificate]:
        """To a root; else to what is self-issued; else as far as it goes."""
        best = [leaf]
        stack = [[leaf]]
        while stack:
            path = stack.pop()
            if self._better(path, best):
                best = path
            if self._trust.is_root(path[-1]):
                return path
            if len(path) < _LONGEST_PATH and path[-1].issuer != path[-1].subject:
                stack += [[*path, issuer] for issuer in self._issuers(path)]
        return best

    def _better(self, path: list[_Certificate], best: list[_Certificate]) -> bool:
        ended = [self._trust.is_root(each[-1]) or each[-1].issuer == each[-1].subject for each in (path, best)]
        return ended[0] > ended[1] or (ended[0] == ended[1] and len(path) > len(best))

    def _issuers(self, path: t.Sequence[_Certificate]) -> t.Iterator[_Certificate]:
        """Roots last: the last one in is looked at first."""
        used = {certificate.sha256 for certificate in path}
        for issuer in (*self._by_subject.get(path[-1].issuer, ()), *self._trust.above(path[-1])):
            if issuer.sha256 not in used and self._left > 0:
                self._left -= 1
                if self._trust.signed(path[-1], issuer):
                    yield issuer


@functools.lru_cache(maxsize=200)
def read(der: bytes) -> _Certificate | None:
    """The same intermediate stands in many chains."""
    own = readable(der)
    try:
        names = own.issuer.public_bytes(), own.subject.public_bytes()
        return _Certificate(hashlib.sha256(der).hexdigest(), own, *names, own.not_valid_before_utc, own.not_valid_after_utc)
    except (AttributeError, *UNREADABLE):  # it is none, or a name in it cannot be read
        return None


def _extension(certificate: _Certificate, kind: t.Any) -> t.Any:
    """The value of an extension, None where there is none or it cannot be read."""
    try:
        return certificate.own.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, *UNREADABLE):
        return None


def _may_issue(certificate: _Certificate, below: int) -> bool:
    """A CA (RFC 5280 section 4.2.1.9) whose path length allows so many intermediates below it."""
    constraints, usage = _extension(certificate, x509.BasicConstraints), _extension(certificate, x509.KeyUsage)
    if constraints is None or not constraints.ca or (constraints.path_length is not None and constraints.path_length < below):
        return False
    return usage is None or bool(usage.key_cert_sign)


def _may_serve(certificate: _Certificate) -> bool:
    usages = _extension(certificate, x509.ExtendedKeyUsage)
    return usages is None or any(usage.dotted_string in _SERVER_USAGES for usage in usages)


def name_matches(alternatives: t.Sequence[str] | None, wanted: str) -> bool:
    """Whether one of the subject alternative names (C(DNS:…), C(IP:…)) is the wanted one (RFC 9525 section 6: no common name, a wildcard for one label)."""
    try:
        address = ipaddress.ip_address(wanted.partition("%")[0])
    except ValueError:
        own = wanted.lower().rstrip(".")
        rest = own.partition(".")[2]
        names = {name[4:].lower().rstrip(".") for name in alternatives or () if name.startswith("DNS:")}
        return own in names or bool(rest and f"*.{rest}" in names)
    return any(name[3:] == address.compressed for name in alternatives or () if name.startswith("IP:"))
