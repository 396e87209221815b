# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of OpenSSH, made by ssh-keygen."""

import random
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.stores import ssh
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.stores import stored


class Ssh(unittest.TestCase):
    def test_kinds(self):
        """Those of hosts are told from those of users, whatever the key."""
        for name, expected in (("ed25519-host", True), ("rsa-host", True), ("ecdsa-host", True), ("user", False)):
            with self.subTest(name=name):
                self.assertIs(ssh.is_host_certificate(stored.content(f"ssh-{name}-cert.pub")), expected)

    def test_no_certificate(self):
        """What is cut off, damaged or none is none."""
        whole = stored.content("ssh-rsa-host-cert.pub")
        for text in (b"", b"ssh-rsa", b"ssh-rsa-cert-v01@openssh.com !", b"ssh-rsa-cert-v01@openssh.com AAAA", whole[:300], b"x AAAAAXg="):
            self.assertIs(ssh.is_host_certificate(text), False)
        chance = random.Random(7)
        for _round in range(300):
            data = bytearray(whole)
            data[chance.randrange(len(data))] = chance.randrange(256)
            self.assertIsInstance(ssh.is_host_certificate(bytes(data)), bool)
