# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands on the host."""

import os
import signal
import time
import unittest
import unittest.mock

from ansible_collections.certops.fleet.plugins.module_utils._host.run import Finished, command_environment, run
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.little_host import wait_for


class Run(unittest.TestCase):
    def test_output_error_and_code_are_apart(self):
        """Output, errors and the exit code come back each in its place."""
        self.assertEqual(run(["sh", "-c", "echo out; echo err >&2; exit 3"], 10), Finished(3, b"out\n", b"err\n", False))

    def test_no_standard_input(self):
        """A command that reads sees the end at once, not our standard input."""
        self.assertEqual(run(["cat"], 10), Finished(0, b"", b"", False))

    def test_input_larger_than_a_pipe(self):
        """A megabyte of input arrives whole."""
        self.assertEqual(run(["wc", "-c"], 10, input=b"x" * 1000000).output.strip(), b"1000000")

    def test_input_on_a_busy_host(self):
        """Input arrives also where no moment between two looks is long enough to send it."""
        with unittest.mock.patch("ansible_collections.certops.fleet.plugins.module_utils._host.run._LOOK_AGAIN", 0.0):
            self.assertEqual(run(["wc", "-c"], 10, input=b"x" * 100000).output.strip(), b"100000")

    def test_input_that_nobody_reads(self):
        """A command that ends without reading its input is not an error."""
        self.assertEqual(run(["true"], 10, input=b"x" * 1000000).code, 0)

    def test_output_is_bounded(self):
        """Only the first bytes of a chatty command are kept, and its code is its own."""
        finished = run(["sh", "-c", "head -c 30000000 /dev/zero; exit 4"], 30, limit=1000)
        self.assertEqual((finished.code, finished.output), (4, b"\0" * 1000))

    def test_time_limit_kills_children_too(self):
        """When the time is over the command and what it started in its group are dead."""
        begin = time.monotonic()
        finished = run(["sh", "-c", "sleep 321.5 & echo $!; wait"], 1)
        self.assertTrue(finished.timed_out)
        self.assertLess(time.monotonic() - begin, 5)
        wait_for(lambda: not _alive(int(finished.output)))  # a killed process takes its time
        self.assertEqual(finished.reason(), "it did not finish in time")

    def test_daemon_neither_delays_nor_dies(self):
        """A daemon that kept the output open does not keep us waiting, survives writing to it, and cannot fill it."""
        begin = time.monotonic()
        finished = run(["sh", "-c", "(trap '' HUP; while :; do echo more; sleep 0.05; done) & echo $!"], 20)
        pid = int(next(word for word in finished.output.split() if word != b"more"))
        try:
            self.assertLess(time.monotonic() - begin, 5)
            target = f"/proc/{pid}/fd/1"
            for _unused in range(4):
                time.sleep(0.05)
                self.assertTrue(_alive(pid))
            if os.readlink(target).startswith("/memfd:"):
                self.assertEqual(os.stat(target).st_size, 0)
        finally:
            os.killpg(os.getpgid(pid), signal.SIGKILL)

    def test_children_do_not_inherit_ignored_signals(self):
        """A command started while we ignore SIGTERM can still be ended by it."""
        before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            finished = run(["sh", "-c", "kill -TERM $$; echo survived"], 10)
        finally:
            signal.signal(signal.SIGTERM, before)
        self.assertEqual((finished.code, finished.output), (-signal.SIGTERM, b""))

    def test_commands_that_cannot_start(self):
        """An absent command is 127, a file that is no program is 126, and neither raises."""
        for argv, code, reason in (
            (["/nowhere/at-all"], 127, "cannot be run: No such file or directory"),
            (["/etc/passwd"], 126, "cannot be run: Permission denied"),
        ):
            with self.subTest(argv=argv):
                finished = run(argv, 10)
                self.assertEqual((finished.code, finished.reason()), (code, reason))

    def test_environment(self):
        """Messages are in English, sbin is on the path, relative folders are not."""
        before = dict(os.environ)
        os.environ.update({"PATH": ".:/opt/bin::relative", "LC_ALL": "de_DE.UTF-8", "LANGUAGE": "de"})
        try:
            environment = command_environment()
        finally:
            os.environ.clear()
            os.environ.update(before)
        self.assertEqual(environment["PATH"], "/opt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        self.assertEqual((environment["LC_ALL"], environment.get("LANGUAGE")), ("C", None))

    def test_reasons(self):
        """The reason is one printable, bounded line."""
        for finished, reason in (
            (Finished(1, b"", b"", False), "it ended with code 1 and said nothing"),
            (Finished(1, b"only output\n", b"\n", False), "only output"),
            (Finished(1, b"", b"a\r\n\n b\x1b[31m\xff\n", False), "a; b\\x1b[31m\\xff"),
            (Finished(1, b"", b"x" * 999, False), "x" * 600),
        ):
            with self.subTest(reason=reason):
                self.assertEqual(finished.reason(), reason)


def _alive(pid):
    """Whether a process lives (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


if __name__ == "__main__":
    unittest.main()
