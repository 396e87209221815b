# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said before TLS begins, against servers written here."""

import contextlib
import os
import socket
import struct
import threading
import time
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.services import service_table
from ansible_collections.certops.fleet.plugins.module_utils._host.services.starttls import PROTOCOLS, StarttlsError, speak, steps

LDAP_OK = b"\x30\x24\x02\x01\x01\x78\x1f\x0a\x01\x00\x04\x00\x04\x00\x8a\x16" + b"1.3.6.1.4.1.1466.20037"
LDAP_NO = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00"


def mysql(capabilities):
    """A greeting of MySQL's."""
    body = b"\x0a" + b"8.0.36\0" + b"\x01\0\0\0" + b"abcdefgh\0" + struct.pack("<H", capabilities) + b"\x21\x02\0" + b"\0" * 30
    return len(body).to_bytes(3, "little") + b"\0" + body


# Of each protocol: what the server says at each step, and how the last could be a refusal.
SAID = {
    "smtp": ([b"220-a\r\n220 b ESMTP\r\n", b"250-b\r\n250-STARTTLS\r\n250 HELP\r\n", b"220 go\r\n"], b"454 TLS not available\r\n"),
    "lmtp": ([b"220 b LMTP\r\n", b"250 b\r\n", b"220 go\r\n"], b"502 no\r\n"),
    "imap": ([b"* OK [CAPABILITY IMAP4rev1] ready\r\n", b"a OK begin\r\n"], b"a BAD no\r\n"),
    "pop3": ([b"+OK ready\r\n", b"+OK begin\r\n"], b"-ERR no\r\n"),
    "sieve": ([b'"IMPLEMENTATION" "x"\r\n"STARTTLS"\r\nOK "ready"\r\n', b"OK\r\n"], b'NO "no"\r\n'),
    "ftp": ([b"220-hello\r\n text\r\n220 ready\r\n", b"234 go\r\n"], b"530 Please login with USER and PASS.\r\n"),
    "nntp": ([b"200 ready\r\n", b"382 go\r\n"], b"502 no\r\n"),
    "irc": ([b":b NOTICE * :hello\r\n:b 670 * :go\r\n"], b":b 691 * :no\r\n"),
    "postgres": ([b"S"], b"N"),
    "ldap": ([LDAP_OK], LDAP_NO),
    "mysql": ([mysql(0xFFFF)], mysql(0xF7FF)),
    "xmpp": ([b"<?xml version='1.0'?><stream:stream><stream:features><starttls/></stream:features>", b"<proceed xmlns='x'/>"], b"<failure xmlns='x'/>"),
}
SAID["xmpp-server"] = SAID["xmpp"]


class Dialogues(unittest.TestCase):
    def talk(self, protocol, answers, seconds=5.0):
        """Speak to a server that gives these answers, one for each step, and then hangs up; returns what it was told."""
        ours, theirs = socket.socketpair()
        heard = []

        def serve():
            dialogue = steps(protocol, "b.example")
            for step, answer in zip(dialogue, answers):  # noqa: B905 (Python 3.6)
                if step.send:
                    heard.append(theirs.recv(4096))
                for at in range(0, len(answer), 7):
                    theirs.sendall(answer[at : at + 7])
            theirs.shutdown(socket.SHUT_WR)
            heard.append(theirs.recv(4096))

        thread = threading.Thread(target=serve)
        thread.start()
        end = time.monotonic() + seconds
        try:
            speak(ours, protocol, "b.example", lambda: max(0.01, end - time.monotonic()))
        finally:
            ours.shutdown(socket.SHUT_WR)
            thread.join(10)
            ours.close()
            theirs.close()
        return heard

    def test_accepted(self):
        """Each protocol comes to the point where TLS begins, however its answers are cut into pieces."""
        self.assertEqual(set(SAID) | {"tls"}, set(PROTOCOLS))
        self.assertEqual(steps("tls"), [])
        for protocol, (answers, _refusal) in SAID.items():
            with self.subTest(protocol=protocol):
                self.assertTrue(self.talk(protocol, answers))
        self.assertIn(b"to='b.example'", self.talk("xmpp", SAID["xmpp"][0])[0])

    def test_refused(self):
        """A server without TLS is told with its own words."""
        for protocol, (answers, refusal) in SAID.items():
            with self.subTest(protocol=protocol):
                with self.assertRaises(StarttlsError) as caught:
                    self.talk(protocol, [*answers[:-1], refusal])
                self.assertRegex(str(caught.exception), rf"\Adoes not offer TLS by the STARTTLS of {protocol}: it said ['\"][ -~]*['\"]\Z")

    def test_hung_up(self):
        """A server that says nothing or half of it, and ends, is told."""
        for protocol, (answers, _refusal) in SAID.items():
            for answer in (b"", answers[0][:-1]):
                if protocol != "ldap" and (answer or protocol != "postgres"):  # the one needs no more, the other has no half
                    with self.subTest(protocol=protocol, answer=answer), self.assertRaises(StarttlsError) as caught:
                        self.talk(protocol, [answer])
                    self.assertIn("hung up before TLS began", str(caught.exception))

    def test_silence_and_garbage(self):
        """Silence costs the time that is given; endless and random bytes end in a sentence."""
        ours, theirs = socket.socketpair()
        with ours, theirs, self.assertRaises(socket.timeout):
            speak(ours, "smtp", "", lambda: 0.1)
        for protocol in SAID:
            for garbage in (os.urandom(200000), b"\n" * 200000, b"220-x\r\n" * 30000, b"\x30\x84\xff\xff\xff\xff" * 30000):
                with self.subTest(protocol=protocol, garbage=garbage[:8]):
                    begin = time.monotonic()
                    with contextlib.suppress(StarttlsError, OSError):
                        self.feed(protocol, garbage)
                    self.assertLess(time.monotonic() - begin, 5)

    def feed(self, protocol, garbage):
        """Speak to a server that sends this whatever it is told."""
        ours, theirs = socket.socketpair()

        def serve():
            with contextlib.suppress(OSError):
                theirs.sendall(garbage)
            theirs.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            speak(ours, protocol, "b.example", lambda: 3.0)
        finally:
            ours.close()
            thread.join(10)

    def test_names_that_are_no_names(self):
        """What would break out of the dialogue is not sent."""
        self.assertIn(b"to='localhost'", steps("xmpp", "a'/><x y='")[0].send)

    def test_the_table_accepts_the_same_protocols(self):
        """An entry may name each of them."""
        self.assertEqual(set(service_table.PROTOCOLS), set(PROTOCOLS))


if __name__ == "__main__":
    unittest.main()
