# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wanted of a CA, and what a CA certificate is: one type for both, so that a difference is what `!=` finds."""

from __future__ import annotations

import os
import typing as t
import unicodedata
import urllib.parse
from dataclasses import dataclass, field

from ansible_collections.certops.fleet.plugins.plugin_utils._issue.constraints import Constraints, constraints_of, parse_constraints
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.keys import KEY_TYPES, key_type_of
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.crypto import x509
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import CA_ISSUERS, OCSP
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.oids import oid_name

MAX_LIFETIME_DAYS = 50 * 365
# RFC 5280 appendix A, ub-common-name and ub-organization-name.
MAX_ATTRIBUTE = 64


class AuthoritySettingsError(ValueError):
    """An option of the CA that cannot be used."""


@dataclass(frozen=True, slots=True)
class Urls:
    """Where a CA publishes its revocation list, its own certificate and its OCSP answers."""

    crl: tuple[str, ...] = ()
    issuer: tuple[str, ...] = ()
    ocsp: tuple[str, ...] = ()

    def extensions(self) -> list[t.Any]:
        """Return the extensions (not critical) that a certificate of this CA gets."""
        found: list[t.Any] = []
        if self.crl:
            names = [[x509.UniformResourceIdentifier(url)] for url in self.crl]
            found.append(x509.CRLDistributionPoints([x509.DistributionPoint(name, None, None, None) for name in names]))
        access = [(OCSP, url) for url in self.ocsp] + [(CA_ISSUERS, url) for url in self.issuer]
        if access:
            described = [x509.AccessDescription(x509.ObjectIdentifier(method), x509.UniformResourceIdentifier(url)) for method, url in access]
            found.append(x509.AuthorityInformationAccess(described))
        return found


@dataclass(frozen=True, slots=True)
class CaShape:
    """What one CA certificate is: wanted, or found in a file."""

    subject: tuple[tuple[str, str], ...]
    key_type: str
    lifetime_days: int
    path_length: int | None
    constraints: Constraints = field(default_factory=Constraints)
    urls: Urls = field(default_factory=Urls)


@dataclass(frozen=True, slots=True)
class AuthoritySettings:
    """What is wanted of a root and its issuing CA. `urls` are those of the issuing CA, which certificates of hosts get."""

    directory: str
    root: CaShape
    issuing: CaShape
    urls: Urls


def checked_text(value: str, what: str, limit: int) -> str:
    """Return an attribute's value; control characters and what no certificate can hold are refused."""
    if not value.strip() or value != value.strip() or len(value) > limit:
        raise AuthoritySettingsError(f"{what} must be 1 to {limit} characters without spaces at its ends, got {value[: 2 * limit]!r}")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp") for character in value):
        raise AuthoritySettingsError(f"{what} may not have control characters or line breaks, got {value!r}")
    return value


def _url(value: str, path: str) -> str:
    message = f"{path} must be a URL such as 'http://pki.example.com/ca.crl', in ASCII and without spaces, got {value!r}"
    if not value.isascii() or not value.isprintable() or set(value) & set(' {}<>"\\^`|'):
        raise AuthoritySettingsError(message)
    try:
        parts = urllib.parse.urlsplit(value)
        usable = parts.scheme in ("http", "https", "ldap") and bool(parts.hostname) and parts.port != 0 and not parts.username
    except ValueError as exc:
        raise AuthoritySettingsError(message) from exc
    if not usable:
        raise AuthoritySettingsError(message)
    return value


def _urls(params: t.Mapping[str, t.Any], crl: str, issuer: str, ocsp: str) -> Urls:
    def checked(option: str) -> tuple[str, ...]:
        return tuple(_url(value, f"{option}[{index}]") for index, value in enumerate(params.get(option) or ()))

    return Urls(checked(crl), checked(issuer), checked(ocsp))


def _days(params: t.Mapping[str, t.Any], option: str) -> int:
    value = params[option]
    if not 1 <= value <= MAX_LIFETIME_DAYS:
        raise AuthoritySettingsError(f"{option} must be 1 to {MAX_LIFETIME_DAYS} days, got {value!r}")
    return int(value)


def _key_type(params: t.Mapping[str, t.Any], option: str) -> str:
    if params[option] not in KEY_TYPES:
        raise AuthoritySettingsError(f"{option} must be one of {', '.join(KEY_TYPES)}, got {params[option]!r}")
    return str(params[option])


def _subject(params: t.Mapping[str, t.Any], role: str) -> tuple[tuple[str, str], ...]:
    organization = params.get("organization")
    first = [] if organization is None else [("organizationName", checked_text(organization, "organization", MAX_ATTRIBUTE))]
    suffix = f" {role} CA"
    name = checked_text(params["common_name"], "common_name", MAX_ATTRIBUTE - len(" Issuing CA"))
    return (*first, ("commonName", name + suffix))


def authority_settings(params: t.Mapping[str, t.Any], directory: str) -> AuthoritySettings:
    """Return the settings from the options of the module `ca`; raise AuthoritySettingsError or ConstraintError with the option's name."""
    if not os.path.isabs(directory):
        raise AuthoritySettingsError(f"directory must be an absolute path, got {directory!r}")
    return AuthoritySettings(
        directory=os.path.normpath(directory),
        root=CaShape(_subject(params, "Root"), _key_type(params, "root_key_type"), _days(params, "root_lifetime_days"), path_length=1),
        issuing=CaShape(
            _subject(params, "Issuing"),
            _key_type(params, "issuing_key_type"),
            _days(params, "issuing_lifetime_days"),
            path_length=0,
            constraints=parse_constraints(params.get("permitted_names") or (), params.get("excluded_names") or ()),
            urls=_urls(params, "root_crl_urls", "root_aia_urls", "root_ocsp_urls"),
        ),
        urls=_urls(params, "crl_urls", "aia_urls", "ocsp_urls"),
    )


def _uris(names: t.Iterable[t.Any]) -> tuple[str, ...]:
    return tuple(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))


def _extension(certificate: t.Any, kind: t.Any) -> t.Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def urls_of(certificate: t.Any) -> Urls:
    """Return the URLs that a certificate holds."""
    points = _extension(certificate, x509.CRLDistributionPoints) or ()
    access = _extension(certificate, x509.AuthorityInformationAccess) or ()
    issuer, ocsp = (_uris(entry.access_location for entry in access if entry.access_method.dotted_string == method) for method in (CA_ISSUERS, OCSP))
    return Urls(tuple(url for point in points for url in _uris(point.full_name or ())), issuer, ocsp)


def shape_of(certificate: t.Any) -> CaShape:
    """Return what a CA certificate is."""
    basic = _extension(certificate, x509.BasicConstraints)
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return CaShape(
        subject=tuple((oid_name(part.oid.dotted_string), str(part.value)) for part in certificate.subject),
        key_type=key_type_of(certificate.public_key()),
        lifetime_days=round(lifetime.total_seconds() / 86400),
        path_length=basic.path_length if basic else None,
        constraints=constraints_of(certificate),
        urls=urls_of(certificate),
    )
