# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.certops.fleet.plugins.module_utils._host.x509.der import encode, integer, object_identifier
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.der import DerError, certificate_parts, children, oid_text, read


@given(content=st.binary(max_size=70_000), tag=st.integers(1, 254))
def test_what_is_encoded_is_read_again(content: bytes, tag: int) -> None:
    """Tag, content and length of any size."""
    element = read(encode(tag, content))
    assert (element.tag, element.content) == (tag, content)


@given(arcs=st.lists(st.integers(0, 1 << 40), max_size=8), first=st.integers(0, 2), second=st.integers(0, 39))
def test_object_identifiers_survive(arcs: list[int], first: int, second: int) -> None:
    """Dotted text to DER and back; cryptography reads the same."""
    dotted = ".".join(str(arc) for arc in (first, second, *arcs))
    assert oid_text(read(object_identifier(dotted)).content) == dotted


@given(value=st.integers(-(1 << 200), 1 << 200))
def test_integers_are_two_s_complement(value: int) -> None:
    """As short as DER asks for, or one octet of sign more than the shortest for negative powers of two."""
    assert int.from_bytes(read(integer(value)).content, "big", signed=True) == value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the data end at byte 0 where a length was expected"),
        (b"\x30", "the data end at byte 1 where a length was expected"),
        (b"\x30\x80", "the length at byte 1 is not a DER length"),
        (b"\x30\x85\1\1\1\1\1", "the length at byte 1 is not a DER length"),
        (b"\x30\x05\x00", "the element at byte 0 needs 7 bytes, there are 3"),
    ],
)
def test_what_is_no_der_is_told(data: bytes, message: str) -> None:
    """One sentence with the position."""
    with pytest.raises(DerError) as caught:
        read(data)
    assert str(caught.value) == message


@pytest.mark.parametrize("content", [b"", b"\x80", b"\x2a" * 65])
def test_bad_object_identifiers_are_told(content: bytes) -> None:
    """Empty, cut off, or longer than any real one."""
    with pytest.raises(DerError, match="is empty, cut off or too long"):
        oid_text(content)


def test_what_has_no_outline_of_a_certificate_is_told(rich: bytes) -> None:
    """Another structure of valid DER."""
    for der in (b"", encode(0x30), encode(0x30, encode(0x30), encode(0x30), encode(3)), children(read(rich).content)[0].raw):
        with pytest.raises(DerError, match="it does not have the outline of a certificate"):
            certificate_parts(der)


def test_parts_are_those_that_cryptography_reads(rich: bytes) -> None:
    """Serial, names and the order of extensions."""
    parts, certificate = certificate_parts(rich), x509.load_der_x509_certificate(rich)
    assert parts.serial_number == certificate.serial_number
    assert parts.subject == certificate.subject.public_bytes()
    assert [(each.oid, each.critical) for each in parts.extensions] == [(each.oid.dotted_string, each.critical) for each in certificate.extensions]
