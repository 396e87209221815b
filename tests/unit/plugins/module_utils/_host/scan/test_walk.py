# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The walk: what it keeps out of, what it counts, and where it stops."""

import math
import os
import shutil
import tempfile
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.scan import mounts, reading, walk

MOUNTED = mounts.Mounts({b"/srv/nfs": "network file system (nfs)"}, {b"/opt/layer": "overlay file system"})


class LedgerRows(unittest.TestCase):
    def test_skipped(self):
        """Files that were left out for one reason below one top folder are one row with the folder common to them, folders a row each."""
        ledger = walk.Ledger()
        ledger.skip(b"/srv/a/x", "too large", b"/srv")
        ledger.skip(b"/srv/a/y/z", "too large", b"/srv")
        ledger.skip(b"/etc/q", "too large", b"/etc")
        ledger.skip(b"/srv/.git", "version control", b"/srv", folder=True)
        ledger.skip(b"/srv/b/.git", "version control", b"/srv", folder=True)
        expected = [("/etc/q", "too large", 1), ("/srv/.git", "version control", 1), ("/srv/a", "too large", 2), ("/srv/b/.git", "version control", 1)]
        self.assertEqual([(row["path"], row["reason"], row["count"]) for row in ledger.skipped()], expected)
        self.assertEqual(ledger.unseen(), ["/etc/q", "/srv/.git", "/srv/a/x", "/srv/a/y/z", "/srv/b/.git"])

    def test_many_skipped(self):
        """Many folders with one reason below one top folder are one row, counted, with the folder common to them."""
        ledger = walk.Ledger()
        for number in range(20):
            ledger.skip(b"/srv/a/%d" % number, "excluded", b"/srv", folder=True)
            ledger.skip(b"/srv/a/.git", "version control", b"/srv", folder=True)
        ledger.skip(b"/srv/b", "excluded", b"/srv", count=3, folder=True)
        expected = [("/srv", "excluded", 23), ("/srv/a/.git", "version control", 20)]
        self.assertEqual([(row["path"], row["reason"], row["count"]) for row in ledger.skipped()], expected)

    def test_too_much_was_left_out(self):
        """Then the root stands for all of it."""
        ledger = walk.Ledger()
        for index in range(10001):
            ledger.skip(b"/srv/%d" % index, "too large", b"/srv")
        self.assertEqual(ledger.unseen(), ["/"])

    def test_problems(self):
        """Problems are told once each, paths as text, and a flood of them is counted."""
        ledger = walk.Ledger()
        for _round in range(2):
            ledger.problem(b"/srv/\xff", "Permission denied")
        self.assertEqual(ledger.problems(), [{"path": "/srv/\\xff", "reason": "Permission denied"}])
        for number in range(1500):
            ledger.problem(b"/srv/%d" % number, "Permission denied")
        self.assertEqual(len(ledger.problems()), 1001)
        self.assertEqual(ledger.problems()[-1]["reason"], "501 more problems")


class RulesTable(unittest.TestCase):
    def test_reasons(self):
        """Every kind of folder that is left out has its reason; others have none."""
        rules = walk.Rules(MOUNTED, [b"/srv/mine", b"*.cache"], [b"/root/.local/state/certops"], home=False)
        table = (
            (b"/var/lib/docker", "container store"),
            (b"/var/lib/rancher/k3s/agent/containerd", "container store"),
            (b"/var/lib/mysql/shop", "database store"),
            (b"/var/lib/postgresql/15/main/base", "database store"),
            (b"/var/lib/dpkg", "package store"),
            (b"/srv/app/.git", "version control (.git)"),
            (b"/srv/app/node_modules", "packages of a language (node_modules)"),
            (b"/opt/x/lib/python3/site-packages", "packages of a language (site-packages)"),
            (b"/etc/letsencrypt/archive", "certbot's history"),
            (b"/etc/nginx/.certops-generation", "kept by certops itself"),
            (b"/root/.local/state/certops", "kept by certops itself"),
            (b"/srv/nfs", "network file system (nfs)"),
            (b"/opt/layer", "overlay file system"),
            (b"/home", "home folders, looked into on request"),
            (b"/srv/mine", "excluded"),
            (b"/srv/a/b.cache", "excluded"),
            (b"/var/lib/mysql", None),
            (b"/var/lib/postgresql/15/main", None),
            (b"/etc/letsencrypt/live", None),
            (b"/srv/home", None),
            (b"/srv/mine2", None),
        )
        for path, reason in table:
            with self.subTest(path=path):
                self.assertEqual(rules.out(path, os.path.basename(path)), reason)
        self.assertIsNone(walk.Rules(MOUNTED, [], [], home=True).out(b"/home", b"home"))


class Walking(unittest.TestCase):
    def setUp(self):
        """A tree of folders with a file of PEM in each."""
        self.top = os.path.realpath(os.fsencode(tempfile.mkdtemp()))
        self.addCleanup(shutil.rmtree, self.top)
        for name in (b"", b"a", b"a/deep", b"b", b"b/node_modules", b"c\xff"):
            os.makedirs(os.path.join(self.top, name), exist_ok=True)
            with open(os.path.join(self.top, name, b"file"), "wb") as file:
                file.write(b"-----BEGIN CERTIFICATE-----\n" * 3)
        self.found = []
        self.ledger = walk.Ledger()

    def walker(self, deadline=math.inf, **options):
        """A walker over this tree."""
        rules = walk.Rules(mounts.Mounts({}, {}), options.get("exclude", []), [], home=False)
        return walk.Walker(rules, reading.Reader(1 << 20), self.ledger, lambda path, _seen: self.found.append(path), deadline)

    def names(self):
        """The folders of the files that were found."""
        return sorted(os.path.dirname(path)[len(self.top) + 1 :] for path in self.found)

    def test_every_file_once(self):
        """Every file is shown once, also when a folder is walked again; names need not be UTF-8."""
        walker = self.walker()
        walker.walk(self.top)
        walker.walk(os.path.join(self.top, b"a"))
        self.assertEqual(self.names(), [b"", b"a", b"a/deep", b"b", b"c\xff"])
        self.assertEqual([row["reason"] for row in self.ledger.skipped()], ["packages of a language (node_modules)"])

    def test_excluded_files(self):
        """The user's patterns leave out files as well as folders."""
        self.walker(exclude=[self.top + b"/a", b"c*/file", b"b"]).walk(self.top)
        self.assertEqual(self.names(), [b""])
        self.found.clear()
        self.walker(exclude=[b"file"]).walk(self.top)
        self.assertEqual(self.names(), [])

    def test_out_of_time(self):
        """When the time is over, the folders of the first level that are not done are told."""
        walker = self.walker(deadline=0)
        with self.assertRaises(walk.OutOfTimeError):
            walker.walk(self.top)
        self.assertEqual(walker.unfinished(self.top), [self.top])
        walker = self.walker()
        walker._stack = [self.top + b"/a/deep", self.top + b"/a", self.top + b"/b"]
        self.assertEqual(walker.unfinished(self.top), [self.top + b"/a", self.top + b"/b"])

    def test_gone(self):
        """A folder that is gone, and one that has become a file or a link, are problems and no more."""
        os.symlink(self.top, os.path.join(self.top, b"link"))
        for name, reason in ((b"gone", "No such file or directory"), (b"file", "Not a directory"), (b"link", "Not a directory")):
            with self.subTest(name=name):
                self.walker().walk(os.path.join(self.top, name))
                self.assertIn(reason, [row["reason"] for row in self.ledger.problems()])
