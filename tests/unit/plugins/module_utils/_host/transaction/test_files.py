# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing files whole."""

import errno
import os
import shutil
import tempfile
import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import files


class TestFiles(unittest.TestCase):
    """Making, replacing, removing."""

    def setUp(self):
        root = tempfile.mkdtemp(prefix="certops-test-")
        self.addCleanup(shutil.rmtree, root)
        self.root = os.fsencode(root)
        self.path = os.path.join(self.root, b"a")

    def test_a_file_is_closed_before_it_holds_anything(self):
        """While the attributes are set the file is empty and its owner's alone, whatever the umask."""
        seen = []
        self.addCleanup(os.umask, os.umask(0))
        files.create(self.path, b"secret", lambda descriptor: seen.append((os.fstat(descriptor).st_size, os.fstat(descriptor).st_mode & 0o777)))
        self.assertEqual((seen, files.read(self.path)), ([(0, 0o600)], b"secret"))

    def test_a_full_disk_is_named(self):
        """What the system says of a descriptor is told of the file."""

        def full(_descriptor):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with mock.patch.object(files.os, "fsync", full), self.assertRaises(OSError) as caught:
            files.create(self.path, b"new")
        self.assertEqual((caught.exception.errno, caught.exception.filename), (errno.ENOSPC, self.path))

    def test_nothing_is_written_through(self):
        """Neither a file that is there nor a link is written to."""
        victim = os.path.join(self.root, b"victim")
        files.create(victim, b"theirs")
        os.symlink(victim, self.path)
        for path in (victim, self.path):
            with self.subTest(path=path), self.assertRaises(OSError):
                files.create(path, b"ours")
        self.assertEqual(files.read(victim), b"theirs")

    def test_replace_survives_what_a_kill_left(self):
        """A temporary file of an earlier try is no hindrance."""
        files.create(self.path + b".new", b"half")
        files.replace(self.path, b"whole")
        self.assertEqual((files.read(self.path), os.listdir(self.root)), (b"whole", [b"a"]))

    def test_what_is_not_read(self):
        """A FIFO does not block, a folder and a file that is too large say why."""
        os.mkfifo(self.path)
        for path in (self.path, self.root):
            with self.subTest(path=path), self.assertRaises(OSError):
                files.read(path)
        files.create(self.path + b"2", b"12345")
        with self.assertRaisesRegex(OSError, "larger than 4 bytes"):
            files.read(self.path + b"2", 4)

    def test_removing_twice(self):
        """What is not there is removed; a folder that is a link is not followed."""
        os.symlink(b"/etc", self.path)
        files.remove_folder(self.path)
        for _round in range(2):
            files.remove(self.path)
            files.remove_folder(self.path)
        self.assertTrue(os.path.exists("/etc/passwd"))

    def test_identity(self):
        """A link has an identity of its own, and what is not there has none."""
        files.create(self.path, b"")
        os.symlink(self.path, self.path + b"2")
        self.assertNotEqual(files.identity(self.path), files.identity(self.path + b"2"))
        self.assertIsNone(files.identity(self.path + b"3"))


if __name__ == "__main__":
    unittest.main()
