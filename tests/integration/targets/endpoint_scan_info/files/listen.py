# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listeners of this machine for the target: TLS, TLS after STARTTLS, one that is silent, one that speaks something else.

listen.py CHAIN KEY PORTS_FILE    write one JSON object, {"tls": port, …}, and serve until PORTS_FILE.stop is there
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import socket
import ssl
import sys
import threading
import time
import typing as t


def smtp(connection: socket.socket) -> None:
    """As far as STARTTLS (RFC 3207)."""
    for said in (b"220 double ESMTP\r\n", b"250-double\r\n250 STARTTLS\r\n", b"220 go\r\n"):
        connection.sendall(said)
        if not said.endswith(b"go\r\n"):
            connection.recv(1024)


def tls(context: ssl.SSLContext, before: t.Callable[[socket.socket], None] | None = None) -> t.Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        if before is not None:
            before(connection)
        with context.wrap_socket(connection, server_side=True) as channel:
            channel.recv(1)

    return behave


def silent(connection: socket.socket) -> None:
    connection.settimeout(60)
    while connection.recv(1024):
        pass


def foreign(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-{{ 6 * 7 }}\x1b[2J\r\n")
    connection.recv(1024)


def one(connection: socket.socket, behave: t.Callable[[socket.socket], None]) -> None:
    with connection, contextlib.suppress(OSError):
        connection.settimeout(20)
        behave(connection)


def serve(listening: socket.socket, behave: t.Callable[[socket.socket], None]) -> None:
    while True:
        connection, _peer = listening.accept()
        threading.Thread(target=one, args=(connection, behave), daemon=True).start()


def main(chain: str, key: str, ports_file: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    ports = {}
    for name, behave in (("tls", tls(context)), ("smtp", tls(context, smtp)), ("silent", silent), ("foreign", foreign)):
        listening = socket.create_server(("127.0.0.1", 0))
        ports[name] = listening.getsockname()[1]
        threading.Thread(target=serve, args=(listening, behave), daemon=True).start()
    path = pathlib.Path(ports_file)
    path.with_suffix(".new").write_text(json.dumps(ports), encoding="utf-8")
    os.replace(path.with_suffix(".new"), path)
    while not path.with_suffix(".stop").exists():
        time.sleep(0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
