# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one scan leaves for the next: nothing is read twice, nothing that has changed is missed, and nothing is believed that was not written so."""

import itertools
import os
import shutil
import stat
import tempfile
import time
import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host import verb_scan
from ansible_collections.certops.fleet.plugins.module_utils._host.base import Context
from ansible_collections.certops.fleet.plugins.module_utils._host.scan import cache, walk
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host import made
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.stores import stored

DAY = 86400
COUNTS = ("bytes", "seconds", "unchanged")
TEXT = b"nothing of interest, and long enough to be looked at all the same\n"


@unittest.skipUnless(os.geteuid() == 0, "only root leaves something for the next scan")
class CacheCase(unittest.TestCase):
    def setUp(self):
        """A folder with certificates, a key, a text, and something that cannot be read."""
        self.top = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.top)
        self.later = 60.0  # since the files were written
        nothing = ((verb_scan.processes, "unit_paths", []), (verb_scan.processes, "process_paths", []))
        for module, name, value in (*nothing, (verb_scan.services, "services_here", ([], verb_scan.Running([], [])))):
            patch = mock.patch.object(module, name, return_value=value)
            patch.start()
            self.addCleanup(patch.stop)
        os.mkdir(self.path("etc"))
        self.write("etc/site.pem", made.certificate("leaf", issuer="root") + made.certificate("root", ca=True))
        self.write("etc/site.key", made.key("ec", "leaf"))
        self.write("etc/notes.txt", TEXT)

    def path(self, name):
        return os.path.join(self.top, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content)

    @property
    def left(self):
        """The file that is left for the next scan."""
        return self.path("state/scan.cache")

    def scan(self, program="a" * 64, **given):
        args = {"paths": [self.path("etc")], "exclude": [], "max_file_size": 1 << 21, "max_seconds": 60, "services": [], "known_bundles": [], "home": False}
        args.update(dict({"store_passwords": [], "cache_days": 7, "full": False, "keep": True}, **given))
        context = Context(lambda: time.time() + self.later, None, "test", os.fsencode(self.path("state")), program)
        return verb_scan.run(args, context)

    def lasting(self, answer):
        """An answer without what differs from run to run."""
        return dict(answer, summary={name: value for name, value in answer["summary"].items() if name not in COUNTS})

    def unchanged(self, **given):
        return self.scan(**given)["summary"]["unchanged"]


