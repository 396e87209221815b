# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An installation that is killed at every step: its files are a pair, the service serves, and the next run brings it to its end."""

import base64
import hashlib
import os
import signal
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import serving, transaction
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.lock import host_lock
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.little_host import LittleHost

# Everything that changes a disk, as this program calls it. `make torture` does the same from outside, with system calls.
STEPS = ("rename", "link", "symlink", "unlink", "fsync", "mkdir", "rmdir", "chmod")
# All steps take a minute for each layout; a stride that is no divisor of anything meets others of them in each layout.
STRIDE = 1 if os.environ.get("CERTOPS_EVERY_STEP") else 17


def die_at(step):
    """Let this process kill itself at its step-th change of the disk."""
    left = [step]

    def deadly(call):
        def counted(*arguments, **options):
            left[0] -= 1
            if left[0] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return counted

    for name in STEPS:
        setattr(os, name, deadly(getattr(os, name)))


class TestKill(unittest.TestCase):
    """One host, one signing request and one certificate for a whole walk through the steps."""

    def prepare(self, layout, names=("tls.crt", "tls.key")):
        """Start a host with an old pair and a certificate that waits to be installed."""
        self.host = LittleHost()
        self.addCleanup(self.host.close)
        self.names = names
        self.host.write_pair(*names)
        self.host.start_server(*names)
        self.declared, self.services = self.host.declared(*names, layout=layout), [self.host.entry(*names)]
        asked = self.host.request(self.declared, self.services)
        self.staged, self.leaf = asked["staged"], self.host.sign(base64.b64decode(asked["csr"]))

    def install_until(self, step, guardian_too):
        """Run the installation in a child that dies at a step; True when it came to its end."""
        child = os.fork()
        if child == 0:
            try:
                serving.SLOW_RELOAD = 1.0
                if guardian_too:
                    transaction.recover = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
                fork = os.fork
                # The guardian does its work with the calls of before.
                calls = {name: getattr(os, name) for name in STEPS}

                def forked():
                    pid = fork()
                    if pid == 0:
                        for name, call in calls.items():
                            setattr(os, name, call)
                    return pid

                os.fork = forked
                die_at(step)
                self.host.install(self.declared, self.services, self.leaf, self.staged)
                os._exit(0)
            finally:
                os._exit(1)
        return os.waitpid(child, 0)[1] == 0

    def check(self, message):
        """The files are a pair, and the listener shows it."""
        self.assertEqual(*self.host.public_keys(*self.names), message)
        found = self.host.inspect(self.declared, self.services)[0]
        served = {look["sha256"] for service in found["services"] for look in service["served"]}
        self.assertEqual(served, {hashlib.sha256(base64.b64decode(found["certificate"])).hexdigest()}, message)

    def walk(self, layout, guardian_too=False, names=("tls.crt", "tls.key")):
        """Kill at one step after the other until an installation survives."""
        self.prepare(layout, names)
        step, survived = 1, False
        while not survived:
            survived = self.install_until(step, guardian_too)
            with host_lock(os.fsencode(self.host.state)):
                pass
            if not guardian_too:
                self.check(f"{layout} after a kill at step {step}")
            self.host.inspect(self.declared, self.services, heal=True)
            self.check(f"{layout} after the next run, killed at step {step}")
            self.assertLessEqual(set(self.host.leftovers()), {".certops-web"})
            step += STRIDE
        found = self.host.inspect(self.declared, self.services)[0]
        self.assertEqual((base64.b64decode(found["certificate"]), found["staged"]), (self.leaf, []))
        self.assertGreater(step, 50)

    def test_in_place(self):
        """Two files, one after the other."""
        self.walk("in_place")

    def test_in_place_without_a_guardian(self):
        """Worker and guardian both dead: the next run alone brings it to its end."""
        self.walk("in_place", guardian_too=True)

    def test_link(self):
        """Plain files that become links."""
        self.walk("link")

    def test_exchange(self):
        """The folder as a whole, and nobody but the next run."""
        self.walk("exchange", guardian_too=True)

    def test_combined(self):
        """One file, and nobody but the next run; it is a pair at every instant."""
        self.walk("auto", guardian_too=True, names=("both.pem", "both.pem"))


if __name__ == "__main__":
    unittest.main()
