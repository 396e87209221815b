# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small TLS service for the demo: it reloads on SIGHUP and keeps what it had when the new files are bad.

server.py check CERTIFICATE KEY                  load the pair and say whether it fits
server.py serve CERTIFICATE KEY PORT PID_FILE    serve it on 127.0.0.1 until SIGTERM
"""

import os
import signal
import socket
import ssl
import sys
import threading


def load(certificate: str, key: str) -> ssl.SSLContext:
    """Level 0, because the estate of the demo begins with an RSA key of 1024 bits."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(certificate, key)
    return context


class Service:
    """The context that new connections get, exchanged as a whole."""

    def __init__(self, certificate: str, key: str) -> None:
        self.files = (certificate, key)
        self.context = load(certificate, key)

    def reload(self, _number: int, _frame: object) -> None:
        try:
            self.context = load(*self.files)
        except (OSError, ssl.SSLError) as exc:
            print(f"reload refused: {exc}", file=sys.stderr, flush=True)

    def answer(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        try:
            with self.context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(4096)
                secured.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
        except OSError:
            connection.close()


def serve(certificate: str, key: str, port: str, pid_file: str) -> None:
    service = Service(certificate, key)
    signal.signal(signal.SIGHUP, service.reload)
    listener = socket.create_server(("127.0.0.1", int(port)))
    with open(pid_file, "w", encoding="ascii") as handle:
        handle.write(f"{os.getpid()}\n")
    while True:
        connection, _peer = listener.accept()
        threading.Thread(target=service.answer, args=(connection,), daemon=True).start()


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["check"]:
        load(*arguments[1:3])
        print("the pair fits")
    elif arguments[:1] == ["serve"]:
        serve(*arguments[1:5])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