class TestSecondScan(CacheCase):
    def test_nothing_is_read_again(self):
        """The second scan of a folder reads no byte, and says the same."""
        first = self.scan()
        second = self.scan(known_certificates="".join(digest[:16] for digest in first["certificates"]))
        self.assertEqual(first["summary"]["unchanged"], 0)
        self.assertEqual((second["summary"]["unchanged"], second["summary"]["bytes"], second["certificates"]), (3, 0, {}))
        self.assertEqual(self.lasting(first), self.lasting(dict(second, certificates=first["certificates"])))
        self.assertEqual(len(second["places"]), 2)
        self.assertEqual([row["spki"] for row in second["keys"]], [made.spki(made.key("ec", "leaf"))])

    def test_what_is_named_and_what_has_two_names(self):
        """A file that is met by its name first, and then in its folder, or in two folders, is not read again either."""
        os.mkdir(self.path("etc/more"))
        os.link(self.path("etc/site.pem"), self.path("etc/more/same.pem"))
        self.write("etc/more/other.pem", made.certificate("other", issuer="root"))
        os.link(self.path("etc/more/other.pem"), self.path("etc/other.pem"))
        named = [os.fsencode(self.path(name)) for name in ("etc/site.pem", "etc/site.key")]
        with mock.patch.object(verb_scan.processes, "process_paths", return_value=named):
            first = self.scan()
            known = "".join(digest[:16] for digest in first["certificates"])
            for _scan in range(2):
                again = self.scan(known_certificates=known)
                self.assertEqual((again["summary"]["bytes"], again["places"]), (0, first["places"]))

    def test_the_second_says_it_to_who_knows_nothing(self):
        """The bytes of certificates that are asked for again are read again, the same to the last one."""
        self.scan()
        answer = self.scan()
        self.assertIn(made.digest(made.certificate("leaf", issuer="root")), answer["certificates"])
        self.assertEqual(answer["certificates"], self.scan(full=True)["certificates"])

    def test_what_changed_is_read(self):
        """New content is found, also where size and time of change of the file say that nothing happened."""
        self.scan()
        status = os.stat(self.path("etc/notes.txt"))
        content = made.certificate("other")
        self.write("etc/notes.txt", content)
        self.assertIn(made.digest(content), [row["certificate"] for row in self.scan()["places"]])
        self.write("etc/notes.txt", TEXT)
        os.utime(self.path("etc/notes.txt"), ns=(status.st_atime_ns, status.st_mtime_ns))
        answer = self.scan()
        self.assertNotIn(made.digest(content), [row["certificate"] for row in answer["places"]])

    def test_what_is_gone(self):
        """A file that was removed is not in the answer."""
        self.scan()
        os.unlink(self.path("etc/site.pem"))
        self.assertEqual(self.scan()["places"], [])

    def test_another_place_for_the_same_file(self):
        """A file that was moved, or has a second name, is told where it is now, without being read."""
        self.scan()
        os.rename(self.path("etc/site.pem"), self.path("etc/moved.pem"))
        os.link(self.path("etc/moved.pem"), self.path("etc/second.pem"))
        self.later += 1
        answer = self.scan()
        self.assertEqual({row["path"] for row in answer["places"]}, {self.path("etc/moved.pem")})
        self.assertEqual(answer["places"][0]["links"], [self.path("etc/second.pem")])

    def test_a_folder_of_which_some_is_new(self):
        """Only the new file of a folder of thousands is read, wherever it stands in the order; one that was removed is gone, the others stay."""
        for number in range(2500):
            self.write(f"etc/{number}.txt", TEXT)
        self.scan()
        self.write("etc/new.pem", made.certificate("other"))
        os.unlink(self.path("etc/1.txt"))
        answer = self.scan()
        self.assertEqual((answer["summary"]["files"], answer["summary"]["unchanged"]), (2503, 2502))
        self.assertIn(self.path("etc/new.pem"), [row["path"] for row in answer["places"]])

    def test_a_moved_folder(self):
        """A folder is known by what it is, not by its name."""
        os.mkdir(self.path("etc/a"))
        self.write("etc/a/site.pem", made.certificate("other"))
        self.scan()
        os.rename(self.path("etc/a"), self.path("etc/b"))
        answer = self.scan()
        self.assertEqual(answer["summary"]["unchanged"], 4)
        self.assertIn(self.path("etc/b/site.pem"), [row["path"] for row in answer["places"]])

    def test_two_files_in_turn(self):
        """Two files that change their names are told by their new ones."""
        self.write("etc/other.pem", made.certificate("other"))
        self.scan()
        for source, target in (("site.pem", "x"), ("other.pem", "site.pem"), ("x", "other.pem")):
            os.rename(self.path("etc/" + source), self.path("etc/" + target))
        rows = self.scan()["places"]
        self.assertEqual([row["path"] for row in rows if row["certificate"] == made.digest(made.certificate("other"))], [self.path("etc/site.pem")])

    def test_small_and_large(self):
        """What is too small or too large is no hindrance to the others, and is told each time."""
        self.write("etc/empty", b"")
        self.write("etc/large", b"x" * 5000)
        first, second = self.scan(max_file_size=4096), self.scan(max_file_size=4096)
        self.assertEqual([row["count"] for row in second["skipped"]], [1])
        self.assertEqual((self.lasting(first), second["summary"]["unchanged"]), (self.lasting(second), 3))

    def test_an_inode_with_all_bits(self):
        """The numbers of a file need not fit into a signed number."""
        status = mock.Mock(st_dev=1, st_ino=2**64 - 1, st_size=3, st_mtime_ns=-4, st_ctime_ns=5)
        small = mock.Mock(st_dev=1, st_ino=2, st_size=3, st_mtime_ns=-4, st_ctime_ns=5)
        self.assertEqual(cache.keys_of([status, small]), cache.key_of(status) + cache.key_of(small))
        self.assertEqual(cache.keys_of([small]), cache.key_of(small))

    def test_a_file_of_just_now(self):
        """What was written within the last seconds is read again: it may be written once more in the same moment."""
        self.later = 0
        self.scan()
        self.assertEqual(self.unchanged(), 0)

    def test_a_file_with_a_problem(self):
        """What was told of a file is told again."""
        self.write("etc/broken.pem", b"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n" + made.certificate("self"))
        first, second = self.scan(), self.scan()
        self.assertEqual([row["path"] for row in first["problems"]], [self.path("etc/broken.pem")])
        self.assertEqual(self.lasting(first), self.lasting(second))

    def test_a_locked_store(self):
        """A store that nobody could open stays locked without a new try, until there are passwords."""
        self.write("etc/store.p12", stored.content(next(name for name in stored.names() if name.endswith(".p12"))))
        first, second = self.scan(), self.scan()
        self.assertEqual(([row["state"] for row in first["locked"]], second["summary"]["unchanged"]), (["locked"], 4))
        self.assertEqual(self.lasting(first), self.lasting(second))
        opened = self.scan(store_passwords=[stored.PASSWORD])
        self.assertEqual((opened["locked"], opened["summary"]["unchanged"]), ([], 3))

    def test_the_owner_changes(self):
        """A new owner or mode is told; it changes one of the times."""
        self.scan()
        os.chmod(self.path("etc/site.key"), 0o640)
        self.assertEqual([row["mode"] for row in self.scan()["keys"]], ["0640"])


