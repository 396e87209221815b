# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a transaction."""

import os
import shutil
import tempfile
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import journal

ONE, TWO = "0" * 32, "1" * 32


class TestJournal(unittest.TestCase):
    """Writing, reading, removing."""

    def setUp(self):
        root = tempfile.mkdtemp(prefix="certops-test-")
        self.addCleanup(shutil.rmtree, root)
        self.state = os.fsencode(root)

    def test_what_is_written_is_read(self):
        """A change is on the disk when `write` returns, readable by its owner only."""
        record = journal.begin(self.state, ONE, 5.0, state="requested", name="web")
        record.write(state="staged", results=record.with_result("request", {"csr": "x"}))
        read = journal.load(self.state, ONE)
        self.assertEqual((read.state, read.result("request"), read.result("install"), read.transaction), ("staged", {"csr": "x"}, None, ONE))
        self.assertEqual(os.stat(read.folder).st_mode & 0o777, 0o700)
        self.assertEqual(os.stat(read.path(b"journal.json")).st_mode & 0o777, 0o600)

    def test_all_by_age(self):
        """The oldest comes first; a damaged one is passed over, a folder without a record is none."""
        journal.begin(self.state, TWO, 1.0, state="requested")
        journal.begin(self.state, ONE, 2.0, state="requested")
        damaged = journal.begin(self.state, "2" * 32, 3.0, state="requested")
        with open(damaged.path(b"journal.json"), "w") as file:
            file.write("{")
        os.mkdir(os.path.join(self.state, b"transactions", b"3" * 32))
        self.assertEqual([record.transaction for record in journal.load_all(self.state)], [TWO, ONE])
        with self.assertRaisesRegex(HostError, "is damaged"):
            journal.load(self.state, "2" * 32)
        self.assertIsNone(journal.load(self.state, "3" * 32))

    def test_remove(self):
        """Nothing of a removed transaction is left."""
        record = journal.begin(self.state, ONE, 5.0, state="requested")
        os.mkdir(record.path(journal.OLD))
        for name in (journal.KEY, os.path.join(journal.OLD, b"key")):
            open(record.path(name), "w").close()
        journal.remove(record)
        self.assertFalse(os.path.exists(record.folder))

    def test_names_that_are_refused(self):
        """A transaction's name becomes the name of a folder."""
        for name in (None, "", "../" + "0" * 29, "A" * 32, "0" * 31, "0" * 32 + "\n", 7):
            with self.subTest(name=name), self.assertRaisesRegex(HostError, "must be 32 lower-case hexadecimal digits"):
                journal.check_transaction(name)


if __name__ == "__main__":
    unittest.main()
