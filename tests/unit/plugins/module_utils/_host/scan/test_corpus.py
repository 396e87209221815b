# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scan of the noisy host of corpus.py: no false alarm, no lost one, and nothing that is not accounted for."""

import collections
import contextlib
import errno
import math
import os
import random
import shutil
import stat
import tempfile
import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host.scan import mounts, paths_table, reading, scan, walk
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


class Told(Tree):
    """What nobody looks into is said."""

    def skipped(self, answer):
        """What was passed over."""
        return [(row["path"], row["reason"], row["count"]) for row in answer["skipped"]]

    def test_second_step(self):
        """A link out of the paths is followed, one that is met there is not: to a file or to a folder, told as long as nobody looks at it otherwise."""
        self.link("in/out", "../out")
        self.link("out/file.pem", self.write("far/a.pem", made.certificate("self")))
        self.link("out/near.pem", self.write("in/near.pem", made.certificate("self")))
        self.link("out/folder", os.path.dirname(self.write("farther/a.pem", made.certificate("self"))))
        answer = self.scan(paths=[self.path("in")])
        self.assertEqual(sorted(row["path"] for row in answer["places"]), [self.path("in/near.pem")])
        told = [row for row in self.skipped(answer) if row[1] == "link that leads out of the paths a second time"]
        self.assertEqual(sorted(told), [(self.path("out/file.pem"), told[0][1], 1), (self.path("out/folder"), told[0][1], 1)])

    def test_refused_link(self):
        """A link to what the system does not show is a problem; one to nothing, or round in a circle, is nothing."""
        link = self.link("etc/a.pem", self.write("far/a.pem", made.certificate("self")))
        self.link("etc/loop", "loop")
        self.link("etc/nothing", "nowhere")
        real = os.lstat

        def refusing(path, *rest, **given):
            if os.fsencode(path) == os.fsencode(self.path("far/a.pem")):
                raise PermissionError(errno.EACCES, "Permission denied")
            return real(path, *rest, **given)

        with mock.patch.object(os, "lstat", refusing):
            answer = self.scan(paths=[self.path("etc")])
        self.assertEqual((answer["problems"], answer["skipped"]), ([{"path": link, "reason": "Permission denied"}], []))
        self.assertFalse(answer["complete"])

    def test_kernel(self):
        """Links into file systems of the kernel lead to no files, links into others that are left alone are told."""
        for name in ("proc", "net"):
            self.write(name + "/a", b"x")
            self.link("etc/" + name, "../" + name + "/a")
        mounted = {os.fsencode(self.path("proc")): "file system of the kernel (proc)", os.fsencode(self.path("net")): "network file system (nfs4)"}
        answer = self.scan(paths=[self.path("etc")], mounted=mounts.Mounts(mounted, {}))
        self.assertEqual(self.skipped(answer), [(self.path("etc/net"), "network file system (nfs4)", 1)])

    def test_home(self):
        """Homes that are there and not looked into are told; nothing is where there are none, where they are given or asked for."""
        self.write("home/dev/a.pem", made.certificate("self"))
        for home, given, expected in (("home", {}, 1), ("nohome", {}, 0), ("home", {"home": True}, 0), ("home", {"paths": [self.path("etc")]}, 0)):
            with mock.patch.multiple(paths_table, HOME=os.fsencode(self.path(home)), DEFAULT_PATHS=(b"/no/default",)):
                answer = self.scan(**dict({"paths": None}, **given))
            self.assertEqual(self.skipped(answer), [(self.path("home"), "home folders, looked into on request", 1)] * expected)

    def test_twice(self):
        """A folder that is met under two paths, as a bind mount makes them, is looked at once, and the other path is told."""
        ledger, found = walk.Ledger(), []
        self.write("a/a.pem", made.certificate("self"))
        rules = walk.Rules(mounts.Mounts({}, {}), [], [], home=False)
        walker = walk.Walker(rules, reading.Reader(1 << 20), ledger, lambda path, _seen: found.append(path), math.inf)
        os.symlink("a", self.path("b"))
        walker.walk(os.fsencode(self.path("a")))
        with mock.patch.object(reading, "open_folder", lambda path: os.open(path, os.O_RDONLY)):  # a mount is no link
            walker.walk(os.fsencode(self.path("b")))
        self.assertEqual(found, [os.fsencode(self.path("a/a.pem"))])
        self.assertEqual(ledger.skipped(), [{"path": self.path("b"), "reason": walk.TWICE, "count": 1}])

    def test_too_many_are_named(self):
        """What units and processes name beyond a number is counted."""
        with mock.patch.object(scan, "_MOST_NAMED", 2):
            answer = self.scan(others=[b"/nowhere/%d" % number for number in range(5)])
        self.assertEqual(self.skipped(answer), [("/", "paths that units and processes name, beyond the most that are looked at", 3)])


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
