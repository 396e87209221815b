# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What listeners serve beside what lies on the disk, against real servers on the loopback interface."""

import os
import socket
import time
import unittest
from unittest import mock

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.services import hello, probing
from ansible_collections.certops.fleet.plugins.module_utils._host.services.processes import Process, Running
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.services import test_look as real

setUpModule, tearDownModule = real.setUpModule, real.tearDownModule
PID = 7


def service(*ports, names=(), **more):
    """A service that runs, with one use of all these listeners."""
    listeners = [{"address": "127.0.0.1", "port": port, "names": [], "protocol": "tls"} for port in ports]
    use = {"certificate": "/a.pem", "key": "/a.key", "chain": None, "folder": None, "store": None, "names": list(names), "listeners": list(range(len(ports)))}
    return dict({"name": "web", "active": True, "pids": [PID], "uses": [use], "listeners": listeners}, **more)


def running(*ports):
    """The process of the service."""
    return [Process(PID, 1, 0, "web", (b"web",), None, tuple(("127.0.0.1", port) for port in ports))]


def served(one, held=(), ports=None, anywhere=()):
    """The rows of one service whose file holds these certificates."""
    probe = probing.Probe(lambda _path: set(held), set(anywhere))
    probe.services([one], running(*(each["port"] for each in one["listeners"]) if ports is None else ports))
    return one["served"]


class States(unittest.TestCase):
    def test_the_same_or_not_loaded(self):
        """A file that holds what is served is loaded; one that holds another certificate is not."""
        with real.server("rsa") as port:
            (row,) = served(service(port, names=["a.example", "b.example"]), [real.digest("rsa")])
            self.assertEqual((row["state"], row["sha256"], row["name"], row["error"]), ("same", real.digest("rsa"), "a.example", None))
            self.assertGreater(row["not_after"], time.time())
            self.assertEqual(served(service(port), [real.digest("ec")])[0]["state"], "not_loaded")

    def test_unknown_to_the_disk(self):
        """Where no file could be read, a certificate that lies elsewhere is known, and one that lies nowhere is not."""
        with real.server("ec") as port:
            self.assertEqual(served(service(port))[0]["state"], "unknown")
            self.assertEqual(served(service(port), anywhere=[real.digest("ec")])[0]["state"], "same")

    def test_kinds_of_servers(self):
        """The certificate is seen in every version, with every kind of key, and when a client certificate is demanded."""
        for kind, arguments in (
            ("rsa", ("-tls1_2",)),
            ("rsa", ("-tls1_3",)),
            ("ec", ("-tls1_2",)),
            ("ed25519", ()),
            ("rsa", ("-tls1", "-cipher", "ALL:@SECLEVEL=0")),
            ("ec", ("-Verify", "1", "-verify_return_error")),
        ):
            with self.subTest(kind=kind, arguments=arguments), real.server(kind, *arguments) as port:
                self.assertEqual(served(service(port), [real.digest(kind)])[0]["state"], "same")

    def test_names(self):
        """Each use is asked for by its first name; what another use of the service holds is no alarm."""
        second = ("-servername", "two.example", "-cert2", real.path("ec", "crt"), "-key2", real.path("ec", "key"))
        with real.server("rsa", *second) as port:
            (row,) = served(service(port, names=["two.example"]), [real.digest("ec")])
            self.assertEqual((row["state"], row["sha256"]), ("same", real.digest("ec")))

    def test_processes_without_an_entry(self):
        """With `all`, a process that serves TLS and is in no entry is a service of its own name; one that does not is left out."""
        with real.server("rsa") as port, real.peer(lambda connection, _stopped: connection.sendall(b"SSH-2.0-x\r\n")) as other:
            processes = [Process(PID + port, 1, 0, f"p{port}", (b"x",), "x.service", (("127.0.0.1", port),)) for port in (port, other)]
            with mock.patch.object(probing, "listening", return_value=Running(processes, [])):
                (found,) = probing.Probe(lambda _path: set(), {real.digest("rsa")}).others([])
        self.assertEqual((found["name"], found["unit"], found["served"][0]["state"]), (f"p{port}", "x.service", "same"))
        self.assertEqual(probing.counts([found]), {"listeners": 1, "not_loaded": 0})


class NotSeen(unittest.TestCase):
    def test_what_is_not_asked(self):
        """A service that does not run is not looked at, nor is a port on which another process listens in its place."""
        with real.server("rsa") as port:
            self.assertEqual(served(service(port, active=False)), [])
            self.assertEqual(served(service(port, pids=[])), [])
            self.assertEqual(served(service(port), ports=[1]), [])

    def test_silence(self):
        """A listener that says nothing costs its time once; when the time for all is over, the rest is told."""
        with mock.patch.object(probing, "_SECONDS", 0.3), real.peer(lambda _connection, stopped: stopped.wait(5)) as port:
            begin = time.monotonic()
            one = service(port, names=["a.example"])
            one["uses"].append(dict(one["uses"][0], names=["b.example"]))
            rows = served(one)
            self.assertLess(time.monotonic() - begin, 2)
            self.assertEqual([row["error"] for row in rows], [f"127.0.0.1:{port} did not answer within the time of a look"] * 2)
        with mock.patch.object(probing, "_ALL_SECONDS", 0):
            (row,) = served(service(1))
            self.assertEqual(row["error"], "127.0.0.1:1 was not looked at, because the time for looking at listeners was over")

    def test_garbage(self):
        """Whatever comes instead of a certificate is one sentence."""
        record = b"\x16\x03\x03"
        for answer in (
            b"",
            b"220 hello\r\n",
            b"\x15\x03\x01\x00\x02\x02\x28",
            record + b"\xff\xff" + b"\x0b" * 70000,
            os.urandom(5000),
            record + b"\0\0" * 50000,
        ):
            with self.subTest(answer=answer[:20]), real.peer(lambda connection, _stopped, answer=answer: connection.sendall(answer)) as port:
                (row,) = served(service(port))
                self.assertEqual((row["sha256"], row["state"]), (None, None))
                self.assertRegex(row["error"], rf"\A127\.0\.0\.1:{port} [ -~]+\Z")

    def test_option(self):
        """Another word is refused."""
        with self.assertRaises(HostError) as caught:
            probing.checked("some")
        self.assertEqual(str(caught.exception), "probe must be one of none, services, all, got 'some'")


class Hello(unittest.TestCase):
    def test_messages_in_pieces(self):
        """A certificate is found when records cut its message, and lengths beyond what is there end nothing but the look."""
        body = b"\0\0\x07\0\0\x04cert"
        messages = b"\x02\0\0\x01x" + b"\x0b" + len(body).to_bytes(3, "big") + body
        for size in (1, 3, 100):
            pieces = [messages[at : at + size] for at in range(0, len(messages), size)]
            self.assertEqual(self.answer(b"".join(b"\x16\x03\x03" + len(piece).to_bytes(2, "big") + piece for piece in pieces)), b"cert")
        self.assertIsNone(self.answer(b"\x16\x03\x03\0\x0a\x0b\0\0\x06\0\0\x03\xff\xff\xff"))

    def answer(self, data):
        """What is read from this answer."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(data)
            theirs.shutdown(socket.SHUT_WR)
            return hello.shown(ours, "a.example", lambda: 1.0)


if __name__ == "__main__":
    unittest.main()
