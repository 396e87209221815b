# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificate requests (RFC 2986): the template that a host signs, and the check of what comes back."""

from __future__ import annotations

import hashlib
import ipaddress
import typing as t
from dataclasses import dataclass

from ansible_collections.certops.fleet.plugins.plugin_utils._issue.extensions import usages
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.profiles import CURVES, RSA_EXPONENT, Profile, key_usages
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.subject import Subject, declared_subject, subject_for, subject_text, x509_name
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.crypto import InvalidSignature, UnsupportedAlgorithm, ec, ed25519, rsa, x509
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.der import children, read
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import KEY_USAGES
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.names import Name, canonical_name
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.oids import oid_name

MAX_REQUEST = 64 * 1024
EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
SIGNATURE_HASHES = ("sha256", "sha384", "sha512")


class RequestError(ValueError):
    """A request that asks for more, or for something else, than its profile and declaration give."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a certificate is to hold: canonical names in the declared order, declared attributes, profile."""

    names: tuple[Name, ...]
    attributes: Subject
    profile: Profile

    @property
    def subject(self) -> Subject:
        """The whole subject."""
        return subject_for(self.names, self.attributes)

    def general_names(self) -> t.Any:
        """Return the subject alternative name; it is critical where the subject is empty (RFC 5280 section 4.2.1.6)."""
        return x509.SubjectAlternativeName([_general_name(name) for name in self.names])

    def extended_key_usage(self) -> t.Any:
        """Return the profile's extended key usage."""
        return x509.ExtendedKeyUsage([x509.ObjectIdentifier(usage) for usage in self.profile.extended_key_usages])


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """DER of the subject and of the `[0]` attributes of a CertificationRequestInfo; the digest names what is asked for, whoever's key it is."""

    subject: bytes
    attributes: bytes
    digest: str


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A request that was found to ask for exactly what is wanted; `public_key` is cryptography's, `digest` the SHA-256 of the DER."""

    wanted: Wanted
    public_key: t.Any
    key_kind: str
    digest: str


def _general_name(name: Name) -> t.Any:
    return x509.DNSName(name.text) if name.kind == "dns" else x509.IPAddress(ipaddress.ip_address(name.text))


def wanted(names: t.Sequence[Name], declared: t.Iterable[tuple[str, str]], profile: Profile) -> Wanted:
    """Return what a certificate is to hold, checked against the profile's rules for names and subject."""
    if not names:
        raise RequestError("names: a certificate needs at least one DNS name or address")
    if len(names) > profile.max_names:
        raise RequestError(f"names: profile {profile.name!r} allows {profile.max_names} names, got {len(names)}")
    for name in names:
        if name.is_wildcard and not profile.wildcards:
            raise RequestError(f"names: profile {profile.name!r} does not allow the wildcard {name.text!r}")
    return Wanted(tuple(dict.fromkeys(names)), declared_subject(declared, profile), profile)


def request_template(names: t.Sequence[Name], subject: t.Mapping[str, str], profile: Profile, *, key_kind: str | None = None) -> RequestTemplate:
    """Return what a host joins with its own public key and signs; with a kind of key the request names the key usages, too."""
    want = wanted(names, subject.items(), profile)
    name = x509_name(want.subject)
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    builder = builder.add_extension(want.general_names(), critical=not want.subject)
    builder = builder.add_extension(want.extended_key_usage(), critical=False)
    if key_kind is not None:
        builder = builder.add_extension(usages(*key_usages(key_kind)), critical=True)
    # A key that is thrown away: of this request only the part that has no key in it is used.
    request = builder.sign(ed25519.Ed25519PrivateKey.generate(), None)
    attributes = children(read(request.tbs_certrequest_bytes).content)[3].raw
    subject_der = name.public_bytes()
    return RequestTemplate(subject_der, attributes, hashlib.sha256(b"\0".join((profile.name.encode(), subject_der, attributes))).hexdigest())


def _parsed(der: bytes) -> t.Any:
    if len(der) > MAX_REQUEST:
        raise RequestError(f"request: it has {len(der)} bytes, at most {MAX_REQUEST} are read")
    try:
        request = x509.load_der_x509_csr(der)
        attributes = [attribute.oid.dotted_string for attribute in request.attributes]
        list(request.extensions)
        list(request.subject)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, x509.InvalidVersion) as exc:
        raise RequestError(f"request: it is not a certificate request that can be read: {exc}") from exc
    if attributes not in ([], [EXTENSION_REQUEST]):
        extra = [oid for oid in attributes if oid != EXTENSION_REQUEST] or ["extensionRequest twice"]
        raise RequestError(f"request: it has the attribute {extra[0]!r}, only an extension request is accepted")
    return request


def _check_rsa(key: t.Any, profile: Profile) -> str:
    exponent = key.public_numbers().e
    if exponent < RSA_EXPONENT or exponent % 2 == 0:
        raise RequestError(f"request: the RSA exponent must be odd and at least {RSA_EXPONENT}, got {exponent}")
    if not profile.allows_key("rsa", key.key_size):
        raise RequestError(f"request: profile {profile.name!r} does not allow an RSA key of {key.key_size} bits; allowed: {profile.keys_text()}")
    return "rsa"


