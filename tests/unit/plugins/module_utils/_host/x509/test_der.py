# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DER, read and written."""

import random
import time
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der

NUMBERS = ((0, "020100"), (1, "020101"), (127, "02017f"), (128, "02020080"), (256, "02020100"), (-1, "0201ff"), (-128, "020180"), (-129, "0202ff7f"))
IDENTIFIERS = (("2.5.29.19", "0603551d13"), ("1.2.840.10045.2.1", "06072a8648ce3d0201"), ("2.999.3", "0603883703"), ("0.9.2342", "0603099226"))
VALID = (
    ("3000", 0x30, ""),
    ("0401ff", 0x04, "ff"),
    ("048101ff", 0x04, "ff"),  # longer than need be, and accepted by readers in use
    ("0482000100", 0x04, "00"),
    ("a003020102", 0xA0, "020102"),
)
INVALID = (
    ("", "ends"),
    ("30", "ends"),
    ("3001", "claims"),
    ("3080", "length"),  # indefinite: BER
    ("308500000000", "length"),
    ("3084ffffffff", "claims"),
    ("3082", "length"),
    ("1f8101", "tag"),
)


class Reading(unittest.TestCase):
    def test_elements(self):
        """An element is given with its tag and content."""
        for text, tag, content in VALID:
            with self.subTest(der=text):
                element = der.whole(bytes.fromhex(text))
                self.assertEqual((element.tag, element.content.hex(), element.raw.hex()), (tag, content, text))

    def test_refused(self):
        """What is no DER raises DerError with the reason."""
        for text, reason in INVALID:
            with self.subTest(der=text), self.assertRaisesRegex(der.DerError, reason):
                der.whole(bytes.fromhex(text))

    def test_more_than_one(self):
        """Bytes behind the one element are an error for `whole` and further elements for `children`."""
        data = bytes.fromhex("020101020102")
        with self.assertRaisesRegex(der.DerError, "followed by 3 more"):
            der.whole(data)
        self.assertEqual([element.content for element in der.children(data)], [b"\1", b"\2"])

    def test_members(self):
        """The members of a SEQUENCE must begin with the tags that are asked for."""
        data = bytes.fromhex("3005020101" + "0500")
        self.assertEqual(len(der.members(data, der.INTEGER)), 2)
        with self.assertRaisesRegex(der.DerError, r"must begin with tags \(4,\), got \(2,\)"):
            der.members(data, der.OCTET_STRING)
        with self.assertRaisesRegex(der.DerError, "must be a SEQUENCE"):
            der.members(b"\4\0")

    def test_identifiers(self):
        """Object identifiers become dotted text; one that is cut off or endless is refused."""
        for text, encoded in IDENTIFIERS:
            with self.subTest(identifier=text):
                self.assertEqual(der.dotted(der.whole(bytes.fromhex(encoded)).content), text)
        for content in (b"", b"\x2a\x86", b"\x2a" * 65):
            with self.subTest(content=content), self.assertRaisesRegex(der.DerError, "OBJECT IDENTIFIER"):
                der.dotted(content)

    def test_random_bytes(self):
        """Random and nested bytes raise DerError alone, and soon."""
        source = random.Random(11)
        started = time.monotonic()
        for length in list(range(60)) * 30:
            data = bytes(source.choice((0x30, 0x02, 0x80, 0x81, 0x82, source.randrange(256))) for _byte in range(length))
            try:
                for element in der.children(data):
                    der.children(element.content)
            except der.DerError:
                pass
        nested = b""
        for _round in range(3000):
            nested = der.sequence(nested)
        self.assertEqual(len(der.children(nested)), 1)
        self.assertLess(time.monotonic() - started, 20)


class Writing(unittest.TestCase):
    def test_numbers(self):
        """Integers are as short as they can be, and read back."""
        for number, encoded in NUMBERS:
            with self.subTest(number=number):
                self.assertEqual(der.integer(number).hex(), encoded)
                self.assertEqual(der.signed(der.whole(der.integer(number)).content), number)

    def test_identifiers(self):
        """Object identifiers are written as they are read."""
        for text, encoded in IDENTIFIERS:
            with self.subTest(identifier=text):
                self.assertEqual(der.object_identifier(text).hex(), encoded)

    def test_lengths(self):
        """Every form of length is read back."""
        for size in (0, 127, 128, 255, 256, 65535, 65536):
            with self.subTest(size=size):
                element = der.whole(der.octet_string(bytes(size)))
                self.assertEqual((element.tag, len(element.content)), (der.OCTET_STRING, size))

    def test_parts(self):
        """A sequence holds its parts, a bit string says that no bit is unused."""
        self.assertEqual(der.sequence(der.integer(1), der.null(), der.bit_string(b"\xff")).hex(), "3009" + "020101" + "0500" + "030200ff")
