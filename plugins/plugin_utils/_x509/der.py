# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes certificates apart below the level of cryptography (X.690, RFC 5280 section 4.1).

The reader is lenient on purpose: it takes apart what a strict parser rejects, so that the rest of it can still be told. What writes DER is the host ring's.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.certops.fleet.plugins.module_utils._host.x509.der import encode, integer, object_identifier

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OID, SEQUENCE = 0x01, 0x02, 0x03, 0x04, 0x06, 0x30


class DerError(ValueError):
    """Bytes that are not the DER that was expected."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its tag octet, the bytes of the whole and of its content."""

    tag: int
    raw: bytes
    content: bytes


@dataclass(frozen=True, slots=True)
class RawExtension:
    """One extension of a certificate as it is written there."""

    oid: str
    critical: bool
    raw: bytes


@dataclass(frozen=True, slots=True)
class CertificateParts:
    """The parts of a certificate's to-be-signed content; names, validity and key as complete DER elements."""

    version: int
    serial_number: int
    signature_algorithm: str
    issuer: bytes
    validity: bytes
    subject: bytes
    public_key_info: bytes
    extensions: tuple[RawExtension, ...]


def _length(data: bytes, offset: int) -> tuple[int, int]:
    if offset >= len(data):
        raise DerError(f"the data end at byte {len(data)} where a length was expected")
    first = data[offset]
    if first < 0x80:
        return first, offset + 1
    count = first & 0x7F
    if count == 0 or count > 4 or offset + 1 + count > len(data):
        raise DerError(f"the length at byte {offset} is not a DER length")
    return int.from_bytes(data[offset + 1 : offset + 1 + count], "big"), offset + 1 + count


def read(data: bytes, offset: int = 0) -> Element:
    """Return the element that begins at `offset`."""
    length, start = _length(data, offset + 1)
    if start + length > len(data):
        raise DerError(f"the element at byte {offset} needs {start + length} bytes, there are {len(data)}")
    return Element(data[offset], data[offset : start + length], data[start : start + length])


def children(content: bytes) -> list[Element]:
    """Return the elements that `content` consists of."""
    found = []
    offset = 0
    while offset < len(content):
        found.append(read(content, offset))
        offset += len(found[-1].raw)
    return found


def oid_text(content: bytes) -> str:
    """Return the dotted form of an object identifier's content."""
    arcs: list[int] = []
    value = 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if octet < 0x80:
            arcs.append(value)
            value = 0
    if not arcs or content[-1] >= 0x80 or len(content) > 64:
        raise DerError(f"an object identifier of {len(content)} bytes is empty, cut off or too long")
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))


def _extension(element: Element) -> RawExtension:
    parts = children(element.content)
    if len(parts) < 2 or parts[0].tag != OID:
        raise DerError("an extension has no object identifier or no value")
    critical = parts[1].tag == BOOLEAN and parts[1].content not in (b"", b"\x00")
    return RawExtension(oid_text(parts[0].content), critical, element.raw)


def _extensions(fields: t.Iterable[Element]) -> tuple[RawExtension, ...]:
    for field in fields:
        if field.tag == 0xA3:
            return tuple(_extension(element) for element in children(read(field.content).content))
    return ()


def certificate_parts(der: bytes) -> CertificateParts:
    """Take a certificate apart without judging it; raise DerError when it does not have a certificate's outline."""
    outer = children(read(der).content) if der else []
    fields = children(outer[0].content) if len(outer) == 3 else []
    version = 1
    if fields and fields[0].tag == 0xA0:
        version = int.from_bytes(read(fields.pop(0).content).content, "big") + 1
    if [field.tag for field in fields[:6]] != [INTEGER] + 5 * [SEQUENCE]:
        raise DerError("it does not have the outline of a certificate")
    serial, _inner_algorithm, issuer, validity, subject, key = fields[:6]
    return CertificateParts(
        version=version,
        serial_number=int.from_bytes(serial.content, "big", signed=True),
        signature_algorithm=oid_text(read(outer[1].content).content),
        issuer=issuer.raw,
        validity=validity.raw,
        subject=subject.raw,
        public_key_info=key.raw,
        extensions=_extensions(fields[6:]),
    )


# An Ed25519 key (RFC 8410 section 4) and a validity: what stands in for the parts that are not being looked at.
_ANY_KEY = encode(SEQUENCE, encode(SEQUENCE, object_identifier("1.3.101.112")), encode(BIT_STRING, bytes(33)))
_ANY_VALIDITY = encode(SEQUENCE, encode(0x17, b"700101000000Z"), encode(0x17, b"700101000000Z"))
_ANY_ALGORITHM = encode(SEQUENCE, object_identifier("1.3.101.112"))
_ANY_NAME = encode(SEQUENCE)


def certificate_with(
    *,
    issuer: bytes = _ANY_NAME,
    subject: bytes = _ANY_NAME,
    validity: bytes = _ANY_VALIDITY,
    public_key_info: bytes = _ANY_KEY,
    extensions: t.Sequence[bytes] = (),
) -> bytes:
    """Return an unsigned but well-formed version 3 certificate that has only the given parts: one part can be parsed without its neighbours."""
    fields = [encode(0xA0, integer(2)), integer(1), _ANY_ALGORITHM, issuer, validity, subject, public_key_info]
    if extensions:
        fields.append(encode(0xA3, encode(SEQUENCE, *extensions)))
    return encode(SEQUENCE, encode(SEQUENCE, *fields), _ANY_ALGORITHM, encode(BIT_STRING, bytes(65)))
