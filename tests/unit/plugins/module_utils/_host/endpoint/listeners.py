# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listeners on the loopback interface for tests: real TLS, scripted conversations, and raw bytes."""

import atexit
import contextlib
import functools
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host import made

ADDRESS = "127.0.0.1"


@functools.lru_cache(maxsize=None)  # noqa: UP033 (functools.cache needs Python 3.9)
def folder():
    """A folder for all tests of a process."""
    path = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def written(name, content):
    """The path of a file with this content."""
    path = os.path.join(folder(), name)
    with open(path, "wb") as file:
        file.write(content)
    return path


@functools.lru_cache(maxsize=None)  # noqa: UP033
def pair():
    """Paths of a chain (leaf, issuer) and of the leaf's key."""
    chain = made.certificate("leaf", issuer="authority") + made.certificate("authority", ca=True)
    return written("chain.pem", chain), written("leaf.key", made.key("ec", "leaf"))


def digests():
    """The SHA-256 of what pair() shows."""
    return [made.digest(made.certificate("leaf", issuer="authority")), made.digest(made.certificate("authority", ca=True))]


def server_context(alpn=()):
    """What a server shows the pair with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair())
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


@contextlib.contextmanager
def listener(behave):
    """A listener that does `behave(connection, stopped)` with each connection, all at a time; yields its port."""
    listening = socket.socket()
    listening.bind((ADDRESS, 0))
    listening.listen(50)
    stopped = threading.Event()
    threads = []

    def one(connection):
        with connection, contextlib.suppress(OSError, ValueError, AssertionError):
            connection.settimeout(20)
            behave(connection, stopped)

    def serve():
        while not stopped.is_set():
            with contextlib.suppress(OSError):
                connection = listening.accept()[0]
                threads.append(threading.Thread(target=one, args=(connection,)))
                threads[-1].start()

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        yield listening.getsockname()[1]
    finally:
        stopped.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        serving.join(10)
        for thread in threads:
            thread.join(10)


def speaking(talk=None, context=None):
    """What holds a conversation in plain text and then shows the pair."""
    context = context or server_context()

    def behave(connection, _stopped):
        if talk is not None:
            talk(connection)
        with context.wrap_socket(connection, server_side=True) as channel:
            channel.recv(1)

    return behave


def saying(data):
    """What reads a ClientHello and answers these bytes, whatever it was."""

    def behave(connection, _stopped):
        connection.recv(1 << 14)
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 14):
            pass

    return behave


@contextlib.contextmanager
def s_server(*arguments):
    """An `openssl s_server` that shows the pair; yields its port."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port = probe.getsockname()[1]
    chain, key = pair()
    above = written("above.pem", made.certificate("authority", ca=True))
    argv = ["openssl", "s_server", "-accept", f"{ADDRESS}:{port}", "-cert", chain, "-cert_chain", above, "-key", key, "-www", "-quiet"]
    process = subprocess.Popen(argv + list(arguments), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 10
        while time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection((ADDRESS, port), 1).close()
                break
            time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait()


def vector(content, size):
    """Content behind its length."""
    return len(content).to_bytes(size, "big") + content


def message(kind, body):
    """A handshake message."""
    return bytes((kind,)) + vector(body, 3)


def records(content, version=0x0303, kind=22):
    """Handshake messages in records of at most 16 kB."""
    pieces = [content[at : at + 16000] for at in range(0, len(content), 16000)]
    return b"".join(bytes((kind,)) + version.to_bytes(2, "big") + vector(piece, 2) for piece in pieces)


def server_hello(version=0x0303, suite=0xC02B, extensions=b""):
    """A ServerHello."""
    return message(2, version.to_bytes(2, "big") + bytes(32) + b"\0" + suite.to_bytes(2, "big") + b"\0" + (vector(extensions, 2) if extensions else b""))


def certificates(*ders):
    """A Certificate message."""
    return message(11, vector(b"".join(vector(der, 3) for der in ders), 3))


HELLO_DONE = message(14, b"")