class TestShortOfTime(CacheCase):
    def setUp(self):
        """Three folders with many files, and a clock that goes on by a second whenever somebody looks at it."""
        super().setUp()
        for folder in "abc":
            os.mkdir(self.path("etc/" + folder))
            for number in range(20):
                self.write(f"etc/{folder}/{number}.txt", TEXT)
            self.write(f"etc/{folder}/site.pem", made.certificate("other"))

    def short_scan(self, seconds, **given):
        with mock.patch.object(walk.time, "monotonic", side_effect=itertools.count()):
            return self.scan(max_seconds=seconds, **given)

    def test_a_host_is_completed_in_several_runs(self):
        """Each run gets further, because what was read before is not read again; at last nothing is left over."""
        read, complete = [], []
        for _night in range(10):
            answer = self.short_scan(50)
            read.append(answer["summary"]["files"] - answer["summary"]["unchanged"])
            complete.append((answer["complete"], answer["left_over"] == []))
            if answer["complete"]:
                break
        self.assertTrue(2 < len(read) < 10, read)
        self.assertEqual(complete, [(False, False)] * (len(read) - 1) + [(True, True)])
        self.assertEqual(sum(read), 66)
        self.assertEqual(self.lasting(answer), self.lasting(self.scan()))

    def test_begin_with_what_is_left_over(self):
        """Where even looking at what is known takes all the time, every folder has its turn."""
        self.scan(paths=[self.path("etc/a")])
        seen = set()
        for _night in range(20):
            answer = self.short_scan(24, full=False, keep=True)
            seen.update(row["path"] for row in answer["places"])
        self.assertLessEqual({self.path(f"etc/{folder}/site.pem") for folder in "abc"}, seen)

    def test_what_is_left_over_elsewhere(self):
        """What was left over of other paths, is gone, or is excluded by now is not looked at."""
        self.short_scan(30)
        answer = self.scan(paths=[self.path("etc/a")], exclude=[self.path("etc/b")])
        self.assertEqual({row["path"] for row in answer["places"]}, {self.path("etc/a/site.pem")})
        self.short_scan(30)
        for folder in "abc":
            shutil.rmtree(self.path("etc/" + folder))
        self.assertEqual((self.scan()["problems"], self.scan()["complete"]), ([], True))


