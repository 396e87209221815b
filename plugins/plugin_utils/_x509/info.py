# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a certificate says, under the names and in the formats of community.crypto's x509_certificate_info.

Anything may come in. A part that cannot be read is None and told in `problem`; the other parts are still there.
"""

from __future__ import annotations

import functools
import hashlib
import ipaddress
import typing as t
import warnings
from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.certops.fleet.plugins.plugin_utils._x509.crypto import UnsupportedAlgorithm, require, serialization, x509
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.der import CertificateParts, DerError, certificate_parts, certificate_with
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.oids import oid_name, short_name
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.public_key import public_key_facts

TIME_FORMAT = "%Y%m%d%H%M%SZ"
# json.dumps() refuses an integer of more than 4300 digits; a hostile certificate may have one.
MAX_INTEGER_BITS = 4300 * 3

KEY_USAGES = {
    "digital_signature": "Digital Signature",
    "content_commitment": "Non Repudiation",
    "key_encipherment": "Key Encipherment",
    "data_encipherment": "Data Encipherment",
    "key_agreement": "Key Agreement",
    "key_cert_sign": "Certificate Sign",
    "crl_sign": "CRL Sign",
}
AGREEMENT_USAGES = {"encipher_only": "Encipher Only", "decipher_only": "Decipher Only"}

OCSP = "1.3.6.1.5.5.7.48.1"
CA_ISSUERS = "1.3.6.1.5.5.7.48.2"

Fields = dict[str, t.Any]


@dataclass(frozen=True, slots=True)
class Source:
    """A certificate to read from: taken apart, and per part something that cryptography accepts."""

    der: bytes
    parts: CertificateParts
    whole: t.Any
    now: datetime

    def only(self, part: str) -> t.Any:
        """Return a certificate to read that part from: the whole one, or where that is rejected one that has only the part."""
        if self.whole is not None:
            return self.whole
        return x509.load_der_x509_certificate(certificate_with(**{part: getattr(self.parts, part)}))


def colon_hex(octets: bytes | None) -> str | None:
    """Return `ab:cd:…`."""
    return None if octets is None else octets.hex(":")


def text_value(value: str | bytes) -> str:
    """Return a name's value as text that any encoder accepts."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def _name(field: str, name: t.Any) -> Fields:
    ordered = [[oid_name(attribute.oid.dotted_string), text_value(attribute.value)] for attribute in name]
    return {field: {pair[0]: pair[1] for pair in ordered}, f"{field}_ordered": ordered}


def _issuer(source: Source) -> Fields:
    return _name("issuer", source.only("issuer").issuer)


def _subject(source: Source) -> Fields:
    return _name("subject", source.only("subject").subject)


def _validity(source: Source) -> Fields:
    certificate = source.only("validity")
    not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return {"not_before": not_before.strftime(TIME_FORMAT), "not_after": not_after.strftime(TIME_FORMAT), "expired": not_after < source.now}


def _public_key(source: Source) -> Fields:
    key = source.only("public_key_info").public_key()
    kind, data = public_key_facts(key)
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    too_long = [name for name, value in data.items() if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS]
    return {
        "public_key_type": kind,
        "public_key_data": {**data, **dict.fromkeys(too_long)},
        "public_key_fingerprints": {"sha256": hashlib.sha256(encoded).digest().hex(":")},
    }


def _serial_number(source: Source) -> Fields:
    if source.parts.serial_number.bit_length() > MAX_INTEGER_BITS:
        raise ValueError(f"its {source.parts.serial_number.bit_length()} bits are too many to be shown")
    return {"serial_number": source.parts.serial_number}


def _directory_name(name: t.Any) -> str:
    return ",".join(f"{short_name(part.oid.dotted_string)}={_escaped(text_value(part.value))}" for part in reversed(list(name)))


def _escaped(value: str) -> str:
    """Return an attribute's value escaped by RFC 4514 section 2.4."""
    text = "".join(f"\\{character}" if character in '\\,+<>;"' else character for character in value).replace("\0", "\\00")
    if text.startswith((" ", "#")):
        text = "\\" + text
    return text[:-1] + "\\ " if text.endswith(" ") else text


