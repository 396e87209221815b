# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host fills into a declaration."""

import os
import tempfile
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.resolve import resolve
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host import made

DECLARED = {"key_path": None, "chain_path": None, "format": "separate"}


class TestResolve(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name, content=None):
        path = os.path.join(self.folder, name)
        if content is not None:
            with open(path, "w") as handle:
                handle.write(content)
        return path

    def resolved(self, certificate, services=(), **given):
        return resolve(dict(DECLARED, certificate_path=certificate, **given), services)

    def test_given_key_stays(self):
        """A declared key path is never replaced by what a service says."""
        services = [{"uses": [{"certificate": self.path("a.pem"), "key": "/other.key", "chain": None}]}]
        self.assertEqual(self.resolved(self.path("a.pem"), services, key_path="/mine.key")["key_path"], "/mine.key")

    def test_service_names_key_and_chain(self):
        """The key and the chain file are those of the service that names the certificate."""
        services = [{"uses": [{"certificate": self.path("a.pem"), "key": "/keys/a.key", "chain": "/chain.pem"}]}]
        found = self.resolved(self.path("a.pem"), services)
        self.assertEqual((found["key_path"], found["chain_path"], found["format"]), ("/keys/a.key", "/chain.pem", "separate"))

    def test_chain_of_others(self):
        """A chain file that others name, too, or that leads from another certificate, is not this certificate's to write."""
        leaf, anchors = (
            self.path("a.pem", made.certificate("leaf", issuer="ca").decode()),
            self.path("anchors.pem", made.certificate("other", ca=True).decode()),
        )
        chain = self.path("chain.pem", made.certificate("ca", ca=True).decode())
        own = {"certificate": leaf, "key": "/keys/a.key", "chain": chain}
        table = (
            ([own], chain),
            ([own, dict(own, certificate="/b.pem")], None),
            ([own, {"certificate": None, "key": None, "chain": chain}], None),
            ([dict(own, chain=anchors)], None),
            ([dict(own, chain=self.path("gone.pem"))], self.path("gone.pem")),
        )
        for uses, expected in table:
            with self.subTest(uses=uses):
                self.assertEqual(self.resolved(leaf, [{"uses": uses}])["chain_path"], expected)
                self.assertEqual(self.resolved(leaf, [{"uses": uses}], chain_path="/mine.pem")["chain_path"], "/mine.pem")

    def test_service_with_one_file(self):
        """A service that names no key reads it from the certificate's file."""
        services = [{"uses": [{"certificate": self.path("a.pem"), "key": None, "chain": None}]}]
        found = self.resolved(self.path("a.pem"), services)
        self.assertEqual((found["key_path"], found["format"]), (self.path("a.pem"), "combined"))

    def test_name_through_a_link(self):
        """A service that names the certificate by a link is found."""
        os.symlink(self.path("a.pem", ""), self.path("link.pem"))
        services = [{"uses": [{"certificate": self.path("link.pem"), "key": "/keys/a.key", "chain": None}]}]
        self.assertEqual(self.resolved(self.path("a.pem"), services)["key_path"], "/keys/a.key")

    def test_no_service_key_in_the_file(self):
        """Without a service the file itself tells whether it is combined."""
        path = self.path("a.pem", "-----BEGIN PRIVATE KEY-----\n")
        self.assertEqual(self.resolved(path)["format"], "combined")

    def test_no_service_no_key(self):
        """Without any hint the key lies beside the certificate."""
        found = self.resolved(self.path("a.pem"))
        self.assertEqual((found["key_path"], found["format"]), (self.path("a.key"), "separate"))
