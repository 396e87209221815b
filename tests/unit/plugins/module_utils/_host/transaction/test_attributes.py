# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owner, group, mode and access control list of new files."""

import os
import shutil
import subprocess
import tempfile
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host import accounts
from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import attributes, files


class TestAttributes(unittest.TestCase):
    """Taken over, declared, or made by the folder."""

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="certops-test-")
        self.addCleanup(shutil.rmtree, self.root)
        self.old, self.new = os.fsencode(os.path.join(self.root, "old")), os.fsencode(os.path.join(self.root, "new"))

    def made(self, mode, secret=False, owner=None, group=None, declared_mode=None):
        """Make the old file with a mode, a new one after it, and return the new one's status."""
        with open(self.old, "w"):
            os.chmod(self.old, mode)
        wanted = attributes.attributes_for(self.old, owner, group, declared_mode, secret)
        files.remove(self.new)
        files.create(self.new, b"content", lambda descriptor: attributes.give(descriptor, wanted))
        return os.stat(self.new)

    def test_modes(self):
        """The old file's mode is taken over, but a key is closed to others unless its mode is declared."""
        table = (
            (0o640, False, None, 0o640),
            (0o644, True, None, 0o640),
            (0o604, True, None, 0o600),
            (0o644, True, "0644", 0o644),
            (0o600, False, "0444", 0o444),
        )
        for mode, secret, declared_mode, expected in table:
            with self.subTest(mode=oct(mode), secret=secret, declared_mode=declared_mode):
                self.assertEqual(self.made(mode, secret, declared_mode=declared_mode).st_mode & 0o7777, expected)

    def test_new_files(self):
        """Where nothing was, a key is its owner's alone."""
        for secret, expected in ((True, 0o600), (False, 0o644)):
            self.assertEqual(attributes.attributes_for(self.old, None, None, None, secret).mode, expected)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to give files away")
    def test_owner_and_group(self):
        """Those of the old file, or the declared ones by name or number."""
        with open(self.old, "w"):
            os.chown(self.old, 12, 34)
        status = self.made(0o600)
        self.assertEqual((status.st_uid, status.st_gid), (12, 34))
        status = self.made(0o600, owner="daemon", group="7")
        self.assertEqual((accounts.user_name(status.st_uid), status.st_gid), ("daemon", 7))
        self.assertTrue(attributes.declared_differ(self.new, "root", None, None))
        self.assertFalse(attributes.declared_differ(self.new, "daemon", "7", "0600"))

    def test_access_control_lists(self):
        """The list of the old file is taken over, and one inherited from the folder is not left where the old file had none."""
        if shutil.which("setfacl") is None:
            self.skipTest("setfacl is not installed")
        with open(self.old, "w"):
            pass
        if subprocess.call(["setfacl", "-m", "u:1234:r", self.old], stderr=subprocess.DEVNULL):
            self.skipTest("this filesystem has no access control lists")
        self.made(0o640)
        self.assertIn(b"user:1234:r--", subprocess.check_output(["getfacl", "-nc", self.new]))
        subprocess.check_call(["setfacl", "-b", self.old])
        subprocess.check_call(["setfacl", "-d", "-m", "u:4321:r", self.root])
        self.made(0o600)
        self.assertNotIn(b"4321", subprocess.check_output(["getfacl", "-nc", self.new]))

    def test_names_that_nobody_has(self):
        """A user or group that this host does not have is named."""
        for owner, group, text in (
            ("no-such-user", None, "owner 'no-such-user' is not a user"),
            (None, "no-such-group", "group 'no-such-group' is not a group"),
        ):
            with self.subTest(text), self.assertRaisesRegex(HostError, text):
                attributes.attributes_for(self.old, owner, group, None, False)
        self.assertEqual((accounts.user_name(4000000), accounts.group_name(4000000)), ("4000000", "4000000"))


if __name__ == "__main__":
    unittest.main()
