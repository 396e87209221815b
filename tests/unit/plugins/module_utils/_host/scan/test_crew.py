# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading by several processes: the answer is that of one, a process that dies or hangs loses no more than a folder, and none outlives the scan."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.scan import crew, elsewhere, findings, reading, scan, walk
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host import made
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.scan.test_cache import CacheCase
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.stores import stored

NUMBERS = (1, 2, 3, 8)
TEXT = b"nothing of interest, and long enough to be looked at all the same\n"
ORPHANS = """
import os, sys, time
from ansible_collections.certops.fleet.plugins.module_utils._host.scan import crew
many = crew.Crew(3, lambda head, content: iter(()), lambda: 60.0)
print(*(each.pid for each in many._processes), flush=True)
time.sleep(60)
"""


def is_there(pid):
    """Whether a process lives."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


@contextlib.contextmanager
def helped(processors=8):
    """Let other processes help from the first file on."""
    with mock.patch.object(walk, "MANY", 0), mock.patch.object(scan, "_processors", return_value=processors):
        yield


class ManyCase(CacheCase):
    def setUp(self):
        """A host with every kind of store, what cannot be read, what is there more than once, and names in no language."""
        super().setUp()
        broken = b"-----BEGIN CERTIFICATE-----\nMAMCAQU=\n-----END CERTIFICATE-----\n"
        files = {name: stored.content(name) for name in stored.names()}
        files.update({f"{number}.broken": broken + made.certificate("leaf", issuer="root") * number for number in range(4)})
        files.update({f"{number}.txt": TEXT * number for number in range(100)})
        files["large.pem"] = made.certificate("other") + b"\n" * (5 << 20)
        files["both\udcff\u00e9\n.pem"] = made.certificate("other") + made.key("ec", "other")
        for number, (name, content) in enumerate(sorted(files.items())):
            os.makedirs(self.path(f"etc/{number % 7}/deeper"), exist_ok=True)
            self.write(f"etc/{number % 7}/{'deeper/' if number % 2 else ''}{name}", content)
        os.link(self.path("etc/site.pem"), self.path("etc/0/site.pem"))
        os.symlink(self.path("etc/0"), self.path("etc/1/link"))
        os.mkfifo(self.path("etc/0/pipe"))


class TestTheSame(ManyCase):
    def test_any_number(self):
        """With one process and with several the answer is the same to the byte, with passwords and without, and so is what the next scan is left with."""
        for given in ({}, {"store_passwords": [stored.PASSWORD], "max_file_size": 1 << 23}):
            answers, left = [], []
            for number in (1, 3) if given else NUMBERS:
                with helped():
                    answer = self.scan(max_seconds=None, max_processes=number, full=True, **given)
                answer["summary"]["seconds"] = 0
                answers.append(repr(answer))
                left += [self.unchanged(**given)] if number in (1, 3) else []
            self.assertEqual(set(answers), {answers[0]})
            self.assertEqual(set(left), {left[0]})
            self.assertGreater(len(answers[0]), 20000)

    def test_certificates_that_have_no_room(self):
        """Of those that one answer does not hold the same are sent, and the same are left to be asked for."""
        found = []
        with mock.patch.object(findings, "MOST_CERTIFICATE_BYTES", 5000), helped():
            for number in (1, 3):
                found.append(list(self.scan(max_seconds=None, max_processes=number, full=True)["certificates"].items()))
        self.assertEqual([each == found[0] for each in found], [True] * 2)
        self.assertTrue(0 < len(found[0]) < 20)

    def test_what_is_known_of_some_folders(self):
        """Where some folders are as they were and others are new, each is taken in its turn."""
        self.scan(paths=[self.path(f"etc/{number}") for number in (1, 3, 5)])
        os.rename(self.path("state"), self.path("kept"))
        answers = []
        for number in (1, 3):
            subprocess.run(["cp", "-a", "--", self.path("kept"), self.path("state")], check=True)
            with helped():
                answer = self.scan(max_seconds=None, max_processes=number)
            answer["summary"]["seconds"] = 0
            answers.append(repr(answer))
            subprocess.run(["rm", "-r", "--", self.path("state")], check=True)
        self.assertEqual([answer == answers[0] for answer in answers], [True] * 2)


class TestLost(CacheCase):
    def setUp(self):
        """Folders with a certificate each, in one of which a process comes to its end."""
        super().setUp()
        for folder in "abcdefgh":
            os.mkdir(self.path("etc/" + folder))
            self.write(f"etc/{folder}/site.pem", made.certificate("other"))
            self.write(f"etc/{folder}/text.txt", TEXT)

    def lossy(self, at, number=2, **given):
        """Scan while a process that reads the folder does this."""
        parent, look = os.getpid(), reading.Reader.look

        def looked(reader, name, folder):
            if os.getpid() != parent and os.fsencode(os.readlink(f"/proc/self/fd/{folder}")).endswith(b"/etc/d"):
                at()
            return look(reader, name, folder)

        with mock.patch.object(reading.Reader, "look", looked), helped():
            return self.scan(max_processes=number, full=True, **dict({"max_seconds": None}, **given))

    def check(self, answer, reason):
        """All but the one folder is there, and that it is not is said."""
        folder = self.path("etc/d")
        self.assertEqual((answer["left_over"], answer["complete"]), ([folder], False))
        self.assertEqual(answer["problems"], [{"path": folder, "reason": f"the process that read it is gone: {reason}"}])
        found = {row["path"] for row in answer["places"]}
        self.assertEqual({self.path(f"etc/{name}/site.pem") in found for name in "abcefgh"}, {True})
        self.assertNotIn(self.path("etc/d/site.pem"), found)
        self.assertNotIn(self.path("etc"), answer["done"])

    def test_died(self):
        """One that dies loses the folder that it was at; with two of them, and where there is no other."""
        for number in (2, 3):
            self.check(self.lossy(lambda: os.kill(os.getpid(), signal.SIGKILL), number), "it ended by signal 9")
        self.check(self.lossy(lambda: os._exit(3)), "it ended with code 3")
        self.assertTrue(self.scan()["complete"])  # what was left over is looked at first the next time

    def test_hangs(self):
        """One that tells nothing any more is ended; one that only takes its time is not."""
        with mock.patch.object(crew, "SILENCE", 1.0):
            self.check(self.lossy(lambda: time.sleep(60)), "it told nothing for 1 seconds and was ended")
        slow = self.lossy(lambda: time.sleep(0.2))
        self.assertTrue(slow["complete"])

    def test_nonsense(self):
        """One that tells something else than it should is ended."""
        answer = self.lossy(lambda: setattr(crew, "framed", lambda *_message: b"\1\0\0\0\0\0\0\0x"))
        self.check(answer, "it told nonsense and was ended")

    def test_out_of_time(self):
        """When the time is over, what was not told yet is left over, and nobody goes on."""
        answer = self.lossy(lambda: time.sleep(60), max_seconds=2)
        self.assertIn(self.path("etc/d"), answer["left_over"])
        self.assertEqual((answer["complete"], answer["problems"]), (False, []))
        with self.assertRaises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    def test_none_at_all(self):
        """Where the system allows no process more, this one reads."""
        with mock.patch.object(crew.os, "fork", side_effect=BlockingIOError), helped():
            self.assertTrue(self.scan(max_seconds=None, max_processes=2)["complete"])

    def test_a_folder_that_is_another_one(self):
        """What another process finds changed since it was listed is looked at here."""
        answer = elsewhere.Helper(1 << 20, [], findings.Sought()).answer([self.path("etc/a"), [0, 0]], b"site.pem")
        self.assertEqual(list(answer), [({}, b"")])
        with mock.patch.object(elsewhere, "_identity", side_effect=lambda _status: (os.getpid(), 0)), helped():
            self.assertTrue(self.scan(max_seconds=None, max_processes=2)["complete"])


class TestCrew(unittest.TestCase):
    def test_nobody_stays(self):
        """When this process is killed, the others end by themselves."""
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
        parent = subprocess.Popen([sys.executable, "-c", ORPHANS], stdout=subprocess.PIPE, env=environment)
        pids = [int(word) for word in parent.stdout.readline().split()]
        self.assertEqual([is_there(pid) for pid in pids], [True] * 3)
        parent.kill()
        parent.wait()
        parent.stdout.close()
        end = time.monotonic() + 20
        while any(map(is_there, pids)) and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual([is_there(pid) for pid in pids], [False] * 3)

    def test_in_order(self):
        """Answers are taken in the order of the questions, whoever is faster, also more than pipes hold; what lies between them has its turn."""
        taken = []

        def take(head, content):
            taken.append((head, len(content)))

        many = crew.Crew(3, lambda head, content: iter([None, (head, content * 300000)]), lambda: 60.0)
        self.addCleanup(many.close)
        for number in range(30):
            many.ask(crew.Question(number, b"x" * (number % 3), 700, take, self.fail, self.fail))
            many.then(lambda number=number: taken.append(number))
        many.finish()
        self.assertEqual(taken, [each for number in range(30) for each in ((number, 300000 * (number % 3)), number)])

    def test_refused(self):
        """A number that makes no sense is told."""
        for number in (0, 65):
            with self.assertRaisesRegex(HostError, f"max_processes must be between 1 and 64, got {number}"):
                scan.Options.from_args({"max_file_size": 1 << 20, "max_seconds": None, "cache_days": 0, "max_processes": number})