def _address(value: t.Any) -> str:
    if isinstance(value, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
        return f"{value.network_address.compressed}/{value.prefixlen}"
    return str(value.compressed)


def general_name(name: t.Any) -> str:
    """Return a general name as community.crypto writes it: `DNS:…`, `IP:…`, `email:…`, `URI:…`, `dirName:…`, `RID:…`, `otherName:…;hex`."""
    writers: dict[type, t.Callable[[], str]] = {
        x509.DNSName: lambda: f"DNS:{name.value}",
        x509.IPAddress: lambda: f"IP:{_address(name.value)}",
        x509.RFC822Name: lambda: f"email:{name.value}",
        x509.UniformResourceIdentifier: lambda: f"URI:{name.value}",
        x509.DirectoryName: lambda: f"dirName:{_directory_name(name.value)}",
        x509.RegisteredID: lambda: f"RID:{name.value.dotted_string}",
        x509.OtherName: lambda: f"otherName:{name.type_id.dotted_string};{name.value.hex(':')}",
    }
    return writers[type(name)]()


def _key_usage(value: t.Any) -> Fields:
    names = [text for attribute, text in KEY_USAGES.items() if getattr(value, attribute)]
    if value.key_agreement:
        names += [text for attribute, text in AGREEMENT_USAGES.items() if getattr(value, attribute)]
    return {"key_usage": sorted(names)}


def _extended_key_usage(value: t.Any) -> Fields:
    return {"extended_key_usage": sorted(oid_name(usage.dotted_string) for usage in value)}


def _basic_constraints(value: t.Any) -> Fields:
    path = [] if value.path_length is None else [f"pathlen:{value.path_length}"]
    return {"basic_constraints": [f"CA:{'TRUE' if value.ca else 'FALSE'}", *path], "is_ca": value.ca}


def _tls_feature(value: t.Any) -> Fields:
    return {"ocsp_must_staple": x509.TLSFeatureType.status_request in value}


def _subject_alt_name(value: t.Any) -> Fields:
    return {"subject_alt_name": [general_name(name) for name in value]}


def _subject_key_identifier(value: t.Any) -> Fields:
    return {"subject_key_identifier": colon_hex(value.digest)}


def _authority_key_identifier(value: t.Any) -> Fields:
    issuer = value.authority_cert_issuer
    return {
        "authority_key_identifier": colon_hex(value.key_identifier),
        "authority_cert_issuer": None if issuer is None else [general_name(name) for name in issuer],
        "authority_cert_serial_number": value.authority_cert_serial_number,
    }


def _information_access(value: t.Any) -> Fields:
    def first(method: str) -> str | None:
        locations = (access.access_location for access in value if access.access_method.dotted_string == method)
        return next((location.value for location in locations if isinstance(location, x509.UniformResourceIdentifier)), None)

    return {"ocsp_uri": first(OCSP), "issuer_uri": first(CA_ISSUERS)}


class ExtensionReader(t.NamedTuple):
    """How one extension becomes fields; `critical` names the field that tells whether it is critical."""

    name: str
    read: t.Callable[[t.Any], Fields]
    critical: str | None = None


EXTENSION_READERS = {
    "2.5.29.14": ExtensionReader("subject_key_identifier", _subject_key_identifier),
    "2.5.29.15": ExtensionReader("key_usage", _key_usage, "key_usage_critical"),
    "2.5.29.17": ExtensionReader("subject_alt_name", _subject_alt_name, "subject_alt_name_critical"),
    "2.5.29.19": ExtensionReader("basic_constraints", _basic_constraints, "basic_constraints_critical"),
    "2.5.29.35": ExtensionReader("authority_key_identifier", _authority_key_identifier),
    "2.5.29.37": ExtensionReader("extended_key_usage", _extended_key_usage, "extended_key_usage_critical"),
    "1.3.6.1.5.5.7.1.1": ExtensionReader("authority_information_access", _information_access),
    "1.3.6.1.5.5.7.1.24": ExtensionReader("ocsp_must_staple", _tls_feature, "ocsp_must_staple_critical"),
}

READERS: dict[str, t.Callable[[Source], Fields]] = {
    "serial_number": _serial_number,
    "issuer": _issuer,
    "subject": _subject,
    "validity": _validity,
    "public_key": _public_key,
}

UNKNOWN: Fields = {
    "authority_cert_issuer": None,
    "authority_cert_serial_number": None,
    "authority_key_identifier": None,
    "basic_constraints": None,
    "basic_constraints_critical": False,
    "expired": None,
    "extended_key_usage": None,
    "extended_key_usage_critical": False,
    "is_ca": False,
    "issuer": None,
    "issuer_ordered": None,
    "issuer_uri": None,
    "key_usage": None,
    "key_usage_critical": False,
    "not_after": None,
    "not_before": None,
    "ocsp_must_staple": None,
    "ocsp_must_staple_critical": False,
    "ocsp_uri": None,
    "public_key_data": None,
    "public_key_fingerprints": None,
    "public_key_type": None,
    "self_issued": None,
    "serial_number": None,
    "signature_algorithm": None,
    "spki": None,
    "subject": None,
    "subject_alt_name": None,
    "subject_alt_name_critical": False,
    "subject_key_identifier": None,
    "subject_ordered": None,
    "version": None,
}


def _attempt(problems: list[str], what: str, read: t.Callable[[], t.Any]) -> t.Any:
    """Return what `read` gives, or None with its error noted as the problem of that part."""
    try:
        return read()
    except (
        ValueError,
        TypeError,
        KeyError,
        OverflowError,
        UnsupportedAlgorithm,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ) as exc:
        problems.append(f"{what}: {' '.join(str(exc).split())[:200]}")
        return None


def _single_extension(raw: bytes) -> t.Any:
    return next(iter(x509.load_der_x509_certificate(certificate_with(extensions=[raw])).extensions))


def _extensions(source: Source, problems: list[str]) -> dict[str, t.Any]:
    """Return the extensions by identifier, each parsed on its own when they do not parse together; the first of two equal ones counts."""
    try:
        return {extension.oid.dotted_string: extension for extension in source.whole.extensions}
    except (AttributeError, ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        found: dict[str, t.Any] = {}
    for raw in source.parts.extensions:
        name = EXTENSION_READERS[raw.oid].name if raw.oid in EXTENSION_READERS else raw.oid
        if raw.oid in found:
            problems.append(f"extension {name}: it occurs more than once")
            continue
        extension = _attempt(problems, f"extension {name}", functools.partial(_single_extension, raw.raw))
        if extension is not None:
            found[raw.oid] = extension
    return found


def _extension_fields(source: Source, problems: list[str]) -> Fields:
    fields: Fields = {}
    for oid, extension in _extensions(source, problems).items():
        reader = EXTENSION_READERS.get(oid)
        if reader is None:
            continue
        if reader.critical:
            fields[reader.critical] = extension.critical
        fields.update(_attempt(problems, f"extension {reader.name}", functools.partial(reader.read, extension.value)) or {})
    return fields


def _direct_fields(parts: CertificateParts) -> Fields:
    """Return what can be told without a parser. A self-issued version 1 certificate is an old root: it has no extension that could say so."""
    self_issued = parts.issuer == parts.subject
    return {
        "version": parts.version,
        "signature_algorithm": oid_name(parts.signature_algorithm),
        "spki": hashlib.sha256(parts.public_key_info).hexdigest(),
        "self_issued": self_issued,
        "is_ca": self_issued and parts.version == 1,
    }


def _read_all(der: bytes, now: datetime, problems: list[str]) -> Fields:
    whole = _attempt(problems, "certificate", lambda: x509.load_der_x509_certificate(der))
    try:
        parts = certificate_parts(der)
    except (DerError, IndexError) as exc:
        problems[:] = problems or [f"certificate: {exc}"]
        return {}
    source = Source(der, parts, whole, now)
    fields = _direct_fields(parts)
    for what, reader in READERS.items():
        fields.update(_attempt(problems, what, functools.partial(reader, source)) or {})
    fields.update(_extension_fields(source, problems))
    return fields


def moment(text: str) -> datetime:
    """The aware time that a field such as `not_after` stands for. By hand: the first strptime of a process costs more than all the rest of a certificate."""
    year, month, day, hour, minute, second = int(text[:4]), *(int(text[start : start + 2]) for start in range(4, 14, 2))
    return datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)


def certificate_info(der: bytes, *, now: datetime | None = None) -> Fields:
    """Return the certificate's facts; every field is always there, None (or False for the `_critical` ones) where it says nothing.

    Beyond community.crypto's fields: `sha256` of the DER, `spki` (SHA-256 of the public key's DER), `is_ca`, `self_issued` and
    `problem` (text or None). `expired` is told for `now`, which is the clock's time when it is left out.
    """
    require()
    problems: list[str] = []
    digest = hashlib.sha256(der)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fields = _read_all(der, now or datetime.now(timezone.utc), problems)
    return {**UNKNOWN, **fields, "sha256": digest.hexdigest(), "fingerprints": {"sha256": digest.digest().hex(":")}, "problem": "; ".join(problems) or None}


def elliptic_size(der: bytes) -> int | None:
    """Bits of the curve that a certificate's key lies on, None where that cannot be told."""
    try:
        return int(x509.load_der_x509_certificate(der).public_key().key_size)  # type: ignore[union-attr]
    except (ValueError, TypeError, AttributeError, UnsupportedAlgorithm, x509.InvalidVersion):  # the key of a certificate that is broken elsewhere
        size = (certificate_info(der)["public_key_data"] or {}).get("exponent_size")
        return None if size is None else int(size)
