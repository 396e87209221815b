# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conversations before TLS: with doubles that say what the RFCs say, and with ones that do not."""

import os
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint.engine import Probe, Settings, look_at
from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint.starttls import PROTOCOLS
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.endpoint import listeners
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.endpoint.listeners import ADDRESS, listener

QUICK = Settings(concurrency=5, connect_seconds=2, starttls_seconds=1, handshake_seconds=2)
FEATURES = b"<?xml version='1.0'?><stream:stream xmlns:stream='s' id='1'><stream:features>%s</stream:features>"
TLS_FEATURE = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
LDAP_REQUEST = bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"
LDAP_CONSENT = bytes.fromhex("300c02010178070a010004000400")
POSTGRES_REQUEST = bytes.fromhex("0000000804d2162f")


def mysql_greeting(able):
    """HandshakeV10 with these capabilities."""
    body = b"\x0a8.0.1-double\0" + b"\1\0\0\0" + b"saltsalt\0" + able.to_bytes(2, "little") + b"\x21\2\0" + bytes(15) + b"saltsaltsalt\0"
    return len(body).to_bytes(3, "little") + b"\0" + body


def scripted(*steps):
    """What says the texts of the steps and wants to hear the patterns in between, each with its end."""

    def talk(connection):
        for said, heard in steps:
            connection.sendall(said)
            got = b""
            while heard and not got.endswith(heard):
                piece = connection.recv(1)
                if not piece:
                    raise OSError("it ended")
                got += piece

    return talk


