# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine against real servers by `ssl` and openssl, and against listeners that mean no good."""

import base64
import contextlib
import os
import socket
import struct
import time
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint import engine, handshake, wire
from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint.engine import Probe, Settings, look_at
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host import made
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.endpoint import listeners
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.endpoint.listeners import ADDRESS, listener, s_server

QUICK = Settings(concurrency=20, connect_seconds=2, starttls_seconds=2, handshake_seconds=5)


def look(port, *, host=ADDRESS, name="", starttls="", **settings):
    """The row of one endpoint, and the certificates of the answer."""
    answer = look_at([Probe(host, port, name, starttls)], QUICK._replace(**settings))
    (row,) = answer["endpoints"]
    return row, answer["certificates"]


class Seen(unittest.TestCase):
    def test_whole_chain_version_and_cipher(self):
        """In every version that openssl serves, also where the library tells the first certificate alone."""
        for argument, protocol in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
            with self.subTest(protocol), s_server(argument) as port:
                row, certificates = look(port)
                self.assertEqual((row["state"], row["reason"], row["protocol"], row["address"]), ("seen", None, protocol, ADDRESS))
                self.assertEqual((row["chain"], row["chain_count"]), (listeners.digests(), 2))
                self.assertEqual(sorted(certificates), sorted(row["chain"]))
                self.assertIn("AES", row["cipher"])

    def test_what_an_old_library_tells_is_completed(self):
        """Without the library's word for the chain: by a ClientHello of ours, and where TLS 1.3 alone is spoken by openssl."""
        told = handshake._chain
        handshake._chain = lambda _channel: ()
        try:
            for arguments in ((), ("-tls1_3",)):
                with self.subTest(arguments), s_server(*arguments) as port:
                    row, _certificates = look(port)
                    self.assertEqual((row["chain"], row["chain_count"], row["protocol"]), (listeners.digests(), 2, "TLSv1.3"))
        finally:
            handshake._chain = told

    def test_application_protocol(self):
        """What both sides know; a server that insists on another one is asked again without any."""
        offered = ("h2", "http/1.1")
        with listener(listeners.speaking(context=listeners.server_context(("http/1.1",)))) as port:
            self.assertEqual(look(port, alpn=offered)[0]["alpn"], "http/1.1")
        with s_server("-alpn", "xmpp-client") as port:
            row, _certificates = look(port, alpn=offered)
            self.assertEqual((row["state"], row["alpn"]), ("seen", None))

    def test_names(self):
        """A server with several names shows the certificate of the one that is asked for."""
        second = (listeners.written("two.pem", made.certificate("two")), listeners.written("two.key", made.key("ec", "two")))
        with s_server("-servername", "two.example", "-cert2", second[0], "-key2", second[1]) as port:
            probes = [Probe(ADDRESS, port, name, "") for name in ("", "one.example", "two.example")]
            rows = sorted(look_at(probes, QUICK)["endpoints"], key=lambda row: row["index"])
        self.assertEqual([row["chain"][0] for row in rows], [listeners.digests()[0], listeners.digests()[0], made.digest(made.certificate("two"))])

    def test_client_certificate_demanded(self):
        """Who would not let us in shows what it has all the same."""
        for argument in ("-tls1_2", "-tls1_3"):
            with self.subTest(argument), s_server(argument, "-Verify", "1", "-verify_return_error") as port:
                row, _certificates = look(port)
                self.assertEqual((row["state"], row["chain"]), ("seen", listeners.digests()))

    def test_versions(self):
        """Each version is asked for by itself, also those that the library has given up; what is refused is false."""
        with s_server("-tls1_2") as port:
            row, _certificates = look(port, all_protocols=True)
        self.assertEqual(row["protocols"], {"SSLv3": False, "TLSv1": False, "TLSv1.1": False, "TLSv1.2": True, "TLSv1.3": False})
        with s_server("-cipher", "ALL:@SECLEVEL=0", "-min_protocol", "TLSv1") as port:
            row, _certificates = look(port, all_protocols=True)
        self.assertEqual((row["protocols"]["TLSv1.2"], row["protocols"]["TLSv1.3"], row["protocols"]["SSLv3"]), (True, True, False))

    def test_a_version_that_the_library_does_not_speak(self):
        """A server of SSLv3 alone: certificate and version are seen, and why there was no handshake."""
        der = made.in_der(made.certificate("old"))
        shown = listeners.server_hello(0x0300, 0x0005) + listeners.certificates(der) + listeners.HELLO_DONE
        with listener(listeners.saying(listeners.records(shown, 0x0300))) as port:
            row, certificates = look(port, all_protocols=True)
        self.assertEqual((row["state"], row["protocol"], row["cipher"]), ("seen", "SSLv3", "RC4-SHA"))
        self.assertRegex(row["reason"], "^refused the handshake: ")
        self.assertEqual(row["protocols"], {"SSLv3": True, "TLSv1": False, "TLSv1.1": False, "TLSv1.2": False, "TLSv1.3": False})
        self.assertEqual(base64.b64decode(certificates[row["chain"][0]]), der)

    def test_suites_that_the_library_does_not_know(self):
        """A server that refuses the library and goes on with our own ClientHello, which offers more."""
        der = made.in_der(made.certificate("old"))
        shown = listeners.records(listeners.server_hello(0x0303, 0x0005) + listeners.certificates(der) + listeners.HELLO_DONE)

        def behave(connection, _stopped):
            offered = connection.recv(1 << 14)
            known = b"\x00\x05\x00\x04\x00\x07" in offered
            connection.sendall(shown if known else b"\x15\x03\x03\x00\x02\x02\x28")
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1 << 14)

        with listener(behave) as port:
            row, _certificates = look(port)
        self.assertEqual((row["state"], row["cipher"]), ("seen", "RC4-SHA"))
        self.assertEqual(row["reason"], "refused the handshake: handshake failure (40)")

    def test_versions_that_are_met_with_silence_or_a_reset(self):
        """A reset is a no; silence is neither yes nor no."""
        shown = listeners.records(listeners.server_hello() + listeners.certificates(made.in_der(made.certificate("old"))) + listeners.HELLO_DONE)

        def behave(connection, stopped):
            offered = connection.recv(1 << 14)
            if offered[9:11] == b"\x03\x00":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif offered[9:11] in (b"\x03\x01", b"\x03\x02"):
                stopped.wait(20)
            else:
                connection.sendall(shown)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1 << 14)

        with listener(behave) as port:
            row, _certificates = look(port, all_protocols=True, handshake_seconds=0.4)
        self.assertEqual(row["protocols"], {"SSLv3": False, "TLSv1": None, "TLSv1.1": None, "TLSv1.2": True, "TLSv1.3": False})

    def test_a_name_that_cannot_be_asked_for(self):
        """Is a line, though the controller would have refused it."""
        with listener(listeners.speaking()) as port:
            row, _certificates = look(port, name=".example")
        self.assertEqual((row["state"], row["reason"]), ("failed", "was not asked, because '.example' is not a name that can be asked for"))

    def test_names_that_resolve(self):
        """To several addresses, of which one is deaf."""
        with listener(listeners.speaking()) as port:
            row, _certificates = look(port, host="localhost", name="localhost")
        self.assertEqual((row["state"], row["address"]), ("seen", ADDRESS))


