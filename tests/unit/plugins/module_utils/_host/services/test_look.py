# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at listeners, against real servers on the loopback interface."""

import base64
import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from ansible_collections.certops.fleet.plugins.module_utils._host.services.look import look, look_service

FOLDER = ""
KEYS = {
    "rsa": ["-newkey", "rsa:2048"],
    "weak": ["-newkey", "rsa:1024"],
    "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
    "ed25519": ["-newkey", "ed25519"],
}


def setUpModule():
    """One certificate of each kind of key."""
    global FOLDER  # noqa: PLW0603
    FOLDER = tempfile.mkdtemp()
    for kind, arguments in KEYS.items():
        argv = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", f"/CN={kind}", "-keyout", path(kind, "key"), "-out", path(kind, "crt")]
        subprocess.run(argv + arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def tearDownModule():
    """Nothing is left."""
    shutil.rmtree(FOLDER)


def path(kind, what):
    """Where a key or certificate lies."""
    return os.path.join(FOLDER, f"{kind}.{what}")


def digest(kind):
    """The SHA-256 of a certificate, by openssl."""
    der = subprocess.run(["openssl", "x509", "-in", path(kind, "crt"), "-outform", "DER"], check=True, stdout=subprocess.PIPE).stdout
    return hashlib.sha256(der).hexdigest()


def spki(kind):
    """The SHA-256 of a public key, by openssl."""
    der = subprocess.run(["openssl", "pkey", "-in", path(kind, "key"), "-pubout", "-outform", "DER"], check=True, stdout=subprocess.PIPE).stdout
    return hashlib.sha256(der).hexdigest()


def free_port(family=socket.AF_INET):
    """A port that nobody has now."""
    with socket.socket(family) as probe:
        probe.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(address, port, process):
    """Until somebody accepts a connection."""
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection((address, port), 1).close()
            return
        time.sleep(0.02)
    raise AssertionError("the server did not come up")


@contextlib.contextmanager
def server(kind, *arguments, address="127.0.0.1"):
    """An `openssl s_server` on a port of its own; yields the port."""
    port = free_port(socket.AF_INET6 if ":" in address else socket.AF_INET)
    place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    argv = ["openssl", "s_server", "-accept", place, "-cert", path(kind, "crt"), "-key", path(kind, "key"), "-www", "-quiet"]
    process = subprocess.Popen(argv + list(arguments), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(address, port, process)
        yield port
    finally:
        process.kill()
        process.wait()


def both(*arguments):
    """Arguments of a server that has an RSA and an EC certificate."""
    return ("-dcert", path("ec", "crt"), "-dkey", path("ec", "key"), *arguments)


@contextlib.contextmanager
def peer(behave):
    """A listener that does `behave(connection)` with each connection; yields its port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(5)
    stopped = threading.Event()

    def serve():
        while not stopped.is_set():
            with contextlib.suppress(OSError):
                connection = listener.accept()[0]
                with connection:
                    behave(connection, stopped)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stopped.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


class Shown(unittest.TestCase):
    def test_one_certificate(self):
        """A look tells the certificate, its public key and its DER, as openssl has them."""
        with server("rsa") as port:
            seen = look("127.0.0.1", port, "", "any")
        self.assertEqual((seen["sha256"], seen["spki"], seen["error"]), (digest("rsa"), spki("rsa"), None))
        self.assertEqual(hashlib.sha256(base64.b64decode(seen["der"])).hexdigest(), digest("rsa"))
        self.assertEqual((seen["address"], seen["port"], seen["name"], seen["key_type"]), ("127.0.0.1", port, "", "any"))

    def test_protocols_keys_and_demands(self):
        """The certificate is seen in every version, with every kind of key, and when a client certificate is demanded."""
        for kind, arguments in (
            ("rsa", ("-tls1_2",)),
            ("rsa", ("-tls1_3",)),
            ("ec", ("-tls1_2",)),
            ("ed25519", ()),
            ("ed25519", ("-tls1_2",)),
            ("weak", ("-cipher", "ALL:@SECLEVEL=0")),
            ("rsa", ("-tls1", "-cipher", "ALL:@SECLEVEL=0")),
            ("rsa", ("-tls1_2", "-Verify", "1", "-verify_return_error")),
            ("rsa", ("-tls1_3", "-Verify", "1", "-verify_return_error")),
            ("ec", ("-tls1_2", "-Verify", "1", "-verify_return_error")),
        ):
            with self.subTest(kind=kind, arguments=arguments), server(kind, *arguments) as port:
                for key_type in ("any", "rsa" if kind == "weak" else kind):
                    seen = look("127.0.0.1", port, "", key_type)
                    self.assertEqual((seen["sha256"], seen["error"]), (digest(kind), None), key_type)

    def test_two_certificates_for_one_name(self):
        """Asked for a kind of key, a server with several shows that one; in TLS 1.2, in TLS 1.3 alone, and with a client certificate demanded."""
        for arguments in (
            (),
            ("-tls1_2",),
            ("-tls1_3",),
            ("-tls1_2", "-Verify", "1", "-verify_return_error"),
            ("-tls1_3", "-Verify", "1", "-verify_return_error"),
        ):
            with self.subTest(arguments=arguments), server("rsa", *both(*arguments)) as port:
                for key_type in ("rsa", "ec"):
                    self.assertEqual(look("127.0.0.1", port, "", key_type)["sha256"], digest(key_type))
                self.assertIn(look("127.0.0.1", port, "", "any")["sha256"], (digest("rsa"), digest("ec")))

    def test_kind_of_key_that_is_not_there(self):
        """A kind of key that the server has not is told, not mistaken."""
        for arguments in (("-tls1_2",), ("-tls1_3",)):
            with self.subTest(arguments=arguments), server("rsa", *arguments) as port:
                for key_type in ("ec", "ed25519"):
                    seen = look("127.0.0.1", port, "", key_type)
                    self.assertEqual((seen["sha256"], seen["error"]), (None, f"127.0.0.1:{port} has no certificate with a key of type {key_type!r}"))

    def test_names(self):
        """A DNS name is asked for, with and without a trailing dot; an address or nothing is not."""
        second = ("-servername", "two.example", "-cert2", path("ec", "crt"), "-key2", path("ec", "key"))
        with server("rsa", *second) as port:
            for name, kind in (
                ("two.example", "ec"),
                ("two.example.", "ec"),
                ("one.example", "rsa"),
                ("", "rsa"),
                ("192.0.2.1", "rsa"),
                ("2001:db8::1", "rsa"),
            ):
                with self.subTest(name=name):
                    self.assertEqual(look("127.0.0.1", port, name, "any")["sha256"], digest(kind))

    def test_ipv6(self):
        """A listener on ::1 is seen, by the library and by openssl."""
        try:
            free_port(socket.AF_INET6)
        except OSError as exc:
            self.skipTest(f"no IPv6 here: {exc}")
        with server("rsa", "-tls1_3", address="::1") as port:
            for key_type in ("any", "rsa"):
                self.assertEqual(look("::1", port, "", key_type)["sha256"], digest("rsa"))


class NotShown(unittest.TestCase):
    def test_nobody_listens(self):
        """A refused connection is one sentence."""
        port = free_port()
        self.assertEqual(look("127.0.0.1", port, "", "any")["error"], f"127.0.0.1:{port} cannot be connected to: Connection refused")

    def test_stalled(self):
        """A listener that says nothing, and one that drips, cost no more than the time of a look."""

        def silent(_connection, stopped):
            stopped.wait(20)

        def dripping(connection, stopped):
            connection.sendall(b"\x16\x03\x03\x40\x00")
            while not stopped.wait(0.1):
                connection.sendall(b"\x02")

        for behave in (silent, dripping):
            for key_type in ("any", "rsa", "ed25519"):
                with self.subTest(behave=behave.__name__, key_type=key_type), peer(behave) as port:
                    begin = time.monotonic()
                    seen = look("127.0.0.1", port, "", key_type, seconds=0.7)
                    self.assertLess(time.monotonic() - begin, 2)
                    self.assertEqual((seen["sha256"], seen["error"]), (None, f"127.0.0.1:{port} did not answer within the time of a look"))

    def test_garbage(self):
        """Something that does not speak TLS, or hangs up, is one sentence and no exception."""
        for answer in (b"SSH-2.0-x\r\n", b"HTTP/1.0 400 no\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x28", b"\0" * 70000, os.urandom(5000), b""):
            with self.subTest(answer=answer[:20]), peer(lambda connection, _stopped, answer=answer: connection.sendall(answer)) as port:
                seen = look("127.0.0.1", port, "", "any")
                self.assertIsNone(seen["sha256"])
                self.assertRegex(seen["error"], rf"\A127\.0\.0\.1:{port} (refused|ended) the handshake: [ -~]+\Z")

    def test_questions_that_make_no_sense(self):
        """Names that cannot be sent and unknown kinds of keys are refused in words."""
        for name, key_type, message in (
            ("b\xfccher.example", "any", "127.0.0.1:1 was not asked, because 'b\\xfccher.example' is not a DNS name of ASCII letters"),
            ("*.example", "any", "127.0.0.1:1 was not asked, because '*.example' is not a DNS name of ASCII letters"),
            ("a" * 300, "any", "127.0.0.1:1 was not asked, because '" + "a" * 300 + "' is not a DNS name of ASCII letters"),
            ("a.example", "dsa", "127.0.0.1:1 was not asked, because the key type must be one of any, rsa, ec, ed25519, got 'dsa'"),
        ):
            with self.subTest(name=name):
                self.assertEqual(look("127.0.0.1", 1, name, key_type)["error"], message)

    def test_addresses_that_make_no_sense(self):
        """An address or port that cannot be is told like one that does not answer."""
        for address, port in (("127.0.0.1", 99999999999), ("no such host\0", 1), ("256.0.0.1.", 1)):
            with self.subTest(address=address):
                self.assertIn(" cannot be connected to: ", look(address, port, "", "any")["error"])


class Service(unittest.TestCase):
    def test_each_listener_name_and_key_type(self):
        """Every listener of the uses is asked for every name and key type, and equal answers are told once."""
        with server("rsa", *both()) as first, server("ec") as second:
            service = {"listeners": [{"address": "127.0.0.1", "port": first}, {"address": "127.0.0.1", "port": second}, {"address": "127.0.0.1", "port": 1}]}
            uses = [{"names": ["a.example", "b.example"], "listeners": [0]}, {"names": [], "listeners": [0, 1]}]
            seen = look_service(service, uses, ["rsa", "ec"], names=["c.example"])
        self.assertEqual(
            [(each["port"], each["name"], each["key_type"], each["sha256"]) for each in seen],
            [(first, name, kind, digest(kind)) for name in ("a.example", "b.example", "c.example") for kind in ("rsa", "ec")]
            + [(second, "c.example", "rsa", None), (second, "c.example", "ec", digest("ec"))],
        )

    def test_silent_listener_is_asked_once(self):
        """A listener nobody answers at is not asked again for each name."""
        port = free_port()
        seen = look_service({"listeners": [{"address": "127.0.0.1", "port": port}]}, [{"names": ["a.example", "b.example"], "listeners": [0]}], ["any"])
        self.assertEqual([each["name"] for each in seen], ["a.example"])


if __name__ == "__main__":
    unittest.main()