GOOD = {
    "smtp": scripted(
        (b"220-mail ESMTP\r\n220 ready\r\n", b"EHLO [127.0.0.1]\r\n"),
        (b"250-mail\r\n250-SIZE\r\n250-STARTTLS\r\n250 HELP\r\n", b"STARTTLS\r\n"),
        (b"220 go\r\n", b""),
    ),
    "ftp": scripted((b"220-hello\r\n  it is us\r\n220 ready\r\n", b"AUTH TLS\r\n"), (b"234 go\r\n", b"")),
    "imap": scripted((b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n", b" STARTTLS\r\n"), (b"* CAPABILITY IMAP4rev1\r\nc1 OK go\r\n", b"")),
    "pop3": scripted((b"+OK ready\r\n", b"STLS\r\n"), (b"+OK go\r\n", b"")),
    "nntp": scripted((b"201 ready\r\n", b"STARTTLS\r\n"), (b"382 go\r\n", b"")),
    "sieve": scripted(
        (b'"IMPLEMENTATION" "double"\r\n"SIEVE" "fileinto"\r\n"STARTTLS"\r\n"VERSION" "1.0"\r\nOK "ready"\r\n', b"STARTTLS\r\n"), (b'OK "go"\r\n', b"")
    ),
    "irc": scripted((b":irc NOTICE * :*** looking up\r\n", b"STARTTLS\r\n"), (b":irc 670 * :STARTTLS successful\r\n", b"")),
    "ldap": scripted((b"", LDAP_REQUEST), (LDAP_CONSENT, b"")),
    "postgres": scripted((b"", POSTGRES_REQUEST), (b"S", b"")),
    "mysql": scripted((mysql_greeting(0xFFFF), b"\x20\x00\x00\x01\x00\x8a\x08\x00\x00\x00\x00\x01\x21" + bytes(23))),
    "xmpp": scripted(
        (b"", b"to='chat.example' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"),
        (FEATURES % TLS_FEATURE, b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
        (b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", b""),
    ),
    "xmpp-server": scripted(
        (b"", b"xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>"),
        (FEATURES % TLS_FEATURE, b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
        (b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", b""),
    ),
}
GREETING = b"220 mail ESMTP\r\n"
# What is said in answer to anything, and the reason that follows.
BAD = (
    ("smtp", (b"554 no\r\n",), "does not greet as SMTP does, it said '554 no'"),
    ("smtp", (b"SSH-2.0-x\r\n",), "does not speak the expected protocol, it said 'SSH-2.0-x'"),
    ("smtp", (GREETING, b"250-mail\r\n250 HELP\r\n"), "does not offer STARTTLS, it said '250 HELP'"),
    ("smtp", (GREETING, b"250 STARTTLS\r\n", b"454 not now\r\n"), "refused STARTTLS, it said '454 not now'"),
    ("smtp", (GREETING, b"250 STARTTLS\r\n", b"220 go\r\n250 injected\r\n"), "said 14 more bytes in plain text after it agreed to TLS"),
    ("smtp", (b"220-again\r\n" * 200,), "sent more than 100 lines as one reply"),
    ("smtp", (b"220 " + b"x" * 10000,), "sent a line of more than 4096 bytes during the conversation in smtp: '220 " + "x" * 76 + "...'"),
    ("smtp", (b"220",), "ended the connection during the conversation in smtp after '220'"),
    ("ftp", (b"421 full\r\n",), "does not greet as FTP does, it said '421 full'"),
    ("ftp", (b"220 ready\r\n", b"530 no\r\n"), "refused AUTH TLS, it said '530 no'"),
    ("imap", (b"* BYE no\r\n",), "does not greet as IMAP does, it said '* BYE no'"),
    ("imap", (b"* OK\r\n", b"c1 BAD no\r\n"), "refused STARTTLS, it said 'c1 BAD no'"),
    ("imap", (b"* OK\r\n", b"* x\r\n" * 300), "sent more than 100 lines and not the one that was waited for"),
    ("pop3", (b"-ERR no\r\n",), "does not greet as POP3 does, it said '-ERR no'"),
    ("pop3", (b"+OK\r\n", b"-ERR no\r\n"), "refused STLS, it said '-ERR no'"),
    ("nntp", (b"400 no\r\n",), "does not greet as NNTP does, it said '400 no'"),
    ("nntp", (b"200 yes\r\n", b"502 no\r\n"), "refused STARTTLS, it said '502 no'"),
    ("sieve", (b"BYE\r\n",), "does not greet as ManageSieve does, it said 'BYE'"),
    ("sieve", (b"OK\r\n",), "does not offer STARTTLS, it said 'OK'"),
    ("sieve", (b'"STARTTLS"\r\nOK\r\n', b"NO\r\n"), "refused STARTTLS, it said 'NO'"),
    ("irc", (b"", b":irc 421 * STARTTLS :Unknown command\r\n"), "refused STARTTLS, it said ':irc 421 * STARTTLS :Unknown command'"),
    ("ldap", (b"", b"HTTP/1.1 400\r\n\r\n"), "does not answer as LDAP does, it said 'HT'"),
    ("ldap", (b"", b"\x30\x84\xff\xff\xff\xff"), "does not answer as LDAP does, it said '0\\\\x84\\\\xff\\\\xff\\\\xff\\\\xff'"),
    ("ldap", (b"", b"\x30\x03\x02\x01\x01"), "does not answer as LDAP does, it said '0\\x03\\x02\\x01\\x01'"),
    ("ldap", (b"", bytes.fromhex("300c02010178070a013404000400")), "refused StartTLS with the result code 52"),
    ("postgres", (b"", b"N"), "refused SSLRequest: its TLS is switched off"),
    ("postgres", (b"", b"E\0\0\0"), "does not answer as PostgreSQL does, it said 'E'"),
    ("mysql", (mysql_greeting(0x0200),), "does not offer TLS in its greeting"),
    ("mysql", (b"\x1a\0\0\0\xff\x69\x04Host 'x' is not allowed",), "refused the connection, it said \"Host 'x' is not allowed\""),
    ("mysql", (b"SSH-2.0-OpenSSH\r\n",), "does not greet as MySQL does, it said 'SSH-'"),
    ("xmpp", (b"", FEATURES % b""), "does not offer STARTTLS"),
    ("xmpp", (b"", FEATURES % TLS_FEATURE, b"<failure/></stream:stream>"), "refused STARTTLS, it said '<failure/></stream:stream>'"),
    ("xmpp", (b"", b"<" * 9000), "sent more than 4096 bytes during the conversation in xmpp"),
)


def look(port, protocol, name=""):
    """The row of one endpoint."""
    return look_at([Probe(ADDRESS, port, name, protocol)], QUICK)["endpoints"][0]


class Conversations(unittest.TestCase):
    def test_each_protocol(self):
        """The chain behind every conversation, seen by the library and by a ClientHello of our own."""
        self.assertEqual(set(GOOD), set(PROTOCOLS))
        for protocol, talk in GOOD.items():
            with self.subTest(protocol), listener(listeners.speaking(talk)) as port:
                answer = look_at([Probe(ADDRESS, port, "chat.example", protocol)], QUICK._replace(all_protocols=True))
                (row,) = answer["endpoints"]
                self.assertEqual((row["state"], row["reason"], row["chain"]), ("seen", None, listeners.digests()))
                self.assertIs(row["protocols"]["TLSv1.2"], True)

    def test_what_goes_wrong_is_told(self):
        """Who speaks another protocol, does not agree, or goes on in plain text."""

        def saying(answers):
            def behave(connection, _stopped):
                connection.sendall(answers[0])
                for answer in answers[1:]:
                    connection.recv(4096)
                    connection.sendall(answer)
                connection.shutdown(1)
                while connection.recv(4096):
                    pass

            return behave

        for protocol, answers, reason in BAD:
            with self.subTest(protocol, reason=reason), listener(saying(answers)) as port:
                row = look(port, protocol)
                self.assertEqual(row["state"], "failed")
                self.assertEqual(row["reason"][: len(reason)], reason)

    def test_silence_and_noise(self):
        """In each protocol a listener that says nothing, and one that says anything, is a line."""

        def silent(_connection, stopped):
            stopped.wait(20)

        names = sorted(PROTOCOLS)
        with listener(silent) as deaf, listener(listeners.saying(os.urandom(6000))) as noisy:
            probes = [Probe(ADDRESS, port, "", protocol) for port in (deaf, noisy) for protocol in names]
            rows = sorted(look_at(probes, QUICK._replace(concurrency=30))["endpoints"], key=lambda row: row["index"])
        self.assertEqual([row["reason"] for row in rows[: len(names)]], [f"did not finish the conversation in {name} within 1 s" for name in names])
        self.assertEqual({row["state"] for row in rows}, {"failed"})
