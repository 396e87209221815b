# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of services, by their own commands and by a stand-in for systemctl."""

import os
import shutil
import subprocess
import tempfile
import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host.services import units
from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_table import check_entries
from ansible_collections.certops.fleet.plugins.module_utils._host.services.units import Outcome

# Writes down what it is asked for; `show` gives the next line of the file "states" (the last one for ever), the rest ends with the code in "code".
SYSTEMCTL = """#!/bin/sh
cd "${0%/*}"
echo "$@" >> asked
[ "$1" = show ] || { [ -s said ] && cat said >&2; exit "$(cat code)"; }
head -n 1 states
[ "$(wc -l < states)" = 1 ] || sed -i 1d states
"""


def service(**given):
    """A service with these settings."""
    return check_entries([dict(given, name="demo")])[-1]


class Systemd(unittest.TestCase):
    def setUp(self):
        """A systemctl of our own is first on the path."""
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        program = os.path.join(self.folder, "systemctl")
        self.write("systemctl", SYSTEMCTL)
        os.chmod(program, 0o755)
        for patch in (
            mock.patch.dict(os.environ, {"PATH": self.folder + ":" + os.environ["PATH"]}),
            mock.patch.object(units, "_SYSTEMD", self.folder),
            mock.patch.object(units, "_SETTLE_SECONDS", 0.5),
        ):
            patch.start()
            self.addCleanup(patch.stop)
        self.states("active")

    def write(self, name, text):
        """Put a file beside systemctl."""
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def states(self, *states, code=0, said=""):
        """What systemctl is going to say."""
        self.write("states", "".join(f"ActiveState={state}\n" for state in states))
        self.write("code", str(code))
        self.write("said", said)
        self.write("asked", "")

    def asked(self):
        """What systemctl was asked for, without the questions after the state."""
        with open(os.path.join(self.folder, "asked"), encoding="utf-8") as file:
            return [line.strip() for line in file if not line.startswith("show")]

    def test_is_active(self):
        """Only an active or reloading unit counts as active."""
        for state, ok in (("active", True), ("reloading", True), ("activating", False), ("failed", False), ("inactive", False), ("", False)):
            with self.subTest(state=state):
                self.states(state)
                self.assertEqual(
                    units.is_active(service(unit="demo.service")), Outcome(ok, f"service 'demo' is {state or 'in a state that systemd does not tell'}")
                )

    def test_are_active(self):
        """One question for all units, and one for each where the answer is not one for each."""
        several = [service(unit="b.service"), service(unit="a.service"), service(unit="a.service"), service(status_command=["false"]), service()]
        self.write("states", "ActiveState=active\n\nActiveState=inactive\n")
        self.write("systemctl", '#!/bin/sh\ncd "${0%/*}"\necho "$@" >> asked\ncat states\n')
        self.assertEqual(units.are_active(several), [False, True, True, False, None])
        with open(os.path.join(self.folder, "asked"), encoding="utf-8") as file:
            self.assertEqual(file.read().splitlines(), ["show --property=ActiveState -- a.service b.service"])
        self.states("active")
        self.assertEqual(units.are_active(several), [True, True, True, False, None])
        self.assertEqual(units.are_active([]), [])

    def test_verbs(self):
        """Reload, restart and start are systemd's; a start first forgets earlier failures; the unit's name is never an option."""
        for given, call, asked in (
            ({}, units.reload, ["--no-ask-password reload -- -demo.service"]),
            ({"reload": "restart"}, units.reload, ["--no-ask-password restart -- -demo.service"]),
            ({}, units.start, ["--no-ask-password reset-failed -- -demo.service", "--no-ask-password start -- -demo.service"]),
            ({"reload": "none"}, units.reload, []),
            ({"reload": "by_itself"}, units.reload, []),
        ):
            with self.subTest(given=given, call=call.__name__):
                self.states("active")
                self.assertTrue(call(service(unit="-demo.service", **given)).ok)
                self.assertEqual(self.asked(), asked)

    def test_waits_until_settled(self):
        """A reload is over when the unit is no longer reloading, and has failed when the unit has."""
        for states, outcome in (
            (("reloading", "reloading", "active"), Outcome(True, "service 'demo' did reload")),
            (("reloading", "activating", "failed"), Outcome(False, "after its reload service 'demo' is failed")),
            (("deactivating", "inactive"), Outcome(False, "after its reload service 'demo' is inactive")),
            (("activating",), Outcome(False, "after its reload service 'demo' is activating")),
        ):
            with self.subTest(states=states):
                self.states(*states)
                self.assertEqual(units.reload(service(unit="demo.service")), outcome)

    def test_refused(self):
        """What systemctl says is the reason."""
        self.states("active", code=4, said="Failed to reload demo.service: Interactive authentication required.\n")
        self.assertEqual(
            units.reload(service(unit="demo.service")),
            Outcome(False, "service 'demo' did not reload: Failed to reload demo.service: Interactive authentication required."),
        )


