# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names as text."""

import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, distinguished


def name(*relatives):
    """A name of parts that are lists of (identifier, tag, content)."""
    parts = ([der.sequence(der.object_identifier(oid), der.encode(tag, content)) for oid, tag, content in relative] for relative in relatives)
    return der.sequence(*(der.encode(der.SET, *attributes) for attributes in parts))


class Distinguished(unittest.TestCase):
    def test_text(self):
        """The last part comes first; what means something in such a text, and what cannot be printed, is escaped."""
        common, organization, other = "2.5.4.3", "2.5.4.10", "1.2.3.4"
        for given, expected in (
            (name([(organization, 0x0C, b"A")], [(common, 0x13, b"b")]), "CN=b,O=A"),
            (name([(common, 0x0C, b"a"), (organization, 0x0C, b"b")]), "CN=a+O=b"),
            (name([(common, 0x0C, b'a,b+c"<>;\\')]), 'CN=a\\,b\\+c\\"\\<\\>\\;\\\\'),
            (name([(common, 0x0C, "ä\n\u202e".encode())]), "CN=ä\\0a\\e2\\80\\ae"),
            (name([(common, 0x1E, "grün".encode("utf-16-be"))]), "CN=grün"),
            (name([(common, 0x14, b"gr\xfcn")]), "CN=grün"),
            (name([(common, 0x0C, b"\xff")]), "CN=\\\\xff"),
            (name([(other, 0x0C, b"x")]), "1.2.3.4=x"),
            (name(), ""),
        ):
            with self.subTest(expected=expected):
                self.assertEqual(distinguished.text(given), expected)

    def test_long(self):
        """A name of a megabyte is shortened."""
        self.assertEqual(len(distinguished.text(name([("2.5.4.3", 0x0C, b"x" * 1000000)]))), 1000)

    def test_refused(self):
        """What is no name is a DerError."""
        for data in (b"", b"\x30\x02\x31\x01", der.sequence(der.encode(der.SET, der.sequence(der.object_identifier("2.5.4.3")))), der.integer(1)):
            with self.assertRaises(der.DerError):
                distinguished.text(data)
