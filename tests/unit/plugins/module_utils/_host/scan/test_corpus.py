# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scan of the noisy host of corpus.py: no false alarm, no lost one, and nothing that is not accounted for."""

import collections
import contextlib
import os
import random
import shutil
import stat
import tempfile
import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host.scan import reading
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host import made
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.scan import corpus
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.scan.test_scan import Tree

TOPS = ("etc", "opt", "srv", "usr/local", "var/lib", "root")
ALARMED = ("in_use", "installed")


def regular_files(root, tops):
    """Every regular file below the tops."""
    found = set()
    for top in tops:
        for folder, _folders, names in os.walk(os.path.join(root, top)):
            paths = [os.path.join(folder, name) for name in names]
            found.update(path[len(root) :] for path in paths if stat.S_ISREG(os.lstat(path).st_mode))
    return found


@contextlib.contextmanager
def looked_at():
    """The files that a scan in the meantime looks at, by device and inode."""
    found, real = set(), reading.Reader.look

    def look(self, name, folder):
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        seen = real(self, name, folder)
        found.add((status.st_dev, status.st_ino))
        return seen

    with mock.patch.object(reading.Reader, "look", look):
        yield found


def silent(root, files, looked, answer):
    """The files that were neither looked at nor left out by their own path or that of a folder above them."""
    told = {*answer["unseen"], *(row["path"] for row in answer["problems"])} - {row["path"] for row in answer["locked"]}
    found = set()
    for path in files:
        status = os.stat(root + path)
        above = {path[:end] for end, letter in enumerate(path) if letter == "/"}
        if (status.st_dev, status.st_ino) not in looked and not told & {path, *above}:
            found.add(path)
    return found


class Noise(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """The host, made once, and both scans of it."""
        cls.root = os.path.realpath(tempfile.mkdtemp())
        corpus.build(cls.root)
        cls.answers, cls.looked = {}, {}
        for home in (False, True):
            with looked_at() as cls.looked[home]:
                cls.answers[home] = corpus.scanned(cls.root, home=home)

    @classmethod
    def tearDownClass(cls):
        """Remove it."""
        shutil.rmtree(cls.root)

    def test_alarms(self):
        """Exactly what is wrong raises an alarm: every other certificate that has ended is of another class."""
        for home, answer in self.answers.items():
            with self.subTest(home=home):
                found = {row["path"] for row in answer["places"] if row["class"] in ALARMED} - {"/" + path for path in corpus.VALID}
                self.assertEqual(sorted(found), corpus.alarms(home=home))

    def test_in_use(self):
        """What services name is in use."""
        found = sorted(row["path"] for row in self.answers[False]["places"] if row["class"] == "in_use")
        self.assertEqual(found, sorted("/" + path for _name, path in corpus.USED))

    def test_links_that_are_live(self):
        """Of a history only what its live link leads to is more than history."""
        found = {row["path"]: row["links"] for row in self.answers[False]["places"] if row["path"].startswith("/etc/letsencrypt")}
        expected = {
            "/etc/letsencrypt/archive/www/fullchain3.pem": ["/etc/letsencrypt/live/www/fullchain.pem"],
            "/etc/letsencrypt/keys/0000_key-certbot.pem": [],
        }
        self.assertEqual(found, expected)

    def test_stores_are_one_row_each(self):
        """No anchor of a trust store is a row of its own."""
        bundles = self.answers[False]["bundles"]
        self.assertEqual(collections.Counter(row["count"] for row in bundles if row["count"] != corpus.ANCHORS), {1: 1, 30: 1, 40: 1})
        self.assertEqual({place["class"] for row in bundles for place in row["places"]}, {"trust_store", "trust_copy", "container_layer"})
        self.assertFalse({row["certificate"] for row in self.answers[False]["places"]} & {each for row in bundles for each in row["certificates"]})

    def test_every_file(self):
        """Each file of the tree was looked at or is accounted for."""
        for home, tops in ((False, TOPS), (True, (*TOPS, "home"))):
            with self.subTest(home=home):
                self.assertEqual(silent(self.root, regular_files(self.root, tops), self.looked[home], self.answers[home]), set())
                self.assertEqual(self.answers[home]["summary"]["files"], len(self.looked[home]))

    def test_every_folder_that_is_left_out(self):
        """Each is named with its reason and counted."""
        skipped = {row["path"]: row["reason"] for row in self.answers[False]["skipped"]}
        for path in (
            "/etc/.git",
            "/var/lib/docker",
            "/var/lib/kubelet/pods",
            "/var/lib/snapd",
            "/usr/local/lib/node_modules",
            "/etc/letsencrypt/archive",
            "/home",
        ):
            with self.subTest(path=path):
                self.assertIn(path, skipped)
        locked = {row["path"] for row in self.answers[False]["locked"]}
        self.assertEqual(sum(row["count"] for row in self.answers[False]["skipped"]), len(set(self.answers[False]["unseen"]) - locked))

    def test_rows(self):
        """What such a host costs the inventory, as docs/discovery.md says it."""
        answer = self.answers[False]
        self.assertLess(sum(len(answer[name]) for name in ("places", "keys", "locked", "crls", "requests", "bundles")), 150)


class Accounting(Tree):
    NAMES = ("a", "b.pem", "c.bak", ".git", "node_modules", ".certops-1", "tests", "site-packages", "x.cache")

    def grown(self, source, folder, depth):
        """Fill a folder with files, folders, links and what is neither."""
        for name in source.sample(self.NAMES, source.randrange(2, len(self.NAMES))):
            path = os.path.join(folder, name)
            kind = source.randrange(8)
            if kind < 3 and depth:
                os.mkdir(path)
                self.grown(source, path, depth - 1)
            elif kind == 3:
                os.symlink(source.choice((".", "..", "a", "b.pem", "nowhere", self.top, "../a/b.pem")), path)
            elif kind == 4:
                os.mkfifo(path)
            else:
                with open(path, "wb") as file:
                    file.write(source.choice((b"", b"x" * 10, b"x" * 5000, b"x" * 3000, made.certificate("leaf", issuer="root"))))

    def test_any_tree(self):
        """Whatever is in a tree: files looked at and files accounted for are all of its files, in a small limit of size and with patterns."""
        for seed in range(40):
            with self.subTest(seed=seed):
                top = self.path(str(seed))
                os.mkdir(top)
                self.grown(random.Random(seed), top, 4)
                with looked_at() as looked:
                    answer = self.scan(paths=[top], max_file_size=4000, exclude=["*.cache", "**/a/b.pem"])
                files = regular_files("", [top])
                self.assertEqual(silent("", files, looked, answer), set())
                self.assertEqual(answer["summary"]["files"], len(looked))
