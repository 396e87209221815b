# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PKCS #7 messages, made by openssl and gnutls."""

import random
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.run import Finished
from ansible_collections.certops.fleet.plugins.module_utils._host.stores import items, pkcs7
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, pem
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.stores import stored


def message(name):
    """The message in DER or BER."""
    data = stored.content(name)
    return pem.first(data).content if data.startswith(b"-") else data


class Messages(unittest.TestCase):
    def test_messages(self):
        """Certificates and lists of messages of both lengths are found; openssl is only started for an indefinite one."""
        leaf, authority = stored.certificate("leaf"), stored.certificate("ca")
        for name, expected, lists, processes in (
            ("openssl.p7b", [leaf, authority], 1, 0),
            ("openssl-der.p7b", [leaf, authority], 1, 0),
            ("gnutls.p7b", [leaf], 0, 0),
            ("openssl-ber.p7b", [leaf, authority], 0, 1),
        ):
            counted = []
            with self.subTest(name=name):
                found = list(pkcs7.items(message(name), stored.tools(counted=counted)))
                self.assertEqual([content for _alias, content in stored.certificates(found)], expected)
                self.assertEqual([item.facts["issuer"] for item in found if isinstance(item, items.Record)], ["CN=Store CA,O=Test"] * lists)
                self.assertEqual(len(counted), processes)

    def test_other_messages(self):
        """An encrypted message holds no certificates, and that is said."""
        self.assertEqual(
            list(pkcs7.items(message("openssl-encrypted.p7b"), stored.tools())), [items.Trouble("PKCS #7 message that holds no certificates", False)]
        )

    def test_failures(self):
        """A message that is cut off, or that the host's openssl does not read, is a problem."""
        data = message("openssl-der.p7b")
        for size in range(20, len(data), 211):
            (trouble,) = pkcs7.items(data[:size], stored.tools())
            self.assertRegex(trouble.reason, "PKCS #7 message cannot be read: DER ")
        reason = "PKCS #7 message of indefinite length cannot be read by the host's openssl"
        for tools in (items.Tools(None, ()), items.Tools(lambda *_argv, **_given: Finished(127, b"", b"", False), ())):
            self.assertEqual(list(pkcs7.items(message("openssl-ber.p7b"), tools)), [items.Trouble(reason, True)])

    def test_deep(self):
        """Very deep DER ends at once."""
        deep = b""
        for _depth in range(5000):
            deep = der.sequence(deep)
        signed = der.sequence(der.object_identifier("1.2.840.113549.1.7.2"), der.encode(0xA0, deep))
        (trouble,) = pkcs7.items(signed, items.Tools(None, ()))
        self.assertTrue(trouble.failure)

    def test_random(self):
        """Damaged messages end in items."""
        chance = random.Random(5)
        for name in ("openssl-der.p7b", "gnutls.p7b"):
            for _round in range(300):
                data = bytearray(message(name))
                for _damage in range(chance.choice((1, 3, 50))):
                    data[chance.randrange(len(data))] = chance.randrange(256)
                for item in pkcs7.items(bytes(data), items.Tools(None, ())):
                    self.assertIsInstance(item, (items.Certificate, items.Record, items.Trouble))