class Stapled(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """An OCSP response for the leaf, by openssl."""
        leaf, authority = made.certificate("leaf", issuer="authority"), made.certificate("authority", ca=True)
        issuer, key = listeners.written("authority.pem", authority), listeners.written("authority.key", made.key("ec", "authority"))
        index = listeners.written("index", b"V\t301231235959Z\t\t03EC\tunknown\t/O=Test/CN=leaf\n")
        cls.response = os.path.join(listeners.folder(), "response.der")
        argv = ["ocsp", "-index", index, "-rsigner", issuer, "-rkey", key, "-CA", issuer, "-issuer", issuer, "-cert", listeners.written("leaf.pem", leaf)]
        made.openssl(*argv, "-respout", cls.response, "-ndays", "3")
        with open(cls.response, "rb") as file:
            cls.staple = file.read()

    def test_a_response_is_seen_in_every_version(self):
        """Also where TLS 1.3 alone is spoken, which only openssl can tell."""
        for arguments in ((), ("-tls1_2",), ("-tls1_3",)):
            with self.subTest(arguments), s_server("-status_file", self.response, *arguments) as port:
                row, _certificates = look(port, all_protocols=True)
                self.assertEqual(base64.b64decode(row["staple"] or ""), self.staple)

    def test_it_is_asked_for_where_the_certificate_names_a_responder(self):
        """One connection more, and only then."""
        key = listeners.written("aia.key", made.key("ec", "aia"))
        conf = b"[req]\ndistinguished_name=dn\n[dn]\n[ext]\nauthorityInfoAccess=OCSP;URI:http://ocsp.example\n"
        argv = ["req", "-x509", "-new", "-days", "3", "-subj", "/CN=aia", "-key", key, "-extensions", "ext", "-config", listeners.written("aia.conf", conf)]
        named = listeners.written("aia.pem", made.openssl(*argv))
        for arguments, expected in ((("-cert", named, "-key", key), self.staple), (("-tls1_2",), None)):
            with self.subTest(expected=bool(expected)), s_server("-status_file", self.response, *arguments) as port:
                row, _certificates = look(port)
                self.assertEqual(row["staple"] and base64.b64decode(row["staple"]), expected)


class NotSeen(unittest.TestCase):
    def test_nobody_and_nowhere(self):
        """A closed port, a name that is none, a port that takes no connection."""
        with socket.socket() as probe:
            probe.bind((ADDRESS, 0))
            port = probe.getsockname()[1]
            row, _certificates = look(port)
            self.assertEqual((row["state"], row["reason"]), ("closed", "cannot be connected to: Connection refused"))
            probe.listen(0)
            with contextlib.ExitStack() as full:
                for _number in range(5):
                    waiting = full.enter_context(socket.socket())
                    waiting.setblocking(False)
                    waiting.connect_ex((ADDRESS, port))
                row, _certificates = look(port, connect_seconds=0.3)
            self.assertEqual((row["state"], row["reason"]), ("unreachable", "took no connection within 0.3 s"))
        row, _certificates = look(443, host="nowhere.invalid")
        self.assertEqual(row["state"], "unreachable")
        self.assertRegex(row["reason"], "^cannot be resolved")
        row, _certificates = look(443, host="x" * 300)
        self.assertRegex(row["reason"], "^cannot be resolved")

    def test_stalled(self):
        """A listener that says nothing, and one that drips, cost no more than the time of a handshake."""

        def silent(_connection, stopped):
            stopped.wait(20)

        def dripping(connection, stopped):
            connection.sendall(b"\x16\x03\x03\x40\x00")
            while not stopped.wait(0.05):
                connection.sendall(b"\x02")

        for behave in (silent, dripping):
            with self.subTest(behave.__name__), listener(behave) as port:
                begin = time.monotonic()
                row, _certificates = look(port, handshake_seconds=0.5)
                self.assertLess(time.monotonic() - begin, 3)
                self.assertEqual((row["state"], row["reason"]), ("failed", "did not finish the handshake within 0.5 s"))

    def test_what_speaks_something_else(self):
        """Is told with the beginning of what it said, as text that no terminal obeys."""
        for said, told in (
            (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak TLS, it said 'SSH-2.0-OpenSSH_9.2'"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak TLS, it said 'HTTP/1.1 400 Bad Request'"),
            (b"\x1b[2J{{ 7*7 }}\xff\0", "does not speak TLS, it said '\\x1b[2J{{ 7*7 }}\\\\xff\\x00'"),
            (b"x" * 500, "does not speak TLS, it said '" + "x" * 80 + "...'"),
            (b"", "ended the connection instead of a handshake"),
            (b"\x15\x03\x01\x00\x02\x02\x28", "refused the handshake: handshake failure (40)"),
            (b"\x15\x03\x01\x00\x02\x02\x46", "refused the handshake: protocol version (70)"),
        ):
            with self.subTest(said[:20]), listener(listeners.saying(said)) as port:
                row, _certificates = look(port)
                self.assertEqual((row["state"], row["reason"]), ("failed", told))

    def test_resets(self):
        """A connection that is cut is a line."""

        def behave(connection, _stopped):
            connection.recv(100)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        with listener(behave) as port:
            row, _certificates = look(port)
        self.assertEqual((row["state"], row["reason"]), ("failed", "broke the connection during the handshake: Connection reset by peer"))

    def test_floods(self):
        """What never ends is read up to a bound, in records or not."""
        flood = listeners.records(b"\0" * 16000)

        def warnings(connection, stopped):
            while not stopped.is_set():
                connection.sendall(b"\x15\x03\x03\x00\x02\x01\x5a" * 1000)

        def empty(connection, stopped):
            while not stopped.is_set():
                connection.sendall(b"\x16\x03\x03\x00\x00" * 1000)

        def messages(connection, stopped):
            connection.sendall(listeners.records(listeners.server_hello()))
            while not stopped.is_set():
                connection.sendall(flood)

        for behave in (warnings, empty, messages):
            with self.subTest(behave.__name__), listener(behave) as port:
                begin = time.monotonic()
                row, _certificates = look(port)
                self.assertEqual((row["state"], bool(row["reason"])), ("failed", True))
                self.assertLess(time.monotonic() - begin, 5)

    def test_huge_and_many_certificates(self):
        """A message that is too big is named with its size; of thousands of certificates the first are kept and all are counted."""
        huge = listeners.records(listeners.server_hello() + listeners.certificates(os.urandom(1 << 18)))
        with listener(listeners.saying(huge)) as port:
            row, certificates = look(port)
        self.assertEqual((row["state"], certificates), ("failed", {}))
        self.assertRegex(row["reason"], "^sent a handshake message of 262[0-9]{3} bytes, at most 131072 are read$")
        many = [b"\x30\x02\x05" + bytes((number & 0xFF,)) for number in range(9000)]
        with listener(listeners.saying(listeners.records(listeners.server_hello() + listeners.certificates(*many) + listeners.HELLO_DONE))) as port:
            row, certificates = look(port)
        self.assertEqual((row["state"], len(row["chain"]), row["chain_count"], len(certificates)), ("seen", 50, 9000, 50))

    def test_certificates_beyond_the_bound_of_an_answer(self):
        """They are not kept, and the line says so."""
        before, engine.MOST_BYTES = engine.MOST_BYTES, 500
        try:
            with listener(listeners.speaking()) as port:
                row, certificates = look(port)
        finally:
            engine.MOST_BYTES = before
        self.assertEqual((row["state"], certificates), ("failed", {}))
        self.assertRegex(row["reason"], "^showed certificates that were not kept")

    def test_random_bytes(self):
        """Whatever comes, there is a row."""
        for size in (1, 5, 6, 100, 5000):
            for head in (b"", b"\x16\x03\x03" + size.to_bytes(2, "big"), b"\x16\x03\x03\x00\x30\x02\x00\x00\x2c"):
                with self.subTest(size=size, head=head), listener(listeners.saying(head + os.urandom(size))) as port:
                    row, _certificates = look(port)
                    self.assertEqual((row["state"], bool(row["reason"])), ("failed", True))


class Many(unittest.TestCase):
    def test_bad_ones_among_good_ones(self):
        """Every endpoint has a row, in little more than the time of the slowest, and each row is told as it comes."""

        def silent(_connection, stopped):
            stopped.wait(20)

        told = []
        with listener(silent) as deaf, listener(listeners.speaking()) as good:
            probes = [Probe(ADDRESS, deaf if number % 4 == 0 else good, "", "") for number in range(40)]
            begin = time.monotonic()
            answer = look_at(probes, QUICK._replace(handshake_seconds=1), lambda row, _certificates: told.append(row))
            took = time.monotonic() - begin
        self.assertEqual(sorted(row["index"] for row in answer["endpoints"]), list(range(40)))
        self.assertEqual([row["state"] for row in answer["endpoints"]].count("seen"), 30)
        self.assertEqual(len(told), 40)
        self.assertEqual(len(answer["certificates"]), 2)
        self.assertLess(took, 5)

    def test_rate(self):
        """So many connections a second, and no more."""
        with listener(listeners.speaking()) as port:
            begin = time.monotonic()
            look_at([Probe(ADDRESS, port, "", "")] * 11, QUICK._replace(rate=20))
            took = time.monotonic() - begin
        self.assertGreaterEqual(took, 0.5)

    def test_an_end(self):
        """What there was no time for is counted."""

        def silent(_connection, stopped):
            stopped.wait(20)

        with listener(silent) as port:
            answer = look_at([Probe(ADDRESS, port, "", "")] * 10, QUICK._replace(concurrency=2, handshake_seconds=0.3, max_seconds=0.2))
        self.assertEqual((len(answer["endpoints"]), answer["left_over"]), (2, 8))

    def test_a_timeout_from_outside_is_not_swallowed(self):
        """What is no Exception ends the scan wherever it is raised."""

        class Timeout(BaseException):
            pass

        def raising(_row, _certificates):
            raise Timeout

        with listener(listeners.speaking()) as port, self.assertRaises(Timeout):
            look_at([Probe(ADDRESS, port, "", "")], QUICK, raising)

    def test_nothing_is_left_open(self):
        """No descriptor outlives a scan."""
        with listener(listeners.saying(b"SSH-2.0-x\r\n")) as port, s_server("-tls1_3") as second:
            look_at([Probe(ADDRESS, port, "", "")], QUICK)
            before = len(os.listdir("/proc/self/fd"))
            look_at([Probe(ADDRESS, port, "", ""), Probe(ADDRESS, second, "", "")] * 5, QUICK._replace(all_protocols=True))
            self.assertLessEqual(len(os.listdir("/proc/self/fd")), before + 2)


class Openssl(unittest.TestCase):
    def test_without_openssl(self):
        """A machine without it tells what the library knows."""
        path = os.environ.get("PATH", "")
        real = engine.by_openssl
        self.assertTrue(path)

        async def none(*_arguments, **_more):
            return (), None

        engine.by_openssl = none
        try:
            with s_server("-tls1_3") as port:
                row, _certificates = look(port, all_protocols=True)
        finally:
            engine.by_openssl = real
        self.assertEqual((row["state"], row["chain"][0], row["staple"]), ("seen", listeners.digests()[0], None))


class Said(unittest.TestCase):
    def test_text_is_short_and_printable(self):
        """Whatever the bytes are."""
        for data in (os.urandom(200), b"\x1b]0;x\x07", b"\xe2\x80\xae", b"a\r\nb\r\n"):
            text = wire.said(data)
            self.assertTrue(text.isascii() if hasattr(text, "isascii") else all(ord(sign) < 128 for sign in text))
            self.assertTrue(text.isprintable())
            self.assertLess(len(text), 1000)
