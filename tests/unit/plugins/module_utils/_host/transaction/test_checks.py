# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own checks of a certificate, and the names that it holds for."""

import os
import shutil
import tempfile
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import checks, declared, namespace
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.layout import Plan
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, names
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.little_host import HostCase, openssl

SELF_SIGNED = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null", "-subj", "/", "-outform", "DER")


def certificate(names_text, days="10"):
    """A certificate of its own with these alternative names."""
    return openssl(*SELF_SIGNED, "-days", days, "-addext", "subjectAltName=" + names_text)


class TestNames(unittest.TestCase):
    """RFC 6125: what a certificate covers."""

    def test_missing(self):
        """Names are compared without case, a wildcard stands for one label, addresses in their shortest form."""
        leaf = certificate("DNS:A.example.org,DNS:*.b.example.org,IP:192.0.2.1,IP:2001:db8:0::1,email:x@example.org")
        covered = ("a.example.org", "A.EXAMPLE.ORG", "x.b.example.org", "*.b.example.org", "192.0.2.1", "2001:db8::1")
        self.assertEqual(names.missing(covered, leaf), [])
        absent = ["b.example.org", "x.y.b.example.org", "*.example.org", "192.0.2.2", "x@example.org"]
        self.assertEqual(names.missing(absent, leaf), absent)

    def test_none(self):
        """A certificate without the extension holds for nothing; what is none cannot be read."""
        self.assertEqual(names.names_of(openssl(*SELF_SIGNED)), frozenset())
        with self.assertRaises(der.DerError):
            names.names_of(b"\x30\x03abc")


class TestCertificate(HostCase):
    """Dates, readability, chain."""

    def check(self, leaf, now, *chain):
        """Run the check of a certificate."""
        declaration = declared.from_args({"name": "web", "certificate_path": "/a", "key_path": "/b", "names": ["a.example.org"]})
        checks.check_certificate(declaration, leaf, chain, now, os.fsencode(self.host.root))

    def test_dates(self):
        """By this host's clock, with five minutes of tolerance at the beginning and none at the end."""
        leaf, now = certificate("DNS:a.example.org", days="1"), self.host.context().now()
        self.check(leaf, now)
        self.check(leaf, now - 240)
        for moment, text in ((now - 400, "it is not valid yet"), (now + 86400 + 60, "it has expired")):
            with self.subTest(text), self.assertRaisesRegex(checks.Refused, text):
                self.check(leaf, moment)

    def test_dates_of_the_chain(self):
        """An issuer that has expired is as bad."""
        leaf = self.host.sign(openssl("req", "-new", "-key", self.host.ca_key, "-subj", "/", "-outform", "DER"), ("a.example.org",), days="90")
        with self.assertRaisesRegex(checks.Refused, "certificate 1 of its chain has expired"):
            self.check(leaf, self.host.context().now() + 60 * 86400, self.host.ca_der)

    def test_what_cannot_be_read(self):
        """Bytes that are no certificate are refused with a sentence."""
        with self.assertRaisesRegex(checks.Refused, "what was issued is no certificate that this host can read"):
            self.check(b"\x30\x00", 0)

    def test_users(self):
        """A user that does not exist cannot read; without root the others are told as not tried."""
        path = os.fsencode(self.host.path("a"))
        with open(path, "w"):
            os.chmod(path, 0o644)
        declaration = declared.from_args({"name": "web", "certificate_path": "/a", "key_path": "/b"})
        plan = Plan("in_place", ((declaration.roles[0], path),), (), (), (), ())
        if os.geteuid() == 0:
            self.assertEqual(checks.check_readable(declaration, plan, ["root", "nobody"]), [])
            with self.assertRaisesRegex(checks.Refused, "could not be read by user 'no-such-user'"):
                checks.check_readable(declaration, plan, ["no-such-user"])
        else:
            self.assertEqual(checks.check_readable(declaration, plan, ["root"]), ["root"])


class TestNamespace(unittest.TestCase):
    """Mounts of one's own."""

    def setUp(self):
        root = tempfile.mkdtemp(prefix="certops-test-")
        self.addCleanup(shutil.rmtree, root)
        self.paths = [os.fsencode(os.path.join(root, name)) for name in ("staged", "real")]
        for path in self.paths:
            with open(path, "wb") as file:
                file.write(os.path.basename(path))

    def read(self):
        """Read the real path."""
        with open(self.paths[1]) as file:
            return file.read()

    def test_only_the_check_sees_it(self):
        """The check reads the staged content at the real path, everybody else the old one; where it is not allowed nothing is run."""
        seen = namespace.seen_at([(self.paths[0], self.paths[1])], self.read)
        self.assertEqual(self.read(), "real")
        if seen is None:
            self.skipTest("a mount namespace of one's own is not allowed here")
        self.assertEqual(seen, ["staged"])

    def test_a_path_that_is_not_there_cannot_be_shown(self):
        """A new file has nothing to be shown at, so its validation has to wait."""
        self.assertIsNone(namespace.seen_at([(self.paths[0], self.paths[1] + b"2")], self.read))


if __name__ == "__main__":
    unittest.main()
