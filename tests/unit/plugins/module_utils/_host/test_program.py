# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host program: requests, answers, signals."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import types
import unittest
import zlib
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host import program
from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError

PACKAGE = program.__name__.rpartition(".")[0]
TRANSACTION = "0123456789abcdef" * 2


def request(verb, args=None, transaction=None):
    return {"verb": verb, "nonce": "ab12", "transaction": transaction, "actor": "tester\nfake line", "args": args or {}, "program": "f" * 64}


def verb(name, run):
    module = types.ModuleType(PACKAGE + ".verb_" + name)
    module.run = run
    return mock.patch.dict(sys.modules, {module.__name__: module})


def refuses(_args, _context):
    raise HostError("no")


def fails(args, _context):
    return args["secret-key"]


def fails_to_open(_args, _context):
    with open("/nonexistent/secret-name"):
        pass


class Answer(unittest.TestCase):
    def test_result(self):
        """A verb's result comes back with what the host is known by; the verb sees the request and the host's clock."""
        with verb("scan", lambda args, context: {"args": args, "context": [context.actor, context.transaction], "now": context.now()}):
            reply = program.answer(request("scan", {"a": 1}))
        self.assertIs(reply["ok"], True)
        self.assertEqual((reply["result"]["args"], reply["result"]["context"]), ({"a": 1}, ["tester\nfake line", None]))
        self.assertLess(abs(reply["result"]["now"] - reply["host"]["now"]), 5)

    def test_errors(self):
        """A refusal is its sentence; anything else is a type and a place, without values."""
        cases = (
            (refuses, "host_error", "no$"),
            (fails, "internal", r"internal error KeyError in test_program.py line \d+ \(fails\)$"),
            (fails_to_open, "internal", r"internal error FileNotFoundError ENOENT in test_program.py line \d+ \(fails_to_open\)$"),
        )
        for run, kind, text in cases:
            with self.subTest(kind=kind, text=text), verb("scan", run):
                reply = program.answer(request("scan"))
                self.assertEqual((reply["ok"], reply["kind"], "host" in reply, "result" in reply), (False, kind, True, False))
                self.assertRegex(reply["error"], text)
                self.assertNotIn("secret", reply["error"])

    def test_unknown_verb(self):
        """A verb that does not exist is refused with those that do; a module of that name is not imported."""
        for name in ("nothing", "", "../x", "scan.x"):
            with self.subTest(name=name):
                self.assertRegex(program.answer(request(name))["error"], "verb .* is not known, it must be one of scan, inspect, outcome, endpoints, request")

    def test_transaction_is_needed(self):
        """A changing verb without a transaction of 32 hexadecimal digits is refused."""
        for transaction in (None, "", "0" * 31, "G" * 32, "A" * 32, "0" * 32 + "\n", 7):
            with self.subTest(transaction=transaction), mock.patch("syslog.syslog") as logged, verb("install", fails):
                self.assertRegex(program.answer(request("install", {}, transaction))["error"], "'install' changes the host and needs a transaction of 32")
                logged.assert_not_called()

    def test_one_line_of_syslog(self):
        """A changing exchange writes one line with verb, program, transaction and actor; a looking one writes none."""
        with mock.patch("syslog.syslog") as logged, verb("install", lambda args, context: {}), verb("scan", lambda args, context: {}):
            program.answer(request("install", {}, TRANSACTION))
            program.answer(request("scan"))
        line = "verb=install program={} transaction={} actor='tester\\nfake line'".format("f" * 64, TRANSACTION)
        self.assertEqual([call[0][1] for call in logged.call_args_list], [line])

    def test_no_syslog(self):
        """An interpreter without syslog does its work."""
        with mock.patch.dict(sys.modules, {"syslog": None}), verb("install", lambda args, context: {"done": True}):
            self.assertEqual(program.answer(request("install", {}, TRANSACTION))["result"], {"done": True})


class Packed(unittest.TestCase):
    def packed(self, result):
        with verb("scan", lambda args, context: result):
            return json.loads(zlib.decompress(program.packed_answer(request("scan"))).decode("utf-8"))

    def test_names_that_the_locale_could_not_read(self):
        """A lone surrogate, as os.fsdecode makes it, does not end the answer."""
        self.assertEqual(self.packed({"name": "a\udcffb\u00e4"})["result"], {"name": "a?b\u00e4"})

    def test_limits(self):
        """An answer above either limit is replaced by an error with the numbers."""
        for name in ("PACKED_LIMIT", "UNPACKED_LIMIT"):
            with self.subTest(name=name), mock.patch.object(program, name, 100):
                reply = self.packed({"x": "y" * 1000})
                self.assertEqual((reply["ok"], reply["kind"]), (False, "host_error"))
                self.assertRegex(reply["error"], r"the answer to 'scan' has \d+ bytes, \d+ compressed; at most \d+ and \d+ are accepted")


class Frames(unittest.TestCase):
    def run_main(self, code, **options):
        """Run `main` in a process of its own after `code`, with a looking verb that does what `code` defines."""
        start = "import sys, types; from {0} import program; module = types.ModuleType('x'); sys.modules['{0}.verb_scan'] = module\n{1}\nprogram.main({2!r})"
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path or "." for path in sys.path))
        command = [sys.executable, "-S", "-c", start.format(PACKAGE, code, request("scan"))]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, **options)

    def test_between_two_lines(self):
        """The answer stands on a line of its own, whatever else a verb or its commands print."""
        process = self.run_main("import os\nmodule.run = lambda a, c: os.system('printf noise') or {'a': 1}", stdout=subprocess.PIPE)
        output = process.communicate()[0]
        match = re.match(rb"\nCERTOPS-START ab12\nnoise\nCERTOPS-END ab12 ([A-Za-z0-9+/=]+)\n$", output)
        self.assertEqual(json.loads(zlib.decompress(base64.b64decode(match.group(1))).decode())["result"], {"a": 1})
        self.assertEqual(process.returncode, 0)

    def test_the_first_frame_comes_first(self):
        """The start frame is out before the verb begins, so that a death is told from a start that failed."""
        process = self.run_main("import os, signal\nmodule.run = lambda a, c: os.kill(os.getpid(), signal.SIGKILL)", stdout=subprocess.PIPE)
        self.assertEqual(process.communicate()[0], b"\nCERTOPS-START ab12\n")

    def test_closed_output(self):
        """A verb is run to its end when nobody listens, and the program ends as usual."""
        with tempfile.NamedTemporaryFile() as mark:
            reader, writer = os.pipe()
            os.close(reader)
            process = self.run_main(f"module.run = lambda a, c: {{'n': open({mark.name!r}, 'w').write('done')}}", stdout=writer)
            os.close(writer)
            error = process.communicate()[1]
            self.assertEqual((process.returncode, error, mark.read()), (0, b"", b"done"))


class Uninterrupted(unittest.TestCase):
    def test_signals_pass(self):
        """Inside, the signals of a connection that breaks do nothing; afterwards everything is as before."""
        before = [signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)]
        with program.uninterrupted():
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
                os.kill(os.getpid(), number)
        self.assertEqual([signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)], before)

    def test_commands_do_not_inherit_it(self):
        """A command that is started inside dies of SIGHUP as ever: a service would otherwise ignore it for good."""
        with program.uninterrupted():
            code = subprocess.call(["sh", "-c", "kill -HUP $$; sleep 5"])
        self.assertEqual(code, -signal.SIGHUP)


if __name__ == "__main__":
    unittest.main()
