# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Base64 in text."""

import base64
import json
import random
import textwrap
import time
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.stores import embedded
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.stores import stored


def coded(content):
    """Base64 as text."""
    return base64.b64encode(content).decode()


class Embedded(unittest.TestCase):
    def setUp(self):
        """A certificate and a block of PEM."""
        self.der = stored.certificate("leaf")
        self.pem = stored.content("leaf.pem")

    def found(self, text):
        """What the base64 in a text stands for."""
        return list(embedded.contents(text.encode()))

    def test_texts(self):
        """Base64 is found as manifests, metadata and settings have it: wrapped, indented, escaped, with and without what fills it up."""
        one, wrapped = coded(self.der), textwrap.fill(coded(self.der), 76)
        for text in (
            f"data:\n  tls.crt: {one}\n  other: x\n",
            f"data:\n  tls.crt: >-\n{textwrap.indent(wrapped, '    ')}\n  other: x\n",
            json.dumps({"x5c": [one, 1], "n": wrapped}).replace(wrapped.replace("\n", "\\n"), "0"),
            json.dumps({"x": wrapped}),
            json.dumps({"x": wrapped.replace("\n", "\r\n")}).replace("/", "\\/").replace("+", "\\u002b"),
            f"<X509Certificate>\n{wrapped}\n</X509Certificate>",
            f'<a b="{wrapped}"/>'.replace("\n", "&#10;"),
            f"CERT={one.rstrip('=')}\nMORE=x",
            one,
        ):
            with self.subTest(text=text[:60]):
                self.assertEqual(self.found(text), [self.der])

    def test_kinds(self):
        """Stores and PEM are found as certificates are."""
        for name in ("openssl.p12", "gnutls.p12", "keytool.jks", "keytool.jceks", "openssl-der.p7b", "leaf.pem"):
            with self.subTest(name=name):
                self.assertEqual(self.found(f"a: {coded(stored.content(name))}\n"), [stored.content(name)])

    def test_several(self):
        """Certificates that follow each other, in one text of base64 or in several."""
        other = stored.certificate("ca")
        for text in (
            f"a: {coded(self.der)}\nb: {coded(other)}\n",
            f'["{coded(self.der)}","{coded(other)}"]',
            f"a: {coded(self.der).rstrip('=')}\n   {coded(other)}",
        ):
            with self.subTest(text=text[:20]):
                self.assertEqual(self.found(text), [self.der, other])

    def test_bodies_of_pem(self):
        """What stands in a PEM block is left to who reads PEM, also when it is indented, quoted or one line."""
        text = self.pem.decode()
        for form in (text, textwrap.indent(text, "   "), json.dumps({"a": text}), json.dumps({"a": text.replace("\n", "\r\n")}), repr(text)):
            self.assertEqual(self.found(f"x: 1\n{form}"), [])

    def test_other_texts(self):
        """Public keys, short DER, prose and pictures are none of it."""
        picture = coded(bytes(random.Random(8).getrandbits(8) for _byte in range(5000)))
        for text in ("MII", "MIIB", "a: MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A" * 9, "THE MII is a company. " * 50, picture, "LS0tLS1", ""):
            self.assertEqual(self.found(text), [])

    def test_cut_off(self):
        """What is cut off comes as it is, shorter than it says."""
        for size in range(8, len(coded(self.der)), 97):
            (content,) = self.found(coded(self.der)[:size])
            self.assertTrue(self.der.startswith(content[: size * 3 // 4 - 3]))

    def test_time(self):
        """Many small texts, and one that never ends, take time in proportion."""
        started = time.monotonic()
        small = coded(b"\x30\x82\x00\x05\x30\x82\x00\x01\x00")
        self.assertEqual(len(self.found(small * 100000)), 100000)
        self.assertEqual(len(self.found(small + " \n" * 1000000)), 1)
        self.found("LS0tLS1CRUdJTi" * 200000)
        self.assertLess(time.monotonic() - started, 30)