class OwnCommands(unittest.TestCase):
    def setUp(self):
        """There is no systemd."""
        patch = mock.patch.object(units, "_SYSTEMD", "/nowhere")
        patch.start()
        self.addCleanup(patch.stop)
        patch = mock.patch.object(units, "_SETTLE_SECONDS", 0.5)
        patch.start()
        self.addCleanup(patch.stop)

    def test_nothing_known(self):
        """Without systemd and own commands the state is unknown and nothing can be done."""
        for given in ({}, {"unit": "demo.service"}):
            with self.subTest(given=given):
                self.assertIsNone(units.is_active(service(**given)).ok)
                self.assertEqual(
                    units.reload(service(**given)),
                    Outcome(False, "service 'demo' cannot be made to reload: it has no reload_command and no unit of a running systemd"),
                )
                self.assertEqual(
                    units.start(service(**given)).text, "service 'demo' cannot be made to start: it has no start_command and no unit of a running systemd"
                )

    def test_status_command(self):
        """The exit code says whether it is active."""
        self.assertEqual(units.is_active(service(status_command=["true"])), Outcome(True, "service 'demo' is active"))
        self.assertEqual(units.is_active(service(status_command=["sh", "-c", "echo down; exit 3"])), Outcome(False, "service 'demo' is not active: down"))

    def test_pid_file(self):
        """Active is who lives, and {pid} in a command is that process."""
        with tempfile.NamedTemporaryFile("w", suffix=" \\ pid") as file:
            child = subprocess.Popen(["sleep", "600"])
            try:
                print(child.pid, file=file, flush=True)
                demo = service(pid_file=file.name.replace("\\", "\\x5c"), reload_command=["kill", "-0", "{pid}"])
                self.assertEqual(units.is_active(demo), Outcome(True, "service 'demo' is active"))
                self.assertEqual(units.reload(demo), Outcome(True, "service 'demo' did reload"))
            finally:
                child.kill()
                os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
                zombie_lives = units.is_active(demo).ok
                child.wait()
            self.assertFalse(zombie_lives)
            told = f"no process lives that {demo['pid_file']} names"
            self.assertEqual(units.is_active(demo), Outcome(False, f"service 'demo' is not active: {told}"))
            self.assertEqual(units.reload(demo), Outcome(False, f"service 'demo' did not reload: {told}"))

    def test_pid_files_that_name_nobody(self):
        """An absent, empty, odd or hostile pid file is nobody."""
        for content in ("", "x", "0", "-1", "999999999", "1" * 500):
            with self.subTest(content=content), tempfile.NamedTemporaryFile("w") as file:
                file.write(content)
                file.flush()
                self.assertFalse(units.is_active(service(pid_file=file.name)).ok)
        for path in ("/nowhere/pid", "/dev/zero", "/"):
            self.assertFalse(units.is_active(service(pid_file=path)).ok)

    def test_reload_that_ends_the_service(self):
        """A service that is gone after its reload did not reload; one that starts may need a moment."""
        with tempfile.TemporaryDirectory() as folder:
            alive = os.path.join(folder, "alive")
            commands = {"status_command": ["test", "-e", alive], "reload_command": ["rm", "-f", alive], "start_command": ["touch", alive]}
            demo = service(**commands)
            self.assertEqual(units.start(demo), Outcome(True, "service 'demo' did start"))
            self.assertEqual(units.reload(demo), Outcome(False, "after its reload service 'demo' is not active: it ended with code 1 and said nothing"))
            demo["start_command"] = ["sh", "-c", f"(sleep 0.2; touch {alive}) &"]
            self.assertEqual(units.start(demo), Outcome(True, "service 'demo' did start"))

    def test_validate(self):
        """The validation's code is the answer and its words are the reason."""
        for given, outcome in (
            ({}, Outcome(True, "service 'demo' has no validation")),
            ({"validate": ["false"]}, Outcome(True, "service 'demo' has no validation")),
            ({"validate": ["true"], "validates": "syntax"}, Outcome(True, "service 'demo' accepts its configuration")),
            (
                {"validate": ["sh", "-c", "echo key values mismatch >&2; exit 1"], "validates": "pair"},
                Outcome(False, "service 'demo' does not accept its configuration: key values mismatch"),
            ),
            (
                {"validate": ["/nowhere/demo", "-t"], "validates": "pair"},
                Outcome(False, "service 'demo' does not accept its configuration: cannot be run: No such file or directory"),
            ),
        ):
            with self.subTest(given=given):
                self.assertEqual(units.validate(service(**given)), outcome)


if __name__ == "__main__":
    unittest.main()
