# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own ClientHello, as openssl reads it, and what is read of a server's answer."""

import os
import subprocess
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint import hello
from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint.openssl import read_messages
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.endpoint import listeners

SHOWN = listeners.server_hello(0x0303, 0xC02F, b"\0\x10\0\x05\0\x03\x02h2") + listeners.certificates(b"one", b"two")
STATUS = listeners.message(22, b"\x01" + listeners.vector(b"response", 3))


def heard(data, step=None):
    """What is read of these bytes, all at once or in pieces."""
    reply = hello.Reply()
    for at in range(0, len(data), step or max(1, len(data))):
        reply.feed(data[at : at + (step or len(data))])
    reply.ended()
    return reply


class ClientHello(unittest.TestCase):
    def test_its_shape(self):
        """Lengths add up in every version; a name is in it from TLS 1.0 on."""
        for version in hello.VERSIONS:
            for name in (None, "www.example.com"):
                data = hello.client_hello(version, name)
                self.assertEqual(len(data), 5 + int.from_bytes(data[3:5], "big"))
                self.assertEqual(len(data), 9 + int.from_bytes(data[6:9], "big"))
                self.assertEqual(int.from_bytes(data[9:11], "big"), min(version, 0x0303))
                self.assertEqual(b"www.example.com" in data, bool(name) and version > 0x0300)

    def test_openssl_understands_it(self):
        """A server takes it for what it is in the versions that it has."""
        with listeners.s_server() as port:
            for version, taken in ((0x0303, 0x0303), (0x0304, 0x0304)):
                with listeners.socket.create_connection((listeners.ADDRESS, port), 5) as connection:
                    connection.sendall(hello.client_hello(version, None))
                    reply = hello.Reply()
                    while not reply.done:
                        data = connection.recv(4096)
                        if not data:
                            break
                        reply.feed(data)
                self.assertEqual((reply.version, reply.alert), (taken, None))

    def test_suites_have_openssls_names(self):
        """Those that this machine's openssl knows are called as it calls them."""
        listed = subprocess.run(["openssl", "ciphers", "-V", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"], stdout=subprocess.PIPE, check=True).stdout.decode()
        known = {}
        for line in listed.splitlines():
            number, _dash, name = line.split()[:3]
            known[int(number.replace(",0x", ""), 16)] = name
        for number, name in list(hello.SUITES.items()) + list(hello.SUITES13.items()):
            self.assertEqual(known.get(number, name), name)
        self.assertGreater(len(set(known) & set(hello.SUITES)), 20)
        self.assertEqual(hello.suite_name(0xABCD), "0xABCD")


class Replies(unittest.TestCase):
    def test_everything_that_is_in_the_clear(self):
        """However it is cut into records and pieces."""
        data = listeners.records(SHOWN + STATUS + listeners.HELLO_DONE)
        split = b"".join(listeners.records(bytes((byte,))) for byte in SHOWN + STATUS + listeners.HELLO_DONE)
        for bytes_, step in ((data, None), (data, 1), (data, 7), (split, None), (split, 3)):
            reply = heard(bytes_, step)
            self.assertEqual((reply.version, reply.suite, reply.alpn), (0x0303, 0xC02F, "h2"))
            self.assertEqual((reply.certificates, reply.count, reply.staple, reply.done), ((b"one", b"two"), 2, b"response", True))

    def test_tls13_ends_with_the_server_hello(self):
        """What comes after it is encrypted; the version stands in an extension."""
        reply = heard(listeners.records(listeners.server_hello(0x0303, 0x1302, b"\0\x2b\0\x02\x03\x04")) + b"\x17\x03\x03\x00\x02xx")
        self.assertEqual((reply.version, reply.suite, reply.certificates), (0x0304, 0x1302, ()))

    def test_refusals(self):
        """An alert, no TLS, a message that is too big, an end."""
        for data, told in (
            (b"\x15\x03\x03\x00\x02\x02\x28", "refused the handshake: handshake failure (40)"),
            (b"\x15\x03\x03\x00\x02\x02\xc8", "refused the handshake: alert (200)"),
            (b"GET / HTTP/1.1", "does not speak TLS"),
            (b"\x16\x03", "does not speak TLS"),
            (listeners.records(b"\x0b\x02\x00\x01" + bytes(100)), "sent a handshake message of 131073 bytes, at most 131072 are read"),
            (b"", "ended the handshake early"),
        ):
            self.assertEqual(heard(data).refusal, told)

    def test_cut_off_and_changed_anywhere(self):
        """Nothing is raised, and nothing is read twice or forever."""
        data = listeners.records(SHOWN + STATUS + listeners.HELLO_DONE)
        for at in range(len(data)):
            heard(data[:at])
            for byte in (0, 0x7F, 0xFF):
                reply = heard(data[:at] + bytes((byte,)) + data[at + 1 :])
                self.assertLessEqual(len(reply.certificates), hello.MOST_CERTIFICATES)
        for size in (1, 100, 20000):
            heard(os.urandom(size))

    def test_message_of_tls13(self):
        """Certificates with their extensions, of which the first carries the OCSP response."""
        status = b"\0\x05" + listeners.vector(b"\x01" + listeners.vector(b"response", 3), 2)
        body = b"\0" + listeners.vector(listeners.vector(b"one", 3) + listeners.vector(status, 2) + listeners.vector(b"two", 3) + b"\0\0", 3)
        self.assertEqual(hello.certificate_message13(body), ([b"one", b"two"], b"response"))
        for at in range(len(body)):
            hello.certificate_message13(body[:at])

    def test_what_openssl_prints(self):
        """Hexadecimal in lines; anything else is nothing."""
        body = bytes.fromhex("0b00000f00 00000b 000003 6f6e65 0000".replace(" ", ""))
        lines = "".join(f"    {' '.join(f'{byte:02x}' for byte in body[at : at + 16])}\n" for at in range(0, len(body), 16))
        printed = f"CONNECTED(3)\n<<< TLS 1.3, Handshake [length 0013], Certificate\n{lines}>>> x\n".encode()
        self.assertEqual(read_messages(printed), ((b"one",), None))
        for other in (b"", b"CONNECTED", printed.replace(b"Certificate", b"Finished"), printed.replace(b" 6f", b" zz")):
            self.assertEqual(read_messages(other), ((), None))
