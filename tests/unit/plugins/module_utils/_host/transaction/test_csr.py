# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and signing requests, read by openssl as the second tool."""

import hashlib
import os
import shutil
import tempfile
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import csr
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.little_host import openssl

SUBJECT = der.sequence(der.encode(der.SET, der.sequence(der.object_identifier("2.5.4.3"), der.encode(0x0C, b"www.example.org"))))
NAMES = der.sequence(der.encode(0x82, b"www.example.org"))
EXTENSION = der.sequence(der.object_identifier("2.5.29.17"), der.octet_string(NAMES))
ATTRIBUTES = der.encode(0xA0, der.sequence(der.object_identifier("1.2.840.113549.1.9.14"), der.encode(der.SET, der.sequence(EXTENSION))))
KINDS = ({"type": "ec"}, {"type": "ec", "curve": "secp384r1"}, {"type": "rsa", "size": 2048}, {"type": "ed25519"})


class TestRequest(unittest.TestCase):
    """Every kind of key."""

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="certops-test-")
        self.addCleanup(shutil.rmtree, self.root)
        self.key = os.fsencode(os.path.join(self.root, "key.pem"))

    def test_openssl_verifies_it(self):
        """Signature, subject and names are as openssl reads them, and the key is its owner's alone."""
        for wanted in KINDS:
            with self.subTest(wanted=wanted):
                csr.make_key(self.key, wanted)
                self.assertEqual(os.stat(self.key).st_mode & 0o777, 0o600)
                request = csr.make_request(self.key, csr.public_key(self.key), SUBJECT, ATTRIBUTES)
                shown = openssl("req", "-inform", "DER", "-verify", "-noout", "-subject", "-text", given=request)
                self.assertIn(b"www.example.org", shown)
                self.assertIn(b"DNS:www.example.org", shown)
                public = openssl("req", "-inform", "DER", "-noout", "-pubkey", given=request)
                self.assertEqual(
                    hashlib.sha256(openssl("pkey", "-pubin", "-outform", "DER", given=public)).digest(), hashlib.sha256(csr.public_key(self.key)).digest()
                )
                os.unlink(self.key)

    def test_what_is_refused(self):
        """Kinds, sizes and curves outside the table, and a subject or attributes that are not DER."""
        table = (
            ({"type": "dsa"}, "key type must be one of"),
            ({"type": "rsa", "size": 1024}, "key size of an RSA key must be"),
            ({"type": "rsa", "size": "2048"}, "key size of an RSA key must be"),
            ({"type": "ec", "curve": "prime192v1"}, "key curve must be one of"),
        )
        for wanted, text in table:
            with self.subTest(wanted=wanted), self.assertRaisesRegex(HostError, text):
                csr.make_key(self.key, wanted)
        self.assertFalse(os.path.exists(self.key))
        for subject, attributes, text in (
            (b"", ATTRIBUTES, "subject is not DER"),
            (ATTRIBUTES, ATTRIBUTES, "subject must have"),
            (SUBJECT, SUBJECT, "attributes must have"),
        ):
            with self.subTest(text), self.assertRaisesRegex(HostError, text):
                csr.make_request(self.key, b"", subject, attributes)

    def test_a_missing_openssl_is_named(self):
        """The sentence says what could not be done."""
        path, os.environ["PATH"] = os.environ["PATH"], "/nowhere"
        self.addCleanup(os.environ.__setitem__, "PATH", path)
        with self.assertRaisesRegex(HostError, "openssl could not read a key"):
            csr.public_key(self.key)


if __name__ == "__main__":
    unittest.main()