class TestBelief(CacheCase):
    def test_only_its_owner_can_read_it(self):
        """It lies in our folder, and nobody else can read it; no part of a key is in it."""
        self.scan()
        status = os.stat(self.left)
        self.assertEqual((stat.S_IMODE(status.st_mode), status.st_uid), (0o600, 0))
        with open(self.left, "rb") as file:
            content = file.read()
        self.assertNotIn(b"PRIVATE", content)
        self.assertIn(b"installed", content.replace(made.spki(made.key("ec", "leaf")).encode(), b"installed"))  # the key's public part

    def test_full(self):
        """Everything is read where that is asked for, and left for the next."""
        self.scan()
        self.assertEqual((self.unchanged(full=True), self.unchanged()), (0, 3))

    def test_nothing_is_left(self):
        """Nothing is written where nothing may be kept, where it is switched off, where the code is not known, and by who is not root."""
        self.scan(keep=False)
        self.scan(cache_days=0)
        self.scan(program="")
        with mock.patch.object(verb_scan.os, "geteuid", return_value=1000):
            self.scan()
        self.assertFalse(os.path.exists(self.path("state")))

    def test_other_code(self):
        """What another version of the program found is not believed."""
        self.scan()
        self.assertEqual(self.unchanged(program="b" * 64), 0)

    def test_age(self):
        """It is thrown away after its days, counted from the first scan that is in it, and when it is from the future."""
        self.scan()
        self.later += 6.9 * DAY
        self.assertEqual(self.unchanged(), 3)
        self.later += 0.2 * DAY
        self.assertEqual(self.unchanged(), 0)
        self.later -= 30 * DAY
        self.assertEqual(self.unchanged(), 0)

    def test_damage(self):
        """Whatever is not as it was written is thrown away, and the scan finds everything."""
        expected = self.lasting(self.scan())
        with open(self.left, "rb") as file:
            good = file.read()
        damaged = [good[:cut] for cut in (0, 1, len(cache._MARK), len(cache._MARK) + 10, len(good) // 2, len(good) - 1)]
        damaged += [good + b"x", os.urandom(5000), good[:30] + bytes([good[30] ^ 1]) + good[31:], good.replace(b"cache 2", b"cache 1")]
        for content in damaged:
            with self.subTest(length=len(content)):
                with open(self.left, "wb") as file:
                    file.write(content)
                answer = self.scan()
                self.assertEqual((answer["summary"]["unchanged"], self.lasting(answer)), (0, expected))

    def test_what_others_could_have_written(self):
        """A file that others may write or own, and a link, are not believed."""
        self.scan()
        os.chmod(self.left, 0o620)
        self.assertEqual(self.unchanged(keep=False), 0)
        os.chmod(self.left, 0o600)
        os.chown(self.left, 1000, 0)
        self.assertEqual(self.unchanged(keep=False), 0)
        os.chown(self.left, 0, 0)
        self.assertEqual(self.unchanged(keep=False), 3)
        os.rename(self.left, self.left + ".other")
        os.symlink(self.left + ".other", self.left)
        self.assertEqual(self.unchanged(keep=False), 0)

    def test_bounds(self):
        """What is too much is not kept, and the scan is as good as without."""
        for name, value, kept in (("MOST_FILES", 2, 2), ("MOST_FILES", 0, 0), ("MOST_BYTES", 10, 1)):
            with self.subTest(name=name, value=value):
                shutil.rmtree(self.path("state"), ignore_errors=True)
                with mock.patch.object(cache, name, value):
                    expected = self.lasting(self.scan(full=True))
                    answer = self.scan(keep=False)
                self.assertEqual((answer["summary"]["unchanged"], self.lasting(answer)), (kept, expected))

    def test_a_full_disk(self):
        """Where nothing can be left, the scan is as good as ever."""
        with mock.patch.object(cache.files, "replace", side_effect=OSError(28, "No space left on device")):
            self.assertEqual(len(self.scan()["places"]), 2)
        self.assertEqual(self.unchanged(), 0)
