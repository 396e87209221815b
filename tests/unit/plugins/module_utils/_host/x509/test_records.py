# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Revocation lists and requests, made by openssl and gnutls, and read by openssl."""

import contextlib
import random
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, pem, records
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host import made
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.stores import stored


def content(name):
    """The DER of a file."""
    data = stored.content(name)
    return pem.first(data).content if b"-----BEGIN" in data else data


class Records(unittest.TestCase):
    def test_lists(self):
        """Issuer, times and number of entries."""
        for name, this_update, next_update in (("openssl.crl", 1767225600, 2082758400), ("gnutls.crl", None, None)):
            kind, facts = records.facts(content(name))
            with self.subTest(name=name):
                self.assertEqual((kind, facts["issuer"], facts["entries"]), ("crl", "CN=Store CA,O=Test", 1))
                said = made.openssl("crl", "-inform", "DER", "-noout", "-fingerprint", "-sha256", given=content(name)).decode()
                self.assertEqual(facts["sha256"], said.partition("=")[2].strip().replace(":", "").lower())
                if this_update:
                    self.assertEqual((facts["this_update"], facts["next_update"]), (this_update, next_update))
                else:
                    self.assertEqual(facts["next_update"] - facts["this_update"], 3650 * 86400)

    def test_requests(self):
        """Subject and public key."""
        for name in ("openssl.csr", "gnutls.csr"):
            kind, facts = records.facts(content(name))
            with self.subTest(name=name):
                self.assertEqual((kind, facts["subject"], facts["key_type"]), ("request", "CN=leaf.example.org,O=Test\\, Inc", "rsa"))
                self.assertEqual(facts["spki"], stored.spki("leaf"))

    def test_others(self):
        """A certificate, a key and a message are neither."""
        for data in (stored.certificate("ca"), content("openssl.p7b"), pem.first(made.key("rsa")).content, b"", b"\x30\0"):
            with self.assertRaises(der.DerError):
                records.facts(data)

    def test_many_entries(self):
        """A list with very many entries is counted without being taken apart."""
        name = der.sequence()
        entry = der.sequence(der.integer(1), der.encode(der.UTC_TIME, b"260101000000Z"))
        body = der.sequence(der.integer(1), der.sequence(), name, der.encode(der.UTC_TIME, b"260101000000Z"), der.sequence(entry * 100000))
        kind, facts = records.facts(der.sequence(body, der.sequence(), der.bit_string(b"")))
        self.assertEqual((kind, facts["entries"], facts["next_update"], facts["this_update"]), ("crl", 100000, None, 1767225600))

    def test_random(self):
        """Damaged ones end in facts or in a DerError."""
        chance = random.Random(9)
        for name in ("openssl.crl", "gnutls.csr"):
            for _round in range(500):
                data = bytearray(content(name))
                for _damage in range(chance.choice((1, 3, 50))):
                    data[chance.randrange(len(data))] = chance.randrange(256)
                with contextlib.suppress(der.DerError):
                    self.assertIn(records.facts(bytes(data))[0], ("crl", "request"))
