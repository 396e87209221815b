# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lock for a host, and a state folder that nobody else can read."""

import os
import shutil
import tempfile
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.lock import host_lock, make_state, no_change


class TestLock(unittest.TestCase):
    """Exclusion."""

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="certops-test-")
        self.addCleanup(shutil.rmtree, self.root)
        self.state = os.path.join(os.fsencode(self.root), b"state")

    def test_one_at_a_time(self):
        """A second transaction waits, and says so when it waited too long; so does a look."""
        with host_lock(self.state):
            for other in (host_lock, no_change):
                with self.subTest(other.__name__), self.assertRaisesRegex(HostError, "another transaction has been at work"), other(self.state, 0.2):
                    pass
        with host_lock(self.state, 0.2):
            pass

    def test_looks_do_not_exclude_each_other(self):
        """Two looks may happen at the same time."""
        with host_lock(self.state):
            pass
        with no_change(self.state, 0.2), no_change(self.state, 0.2):
            pass

    def test_a_look_makes_nothing(self):
        """A host that never had a transaction has no state folder after a look."""
        with no_change(self.state):
            self.assertFalse(os.path.exists(self.state))

    def test_a_state_folder_that_others_can_read_is_refused(self):
        """Keys lie in it."""
        os.mkdir(self.state, 0o755)
        os.chmod(self.state, 0o755)
        with self.assertRaisesRegex(HostError, "closed to others"):
            make_state(self.state)

    def test_a_state_folder_that_cannot_be_made(self):
        """A user without a home of its own is told what to do."""
        with open(os.path.join(self.root, "file"), "wb"):
            pass
        with self.assertRaisesRegex(HostError, "state folder '.*/file/state' cannot be made: Not a directory; set become, or CERTOPS_STATE in the environment"):
            make_state(os.path.join(os.fsencode(self.root), b"file", b"state"))

    def test_a_state_folder_that_cannot_be_written(self):
        """As on a file system that became read-only."""
        make_state(self.state)
        os.mkdir(os.path.join(self.state, b"lock"))
        with self.assertRaisesRegex(HostError, "state folder '.*/state' cannot be written: Is a directory"), host_lock(self.state):
            pass


if __name__ == "__main__":
    unittest.main()
