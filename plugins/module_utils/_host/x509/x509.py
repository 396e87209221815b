# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host must know of a certificate, read with as few demands as possible: what no other parser accepts is to be reported, too."""

import hashlib
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der

KEY_TYPES = {
    "1.2.840.113549.1.1.1": "rsa",
    "1.2.840.113549.1.1.10": "rsa",  # RSASSA-PSS
    "1.2.840.10045.2.1": "ec",
    "1.2.840.10040.4.1": "dsa",
    "1.3.101.112": "ed25519",
    "1.3.101.113": "ed448",
}
_BASIC_CONSTRAINTS = b"\x55\x1d\x13"
_VERSION_TAG, _EXTENSIONS_TAG = 0xA0, 0xA3
# The tags of a TBSCertificate behind its version: serial, signature, issuer, validity, subject, key (RFC 5280 section 4.1).
_SHAPE = (der.INTEGER, der.SEQUENCE, der.SEQUENCE, der.SEQUENCE, der.SEQUENCE, der.SEQUENCE)


class CertificateFacts(t.NamedTuple):
    """A certificate as the host sees it. Digests are lower-case hexadecimal SHA-256, times are epoch seconds, None where they cannot be read."""

    sha256: str
    spki: str
    spki_der: bytes
    subject: bytes
    issuer: bytes
    not_before: t.Optional[int]
    not_after: t.Optional[int]
    is_ca: bool
    self_issued: bool
    is_anchor: bool  # may stand in a trust store: a CA, or self-issued by version 1 rules, without a word on being a CA
    serial: int
    key_type: str  # 'rsa', 'ec', 'ed25519', 'ed448', 'dsa', else the dotted algorithm


def facts(certificate: bytes) -> CertificateFacts:
    """Return the facts of one certificate in DER; raise DerError when it does not have the shape of one."""
    outer = der.members(certificate, der.SEQUENCE, der.SEQUENCE, der.BIT_STRING)
    parts = der.children(outer[0].content)
    if parts and parts[0].tag == _VERSION_TAG:
        parts = parts[1:]
    der.expect(parts, *_SHAPE)
    serial, _algorithm, issuer, validity, subject, key = parts[:6]
    not_before, not_after = _validity(validity.content)
    constraints = _basic_constraints(parts[6:])
    self_issued = subject.raw == issuer.raw
    return CertificateFacts(
        sha256=hashlib.sha256(certificate).hexdigest(),
        spki=hashlib.sha256(key.raw).hexdigest(),
        spki_der=key.raw,
        subject=subject.raw,
        issuer=issuer.raw,
        not_before=not_before,
        not_after=not_after,
        is_ca=constraints is True,
        self_issued=self_issued,
        is_anchor=constraints is True or (self_issued and constraints is None),
        serial=der.signed(serial.content),
        key_type=key_type(key.raw),
    )


def key_type(spki: bytes) -> str:
    """Return the kind of key in a SubjectPublicKeyInfo, 'unknown' when it cannot be read."""
    try:
        algorithm = der.members(spki, der.SEQUENCE, der.BIT_STRING)[0]
        identifier = der.members(algorithm.raw, der.OBJECT_IDENTIFIER)[0]
        name = der.dotted(identifier.content)
    except der.DerError:
        return "unknown"
    return KEY_TYPES.get(name, name)


def _validity(content: bytes) -> t.Tuple[t.Optional[int], t.Optional[int]]:
    try:
        times = der.children(content)
    except der.DerError:
        return None, None
    if len(times) != 2:
        return None, None
    return epoch(times[0]), epoch(times[1])


def epoch(time: der.Element) -> t.Optional[int]:
    """Return a UTCTime or GeneralizedTime in UTC (RFC 5280 section 4.1.2.5; seconds may be missing) as epoch seconds, None when it is neither."""
    digits = time.content[:-1]
    if time.content[-1:] != b"Z" or not digits.isdigit():
        return None
    if time.tag == der.UTC_TIME and len(digits) in (10, 12):
        digits = (b"19" if digits >= b"50" else b"20") + digits
    elif time.tag != der.GENERALIZED_TIME or len(digits) not in (12, 14):
        return None
    year, month, day, hour, minute = int(digits[:4]), int(digits[4:6]), int(digits[6:8]), int(digits[8:10]), int(digits[10:12])
    second = int(digits[12:] or b"0")
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour <= 24 and minute < 60 and second <= 60):
        return None
    return ((_days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar, counted with years that begin in March (no import of datetime, and any year)."""
    if month < 3:
        year, month = year - 1, month + 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719469


def _basic_constraints(optional: t.Sequence[der.Element]) -> t.Optional[bool]:
    """Return the cA of the basicConstraints, None when there are none or they cannot be read (RFC 5280 section 4.2.1.9)."""
    for part in optional:
        if part.tag == _EXTENSIONS_TAG and _BASIC_CONSTRAINTS in part.content:
            try:
                return _authority(part.content)
            except der.DerError:
                return None
    return None


def _authority(extensions: bytes) -> t.Optional[bool]:
    for extension in der.members(extensions):
        if _BASIC_CONSTRAINTS not in extension.content:  # most are not even opened
            continue
        parts = der.members(extension.raw, der.OBJECT_IDENTIFIER)
        if parts[0].content == _BASIC_CONSTRAINTS:
            values = der.members(parts[-1].content)
            return bool(values) and values[0].tag == 0x01 and values[0].content != b"\0"
    return None
