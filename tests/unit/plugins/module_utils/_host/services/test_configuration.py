# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the readers of configurations share."""

import os
import tempfile
import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host.services import configuration
from ansible_collections.certops.fleet.plugins.module_utils._host.services.configuration import (
    Findings,
    Reader,
    absolute,
    connectable,
    look_names,
    shell_variables,
)


class Bounds(unittest.TestCase):
    def test_problems(self):
        """Each problem is told once and shortly, and an endless list of them ends."""
        findings = Findings()
        for number in [0, 0, *range(100)]:
            findings.problem(f"{number} {'x' * 1000}")
        self.assertEqual((len(findings.problems), len(findings.problems[0])), (51, 500))
        self.assertEqual(findings.problems[-1], "there are more problems than these")

    def test_files(self):
        """Neither the number of files nor their bytes are without a limit, and it is told."""
        for limit in ("_COUNT_LIMIT", "_TOTAL_LIMIT"):
            with self.subTest(limit=limit), tempfile.NamedTemporaryFile() as file, mock.patch.object(configuration, limit, 3):
                file.write(b"text")
                file.flush()
                reader = Reader(Findings())
                read = [reader.read(os.fsencode(file.name)) for _again in range(5)]
                self.assertEqual((read[0], read[-1]), (b"text", None))
                self.assertRegex(reader.findings.problems[0], r"^not all was read, the configuration has more than \d+ files or \d+ MiB$")

    def test_text(self):
        """What follows a NUL byte is left out, and it is told."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"a\0b")
            file.flush()
            reader = Reader(Findings())
            self.assertEqual(reader.read(os.fsencode(file.name)), b"a")
            self.assertEqual(reader.findings.problems, [f"{file.name} is not a text, what follows its first NUL byte was left out"])


class Values(unittest.TestCase):
    def test_absolute(self):
        """Paths are seen from a folder, without doubled slashes, and `..` goes where the system goes."""
        with tempfile.TemporaryDirectory() as made:
            folder = os.fsencode(os.path.realpath(made))
            os.makedirs(folder + b"/real/deep")
            os.symlink(b"real/deep", folder + b"/link")
            for path, expected in ((b"a", b"/a"), (b"./a//b", b"/a/b"), (b"link/../a", b"/real/a"), (b"../x", None)):
                with self.subTest(path=path):
                    self.assertEqual(absolute(folder, path), folder + expected if expected else os.path.dirname(folder) + b"/x")
            self.assertEqual(absolute(folder, b"/etc//x"), b"/etc/x")

    def test_connectable(self):
        """A wildcard is reached on the loopback interface of its family, other addresses as they are."""
        for address, expected in (
            ("", "127.0.0.1"),
            ("*", "127.0.0.1"),
            ("_default_", "127.0.0.1"),
            ("[::]", "::1"),
            ("[2001:DB8::1]", "2001:db8::1"),
            ("a.b", "a.b"),
        ):
            with self.subTest(address=address):
                self.assertEqual(connectable(address), expected)

    def test_look_names(self):
        """DNS names only, in lower case, without the trailing dot."""
        given = (b"A.Example.", b"*.x", b"_", b"__", b"192.0.2.1", b"::1", b"~x", b"", b"-a", b"a..b", b"\xff", b"_srv.example", b"x" * 64, b"localhost")
        self.assertEqual(look_names(given), ("a.example", "_srv.example", "localhost"))

    def test_shell_variables(self):
        """Plain assignments count, whatever would have to be executed does not, and variables in each other do not explode."""
        text = b"# A=no\nexport A=1 # x\n B='$A x'\nC=\"$A${A}\"\nD=`x`\nE=$(x)\nF=${A:-x}\nexport G\nH=\nif x; then I=2; fi\nJ=$X/j;K=1\n"
        self.assertEqual(shell_variables(text), {b"A": b"1", b"B": b"$A x", b"C": b"11", b"H": b"", b"J": b"/j"})
        self.assertLess(len(shell_variables(b"A=xxxx\n" + b"A=$A$A\n" * 50)[b"A"]), 5000)
        self.assertEqual(shell_variables(b"A=x\nA=" + b"$A" * 100000), {b"A": b"x"})


if __name__ == "__main__":
    unittest.main()
