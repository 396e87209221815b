# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The internal CA as an issuer: it builds a certificate from a checked request and its profile, nothing is copied from the request but the key."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from ansible_collections.certops.fleet.plugins.plugin_utils._issue.authority import ISSUING_KEY, Authority, private_key, read_authority
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.constraints import constraints_of
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.extensions import authority_key_identifier, usages
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.keys import checked_passphrase, signature_hash
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.lint import Expected, lint
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.profiles import BACKDATE, key_usages
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.provider import Issued, IssuerError, IssuerSettings, Status
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.request import CheckedRequest
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.settings import Urls
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.subject import x509_name
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.crypto import InvalidSignature, ec, hashes, serialization, x509

# A certificate that would live for less is not issued.
MIN_LIFETIME = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Validity:
    """First and last moment of a certificate."""

    not_before: datetime
    not_after: datetime


class EmbeddedIssuer:
    """An internal CA whose encrypted key lies in a folder of the controller."""

    type: t.ClassVar[str] = "embedded"

    def __init__(self, settings: IssuerSettings) -> None:
        self.settings = settings
        self.name = settings.name
        self._authority: Authority | None = None
        self._key: t.Any = None

    def _read(self) -> Authority:
        if self._authority is None:
            found = read_authority(self.settings.directory)
            if found.issuing is None:
                raise IssuerError(f"issuer {self.name!r}: there is no CA in {self.settings.directory!r}, certops.fleet.create_ca makes one")
            self._authority = found
        return self._authority

    def _unlock(self) -> t.Any:
        if self._key is None:
            self._key = private_key(self._read(), ISSUING_KEY, checked_passphrase(self.settings.passphrase))
        return self._key

    @property
    def certificate(self) -> bytes:
        """The issuing CA's certificate (DER)."""
        return t.cast(bytes, self._read().issuing.public_bytes(serialization.Encoding.DER))

    @property
    def chain(self) -> tuple[bytes, ...]:
        """What a server sends behind its certificate (DER): the issuing CA; the root is with the clients."""
        return (self.certificate,)

    @property
    def above(self) -> tuple[bytes, ...]:
        """The CAs above the issuing one, up to the trust anchor (DER)."""
        return (self._read().root.public_bytes(serialization.Encoding.DER),)

    def status(self, now: datetime) -> Status:
        """Tell whether the CA can issue at that time, its passphrase included; never raises for what is wrong with the CA."""
        try:
            authority = self._read()
            end = _end(authority)
            if now < authority.issuing.not_valid_before_utc:
                return Status(False, f"issuer {self.name!r} is not valid before {authority.issuing.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}", end)
            _check_rest(self.name, now, end)
            self._unlock()
        except ValueError as exc:
            return Status(False, str(exc) if isinstance(exc, IssuerError) else f"issuer {self.name!r}: {exc}", None)
        return Status(True, None, end)

    def new_serial(self) -> int:
        """Return a serial of 159 random bits (RFC 5280 section 4.1.2.2); the inventory says whether it was used."""
        return x509.random_serial_number()

    def issue(self, request: CheckedRequest, *, serial: int, now: datetime) -> Issued:
        """Lint what would be signed, sign it, check the signature. Raises IssuerError; then nothing was handed out."""
        authority = self._read()
        self._check_names(request)
        validity = _validity(self.name, request, authority, now)
        builder = _builder(request, authority, serial, validity)
        expected = Expected(request, serial, validity.not_before, validity.not_after, self.certificate)
        # Signed with a key that nobody trusts: what is looked at is all but the signature.
        draft = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        problems = lint(draft.public_bytes(serialization.Encoding.DER), expected)
        if problems:
            raise IssuerError(f"issuer {self.name!r}: the certificate would not be what its profile says: {'; '.join(problems)}")
        key = self._unlock()
        certificate = builder.sign(key, signature_hash(key))
        try:
            certificate.verify_directly_issued_by(authority.issuing)
        except (ValueError, TypeError, InvalidSignature) as exc:
            raise IssuerError(f"issuer {self.name!r}: the signature that was just made does not verify") from exc
        return Issued(certificate.public_bytes(serialization.Encoding.DER), self.chain)

    def _check_names(self, request: CheckedRequest) -> None:
        constraints = constraints_of(self._read().issuing)
        refused = [name.text for name in request.wanted.names if not constraints.allows(name)]
        if refused:
            raise IssuerError(f"issuer {self.name!r}: its name constraints do not allow {refused[0]!r}")


def _end(authority: Authority) -> datetime:
    return t.cast(datetime, min(authority.issuing.not_valid_after_utc, authority.root.not_valid_after_utc))


def _check_rest(name: str, now: datetime, end: datetime) -> None:
    if end - now < MIN_LIFETIME:
        raise IssuerError(f"issuer {name!r} ends at {end:%Y-%m-%dT%H:%M:%SZ}, at {now:%Y-%m-%dT%H:%M:%SZ} less than a day is left: nothing is issued")


def _validity(name: str, request: CheckedRequest, authority: Authority, now: datetime) -> Validity:
    """Both ends count (RFC 5280 section 4.1.2.5): a lifetime of 90 days ends a second earlier."""
    end = _end(authority)
    _check_rest(name, now, end)
    not_before = max(now.replace(microsecond=0) - BACKDATE, authority.issuing.not_valid_before_utc)
    if not_before > now:
        raise IssuerError(f"issuer {name!r} is not valid before {not_before:%Y-%m-%dT%H:%M:%SZ}, it is {now:%Y-%m-%dT%H:%M:%SZ}")
    return Validity(not_before, min(not_before + request.wanted.profile.lifetime - timedelta(seconds=1), end))


def _builder(request: CheckedRequest, authority: Authority, serial: int, validity: Validity) -> t.Any:
    want, public_key = request.wanted, request.public_key
    extensions = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usages(*key_usages(request.key_kind)), True),
        (want.extended_key_usage(), False),
        (want.general_names(), not want.subject),
        (x509.SubjectKeyIdentifier.from_public_key(public_key), False),
        (authority_key_identifier(authority.issuing), False),
        *((extension, False) for extension in (authority.urls or Urls()).extensions()),
    ]
    builder = x509.CertificateBuilder().subject_name(x509_name(want.subject)).issuer_name(authority.issuing.subject).public_key(public_key)
    builder = builder.serial_number(serial).not_valid_before(validity.not_before).not_valid_after(validity.not_after)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder
