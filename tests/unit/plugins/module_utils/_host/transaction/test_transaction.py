# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The install transaction on a host in a temporary folder, with a real TLS service."""

import base64
import hashlib
import os
import unittest

from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.little_host import HostCase


class TestRotation(HostCase):
    """Request, sign, install."""

    def test_a_combined_file_is_replaced_and_served(self):
        """One rename puts certificate, chain and key in place, and the listener shows it."""
        self.host.write_pair("both.pem", "both.pem")
        self.host.start_server("both.pem", "both.pem")
        declared, services = self.host.declared("both.pem", "both.pem"), [self.host.entry("both.pem", "both.pem")]
        result = self.host.rotate(declared, services)
        self.assertEqual((result["outcome"], result["layout"], result["verified"]), ("committed", "combined", True), result)
        self.assertEqual(*self.host.public_keys("both.pem", "both.pem"))
        self.assertEqual(self.host.leftovers(), [])

    def test_a_pair_that_exists_is_replaced_in_place(self):
        """Plain files stay plain, with their attributes, and the second look finds everything in order."""
        self.host.write_pair()
        os.chmod(self.host.path("tls.key"), 0o640)
        self.host.start_server()
        declared, services = self.host.declared(), [self.host.entry()]
        result = self.host.rotate(declared, services)
        self.assertEqual((result["outcome"], result["layout"], result["verified"]), ("committed", "in_place", True), result)
        self.assertEqual(*self.host.public_keys())
        self.assertEqual(os.stat(self.host.path("tls.key")).st_mode & 0o7777, 0o640)
        found, recovered = self.host.inspect(declared, services, heal=True)
        self.assertEqual((found["pair"], found["contested"], found["staged"], recovered), (True, None, [], []))
        self.assertEqual(self.served(declared, services), {hashlib.sha256(base64.b64decode(found["certificate"])).hexdigest()})
        self.assertEqual(self.host.leftovers(), [])

    def test_new_files_become_links_to_a_generation(self):
        """Where nothing was, one link switches the whole pair, now and the next time."""
        declared = self.host.declared()
        first = self.host.rotate(declared, [])
        self.assertEqual((first["outcome"], first["layout"], first["verified"]), ("committed", "link", False), first)
        self.assertEqual(*self.host.public_keys())
        self.host.start_server()
        second = self.host.rotate(declared, [self.host.entry()])
        self.assertEqual((second["outcome"], second["layout"], second["verified"]), ("committed", "link", True), second)
        self.assertEqual(*self.host.public_keys())
        self.assertEqual(len(os.listdir(self.host.path(".certops-web"))), 2)

    def test_a_service_that_does_not_reload_gets_its_old_files_back(self):
        """A listener that still shows the old certificate undoes everything, and the new certificate waits for one more try."""
        self.host.write_pair()
        before = self.host.public_keys()
        self.host.start_server(hears="deaf")
        declared, services = self.host.declared(), [self.host.entry()]
        result = self.host.rotate(declared, services)
        self.assertEqual(result["outcome"], "undone", result)
        self.assertIn("still shows the old certificate", result["text"])
        self.assertEqual(self.host.public_keys(), before)
        self.assertEqual(self.host.leftovers(), [])
        staged = self.host.inspect(declared, services)[0]["staged"]
        self.assertEqual([(one["state"], one["attempts"]) for one in staged], [("undone", 1)])
        self.assertIsNotNone(staged[0]["certificate"])


if __name__ == "__main__":
    unittest.main()
