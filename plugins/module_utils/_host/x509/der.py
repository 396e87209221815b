# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The little of DER (X.690) that certificates and keys need: one element after the other, read and written.

Reading is tolerant where readers in use are (lengths longer than they need be), bounded (no recursion, every byte looked at once a level) and
raises nothing but DerError. No message holds content: it may be a private key's.
"""

import typing as t

INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
NULL = 0x05
OBJECT_IDENTIFIER = 0x06
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31


class DerError(ValueError):
    """These bytes are not the DER that was expected."""


class Element(t.NamedTuple):
    """One element: its tag, what it holds, and all of it with tag and length."""

    tag: int
    content: bytes
    raw: bytes


def read(data: bytes, offset: int = 0) -> t.Tuple[Element, int]:
    """Return the element at `offset` and the offset of what follows it."""
    start, stop = bounds(data, offset, len(data))
    return Element(data[offset], bytes(data[start:stop]), bytes(data[offset:stop])), stop


def bounds(data: t.Union[bytes, bytearray], offset: int, size: int) -> t.Tuple[int, int]:
    """Return where the content of the element at `offset` starts and stops, in the first `size` bytes of `data`."""
    if offset + 2 > size:
        raise DerError(f"DER ends at byte {size!r} within a tag or a length")
    if data[offset] & 0x1F == 0x1F:
        raise DerError(f"DER tag {data[offset]!r} at byte {offset!r} is of the long form, which certificates and keys do not use")
    length, start = data[offset + 1], offset + 2
    if length & 0x80:
        octets = length & 0x7F
        if not 1 <= octets <= 4 or start + octets > size:
            raise DerError(f"DER length at byte {offset + 1!r} must have 1 to 4 bytes, got {octets!r}")
        length, start = int.from_bytes(data[start : start + octets], "big"), start + octets
    if start + length > size:
        raise DerError(f"DER element at byte {offset!r} claims {length!r} bytes, {size - start!r} are there")
    return start, start + length


def children(content: bytes) -> t.List[Element]:
    """Return the elements that follow each other in `content`."""
    found = []
    offset = 0
    while offset < len(content):
        element, offset = read(content, offset)
        found.append(element)
    return found


def whole(data: bytes) -> Element:
    """Return the one element that `data` consists of."""
    element, stop = read(data)
    if stop != len(data):
        raise DerError(f"DER element of {stop!r} bytes is followed by {len(data) - stop!r} more")
    return element


def members(data: bytes, *tags: int) -> t.List[Element]:
    """Return the members of the SEQUENCE that `data` consists of; the first ones must have these tags, more may follow."""
    sequence_ = whole(data)
    if sequence_.tag != SEQUENCE:
        raise DerError(f"DER must be a SEQUENCE (tag 48), got tag {sequence_.tag!r}")
    found = children(sequence_.content)
    expect(found, *tags)
    return found


def expect(found: t.Sequence[Element], *tags: int) -> None:
    """Raise DerError unless the first elements have these tags."""
    got = tuple(element.tag for element in found[: len(tags)])
    if got != tags:
        raise DerError(f"DER SEQUENCE must begin with tags {tags!r}, got {got!r}")


def unsigned(content: bytes) -> int:
    """Return what the content of an INTEGER means when it is taken as not negative."""
    return int.from_bytes(content, "big")


def signed(content: bytes) -> int:
    """Return what the content of an INTEGER means."""
    return int.from_bytes(content, "big", signed=True)


def dotted(content: bytes) -> str:
    """Return the content of an OBJECT IDENTIFIER as text such as '1.2.840.10045.2.1' (X.690 8.19)."""
    if not content or content[-1] & 0x80 or len(content) > 64:
        raise DerError(f"DER OBJECT IDENTIFIER must have 1 to 64 bytes, the last below 128, got {len(content)!r} bytes")
    arcs, value = [], 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


def encode(tag: int, *parts: bytes) -> bytes:
    """Return the element with this tag that holds these parts."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def sequence(*parts: bytes) -> bytes:
    """Return a SEQUENCE of these elements."""
    return encode(SEQUENCE, *parts)


def integer(value: int) -> bytes:
    """Return an INTEGER."""
    return encode(INTEGER, value.to_bytes((value if value >= 0 else ~value).bit_length() // 8 + 1, "big", signed=True))


def bit_string(content: bytes) -> bytes:
    """Return a BIT STRING of whole bytes."""
    return encode(BIT_STRING, b"\0", content)


def octet_string(content: bytes) -> bytes:
    """Return an OCTET STRING."""
    return encode(OCTET_STRING, content)


def null() -> bytes:
    """Return a NULL."""
    return encode(NULL)


def object_identifier(text: str) -> bytes:
    """Return the OBJECT IDENTIFIER that is written as `text`, such as '1.2.840.10045.2.1'."""
    arcs = [int(arc) for arc in text.split(".")]
    return encode(OBJECT_IDENTIFIER, *(_base128(value) for value in [40 * arcs[0] + arcs[1], *arcs[2:]]))


def _base128(value: int) -> bytes:
    octets = [value & 0x7F]
    while value > 0x7F:
        value >>= 7
        octets.append(0x80 | value & 0x7F)
    return bytes(reversed(octets))
