# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that ends a transaction when its worker does not."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.guardian import guarded
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.lock import host_lock
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.little_host import wait_for

# A worker in a guarded block that says so and then waits to be killed; argv: state folder, file of the guardian's, seconds.
WORKER = """
import os, signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # tests may have been started by nohup
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.guardian import guarded
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.lock import host_lock
with host_lock(os.fsencode(sys.argv[1])) as lock:
    with guarded(lock, float(sys.argv[3]), lambda: (time.sleep(0.3), open(sys.argv[2], "w").close())):
        print("guarded", flush=True)
        time.sleep(60)
"""


class TestGuardian(unittest.TestCase):
    """Death, time and exceptions."""

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="certops-test-")
        self.addCleanup(shutil.rmtree, self.root)
        self.state, self.recovered = os.path.join(self.root, "state"), os.path.join(self.root, "recovered")

    def recover(self):
        """What the guardian of a block in this process does."""
        open(self.recovered, "w").close()

    def worker(self, seconds):
        """Start a worker and wait until it is guarded."""
        command = (sys.executable, "-c", WORKER, self.state, self.recovered, str(seconds))
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
        self.addCleanup(process.stdout.close)
        self.assertEqual(process.stdout.readline(), b"guarded\n")
        return process

    def test_a_worker_that_ends_well_is_let_go(self):
        """Nothing is recovered when the block was left."""
        with host_lock(os.fsencode(self.state)) as lock, guarded(lock, 60, self.recover):
            pass
        self.assertFalse(os.path.exists(self.recovered))

    def test_an_exception_is_recovered_before_it_goes_on(self):
        """The block's exception arrives when the guardian has ended."""
        with self.assertRaises(KeyError), host_lock(os.fsencode(self.state)) as lock, guarded(lock, 60, self.recover):
            raise KeyError
        self.assertTrue(os.path.exists(self.recovered))

    def test_a_killed_worker_is_recovered_under_the_lock(self):
        """Nobody gets the lock before the guardian of a killed worker has ended, and it holds no output of the worker's."""
        process = self.worker(60)
        process.kill()
        process.wait()
        self.assertEqual(process.stdout.read(), b"")
        with host_lock(os.fsencode(self.state)):
            self.assertTrue(os.path.exists(self.recovered))

    def test_a_guardian_outlives_the_session(self):
        """A hang-up of the whole process group does not reach it."""
        process = self.worker(60)
        os.kill(process.pid, signal.SIGHUP)
        process.wait()
        wait_for(lambda: os.path.exists(self.recovered))

    def test_a_worker_that_hangs_is_killed(self):
        """At the deadline the worker is killed, then its transaction is brought to an end."""
        process = self.worker(0.5)
        self.assertEqual(process.wait(20), -signal.SIGKILL)
        wait_for(lambda: os.path.exists(self.recovered))


if __name__ == "__main__":
    unittest.main()
