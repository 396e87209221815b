# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts that are left alone, and links followed around them."""

import os
import shutil
import stat
import tempfile
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.scan import mounts

TABLE = rb"""21 1 8:1 / / rw - overlay overlay rw
22 21 0:5 / /proc rw - proc proc rw
23 21 0:6 / /srv/nfs rw shared:5 master:1 - nfs4 server:/x rw
24 21 0:7 / /net rw - autofs systemd-1 rw
25 21 0:8 / /srv/a\040b\134c rw - cifs //server/x rw
26 21 0:9 / /mnt/s rw - fuse.sshfs host: rw
27 21 0:10 / /opt/layer rw - overlay overlay rw
28 21 8:2 / /srv/data rw - ext4 /dev/sda2 rw
29 21 0:11 / /srv/over rw - nfs server:/y rw
30 21 8:3 / /srv/over rw - xfs /dev/sda3 rw
a line that is none
"""


class Table(unittest.TestCase):
    def test_kinds(self):
        """Network, automounted, fuse and kernel file systems are not touched, overlays not walked, the root always is; the last mount counts."""
        found = mounts.parse_mounts(TABLE)
        self.assertEqual(sorted(found.untouched), [b"/mnt/s", b"/net", b"/proc", b"/srv/a b\\c", b"/srv/nfs"])
        self.assertEqual(found.untouched[b"/srv/nfs"], "network file system (nfs4)")
        self.assertEqual(found.untouched[b"/mnt/s"], "fuse file system (fuse.sshfs)")
        self.assertEqual(found.out, {b"/opt/layer": "overlay file system"})

    def test_given(self):
        """The mount that a given path lies on is allowed, others are not."""
        found = mounts.allow(mounts.parse_mounts(TABLE), b"/srv/nfs/certs")
        self.assertNotIn(b"/srv/nfs", found.untouched)
        self.assertIn(b"/net", found.untouched)
        self.assertIn(b"/srv/nfs", mounts.allow(mounts.parse_mounts(TABLE), b"/srv/nfs2").untouched)

    def test_here(self):
        """This machine's own mounts are read, and /proc is one of those left alone."""
        self.assertIn(b"/proc", mounts.read_mounts().untouched)


class Resolve(unittest.TestCase):
    def setUp(self):
        """A folder with links."""
        self.top = os.path.realpath(os.fsencode(tempfile.mkdtemp()))
        self.addCleanup(shutil.rmtree, self.top)
        os.makedirs(self.path(b"a/b"))
        os.makedirs(self.path(b"remote"))
        with open(self.path(b"a/b/file"), "wb"):
            pass
        for link, target in (
            (b"relative", b"a/../a/b/file"),
            (b"absolute", self.path(b"a/b/file")),
            (b"folder", b"a"),
            (b"loop", b"loop2"),
            (b"loop2", b"loop"),
            (b"dangling", b"nothing"),
            (b"away", b"remote/file"),
            (b"a/b/up", b"../../relative"),
        ):
            os.symlink(target, self.path(link))

    def path(self, name):
        """A path in the folder."""
        return os.path.join(self.top, name)

    def test_as_the_system_does(self):
        """Every path leads to where realpath says."""
        resolver = mounts.Resolver(mounts.Mounts({}, {}))
        for name in (b"relative", b"absolute", b"folder", b"folder/b/file", b"a/b/up", b"folder/b/../b/./file", b"a//b/", b"away/..", b""):
            with self.subTest(name=name):
                target = resolver.resolve(self.path(name))
                if target.status is not None:
                    self.assertEqual(target.path, os.path.realpath(self.path(name)))
        self.assertTrue(stat.S_ISREG(resolver.resolve(self.path(b"folder/b/up")).status.st_mode))

    def test_nowhere(self):
        """A loop, a dangling link and a file used as a folder lead nowhere, with a reason."""
        resolver = mounts.Resolver(mounts.Mounts({}, {}))
        for name, reason in ((b"loop", "too many links"), (b"dangling", "No such file"), (b"relative/x", "Not a directory")):
            with self.subTest(name=name):
                target = resolver.resolve(self.path(name))
                self.assertIsNone(target.status)
                self.assertIn(reason, target.reason)

    def test_untouched(self):
        """No step is made into a mount that is left alone, not even by way of a link."""
        resolver = mounts.Resolver(mounts.Mounts({self.path(b"remote"): "network file system (nfs)"}, {}))
        for name in (b"away", b"remote", b"remote/file", b"a/../remote"):
            with self.subTest(name=name):
                target = resolver.resolve(self.path(name))
                self.assertEqual((target.path, target.status, target.reason), (self.path(b"remote"), None, "network file system (nfs)"))