def _check_ec(key: t.Any, profile: Profile) -> str:
    if not (key.curve.name in CURVES and profile.allows_key("ec", CURVES[key.curve.name])):
        raise RequestError(f"request: profile {profile.name!r} does not allow the curve {key.curve.name!r}; allowed: {profile.keys_text()}")
    return "ec"


def _check_key(request: t.Any, profile: Profile) -> tuple[t.Any, str]:
    """Return the public key and its kind."""
    try:
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise RequestError(f"request: its public key cannot be used: {exc}") from exc
    if isinstance(key, rsa.RSAPublicKey):
        return key, _check_rsa(key, profile)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key, _check_ec(key, profile)
    if isinstance(key, ed25519.Ed25519PublicKey) and profile.allows_key("ed25519"):
        return key, "ed25519"
    raise RequestError(f"request: profile {profile.name!r} does not allow a key of the kind {type(key).__name__}; allowed: {profile.keys_text()}")


def _check_signature(request: t.Any, der: bytes) -> None:
    """The signature proves that who asks holds the key. It is whole octets: the library passes over unused bits of it (X.690 section 8.6.2)."""
    if children(read(der).content)[2].content[:1] != b"\0":
        raise RequestError("request: its signature has unused bits and must be whole octets")
    try:
        algorithm = request.signature_hash_algorithm
        valid = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as exc:
        raise RequestError(f"request: its signature cannot be checked: {exc}") from exc
    if algorithm is not None and algorithm.name not in SIGNATURE_HASHES:
        raise RequestError(f"request: it is signed with {algorithm.name}, accepted are {', '.join(SIGNATURE_HASHES)}")
    if not valid:
        raise RequestError("request: its signature was not made with its key")


def _requested_name(name: t.Any, profile: Profile) -> Name:
    if not isinstance(name, (x509.DNSName, x509.IPAddress)):
        raise RequestError(f"request: it asks for a name of the kind {type(name).__name__}, only DNS names and addresses are issued")
    text = name.value if isinstance(name, x509.DNSName) else name.value.compressed
    found = canonical_name(text, wildcard=profile.wildcards)
    if (found.kind == "dns") != isinstance(name, x509.DNSName):
        raise RequestError(f"request: it asks for the address {text!r} as a DNS name")
    return found


def _check_names(value: t.Any, want: Wanted) -> None:
    try:
        asked = {_requested_name(name, want.profile) for name in value}
    except RequestError:
        raise
    except ValueError as exc:
        raise RequestError(f"request: {exc}") from exc
    extra = sorted(asked - set(want.names))
    if extra:
        raise RequestError(f"request: it asks for the name {extra[0].text!r}, which is not declared")
    missing = sorted(set(want.names) - asked)
    if missing:
        raise RequestError(f"request: it does not ask for the declared name {missing[0].text!r}")


def _check_extended_key_usage(value: t.Any, want: Wanted) -> None:
    extra = [usage.dotted_string for usage in value if usage.dotted_string not in want.profile.extended_key_usages]
    if extra:
        raise RequestError(f"request: it asks for the extended key usage {oid_name(extra[0])!r}, which profile {want.profile.name!r} does not have")


def _check_basic_constraints(value: t.Any, want: Wanted) -> None:
    if value.ca:
        raise RequestError(f"request: it asks to be a CA, profile {want.profile.name!r} issues none")


def _check_key_usage(value: t.Any, kind: str, want: Wanted) -> None:
    allowed = key_usages(kind)
    extra = [name for name in KEY_USAGES if getattr(value, name) and name not in allowed]
    if extra:
        raise RequestError(f"request: it asks for the key usage {extra[0]!r}, which profile {want.profile.name!r} does not have for a key of the kind {kind!r}")


def _check_extensions(request: t.Any, kind: str, want: Wanted) -> None:
    checks: dict[str, t.Callable[[t.Any], None]] = {
        "2.5.29.15": lambda value: _check_key_usage(value, kind, want),
        "2.5.29.17": lambda value: _check_names(value, want),
        "2.5.29.19": lambda value: _check_basic_constraints(value, want),
        "2.5.29.37": lambda value: _check_extended_key_usage(value, want),
    }
    found = {extension.oid.dotted_string: extension.value for extension in request.extensions}
    for oid, value in found.items():
        if oid not in checks:
            raise RequestError(f"request: it asks for the extension {oid}, which profile {want.profile.name!r} does not have")
        checks[oid](value)
    if "2.5.29.17" not in found:
        raise RequestError("request: it has no subject alternative name, the declared names must be there")


def _check_subject(request: t.Any, want: Wanted) -> None:
    asked = tuple((oid_name(part.oid.dotted_string), str(part.value)) for part in request.subject)
    if asked != want.subject:
        raise RequestError(f"request: its subject is {subject_text(asked)!r}, it must be {subject_text(want.subject)!r}")


def checked_request(der: bytes, want: Wanted) -> CheckedRequest:
    """Return the request when it asks for exactly what is wanted with a key that the profile allows; raise RequestError with the reason."""
    request = _parsed(der)
    public_key, kind = _check_key(request, want.profile)
    _check_signature(request, der)
    _check_subject(request, want)
    _check_extensions(request, kind, want)
    return CheckedRequest(want, public_key, kind, hashlib.sha256(der).hexdigest())
