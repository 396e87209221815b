# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is known by."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host import evidence


class Evidence(unittest.TestCase):
    def setUp(self):
        self.folder = os.fsencode(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def test_shape(self):
        """Every key is there, the values go into JSON, and the clock is the one that was given."""
        found = evidence.host_evidence(12.5)
        expected = "now uid user hostname machine_id product_uuid ssh_host_keys addresses python openssl"
        self.assertEqual(sorted(found), sorted(expected.split()))
        self.assertEqual((found["now"], found["uid"]), (12.5, os.geteuid()))
        self.assertEqual(json.loads(json.dumps(found)), found)

    def test_machine_id(self):
        """The first file that holds a machine id counts; a machine without one has none."""
        cases = ((b"3D1219C7c4c5404aaa1f6d2a48adfda4\n", "3d1219c7c4c5404aaa1f6d2a48adfda4"), (b"uninitialized\n", None), (b"", None), (b"\xff\0" * 16, None))
        for data, expected in cases:
            paths = (os.path.join(self.folder, b"missing"), self.write(b"machine-id", data))
            with self.subTest(data=data), mock.patch.object(evidence, "_MACHINE_ID", paths):
                self.assertEqual(evidence.host_evidence(0)["machine_id"], expected)

    def test_fifo_does_not_stop_it(self):
        """A FIFO in the place of a file is not waited for."""
        path = os.path.join(self.folder, b"fifo")
        os.mkfifo(path)
        with mock.patch.object(evidence, "_MACHINE_ID", (path, self.folder)):
            self.assertIsNone(evidence.host_evidence(0)["machine_id"])

    def test_ssh_host_keys(self):
        """Each public host key is told by the SHA-256 of its blob; other files and damaged ones are not."""
        blob = b"\0\0\0\x0bssh-ed25519" + b"k" * 36
        self.write(b"ssh_host_ed25519_key.pub", b"ssh-ed25519 " + base64.b64encode(blob) + b" root@host\n")
        self.write(b"ssh_host_rsa_key.pub", b"ssh-rsa")
        self.write(b"ssh_host_dsa_key.pub", b"ssh-dss a")
        self.write(b"ssh_host_ed25519_key", b"secret")
        self.assertEqual(evidence.ssh_host_keys(self.folder), [hashlib.sha256(blob).hexdigest()])
        self.assertEqual(evidence.ssh_host_keys(os.path.join(self.folder, b"missing")), [])

    def test_addresses_are_those_of_ip(self):
        """The addresses are those that `ip` shows with global scope."""
        if shutil.which("ip") is None:
            self.skipTest("this machine has no command ip")
        lines = subprocess.check_output(["ip", "-o", "address", "show", "scope", "global"]).decode().splitlines()
        self.assertEqual(evidence.addresses(), sorted({line.split()[3].partition("/")[0] for line in lines}))

    def test_no_netlink(self):
        """Where the kernel gives no addresses there are none, and no error."""
        with mock.patch("socket.socket", side_effect=OSError):
            self.assertEqual(evidence.addresses(), [])

    def test_user_without_entry(self):
        """A uid that no account has is told by its number."""
        with mock.patch("pwd.getpwuid", side_effect=KeyError), mock.patch("os.geteuid", return_value=4711):
            self.assertEqual(evidence.host_evidence(0)["user"], "4711")


if __name__ == "__main__":
    unittest.main()
