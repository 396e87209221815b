# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where lines of the audit log go: syslog, or the standard input of a program. The file is in C(copy_file.py)."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._audit.settings import AuditError, Target, syslog_address

CONNECT_SECONDS = 5
COMMAND_SECONDS = 60
CLOSE_SECONDS = 1
PRIORITY = 13 * 8 + 6  # RFC 5424 section 6.2.1: "log audit", informational


class Sent(t.NamedTuple):
    """One line, with what syslog says beside it."""

    text: str
    kind: str  # event, checkpoint
    time: str  # ISO 8601


def syslog_message(line: Sent, host: str) -> bytes:
    """RFC 5424; a line is ASCII, and so needs no mark of its encoding."""
    name = "".join(each for each in host if "!" <= each <= "~")[:255] or "-"
    return f"<{PRIORITY}>1 {line.time} {name} certops - {line.kind} - {line.text}".encode("ascii")


def to_syslog(target: Target, lines: t.Sequence[Sent]) -> None:
    """Sends all lines. A datagram may be lost and a stream says only that it was closed: the numbers of the lines show what is missing. Raises AuditError."""
    scheme, host, port = syslog_address(target.syslog, "syslog")
    messages = [syslog_message(line, socket.gethostname()) for line in lines]
    try:
        if scheme == "unix":
            _to_socket(host, messages)
        elif scheme == "udp":
            _to_udp(host, port, messages)
        else:
            _to_stream(host, port, messages, _context(target) if scheme == "tls" else None)
    except (OSError, ssl.SSLError) as exc:
        raise AuditError(f"syslog {target.syslog!r} did not take it: {exc.strerror or exc}") from None


def _to_socket(path: str, messages: t.Iterable[bytes]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened:
        opened.settimeout(CONNECT_SECONDS)
        opened.connect(path)
        for message in messages:
            opened.send(message)


def _to_udp(host: str, port: int, messages: t.Iterable[bytes]) -> None:
    family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as opened:
        opened.connect(address)
        for message in messages:
            opened.send(message)


def _to_stream(host: str, port: int, messages: t.Iterable[bytes], context: ssl.SSLContext | None) -> None:
    """Octet counting, RFC 6587 section 3.4.1 and RFC 5425 section 4.3. A reset before the other side has read to the end is an error."""
    with socket.create_connection((host, port), timeout=CONNECT_SECONDS) as plain:
        opened = plain if context is None else context.wrap_socket(plain, server_hostname=host)
        with opened:
            opened.sendall(b"".join(b"%d %s" % (len(message), message) for message in messages))
            opened.settimeout(CLOSE_SECONDS)
            try:
                if isinstance(opened, ssl.SSLSocket):
                    opened.unwrap()
                else:
                    opened.shutdown(socket.SHUT_WR)
                    opened.recv(1)
            except (TimeoutError, ssl.SSLError):  # a receiver that keeps its side open says nothing either way
                pass


def _context(target: Target) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=target.ca_path)


def to_command(target: Target, lines: t.Sequence[Sent]) -> None:
    """The program gets the lines on its standard input and takes them by ending with 0. Raises AuditError."""
    given = "".join(f"{line.text}\n" for line in lines).encode("ascii")
    try:
        with subprocess.Popen(
            list(target.command), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as program:
            try:
                program.communicate(given, timeout=COMMAND_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(program.pid, signal.SIGKILL)
                raise AuditError(f"the command {target.command[0]!r} did not end within {COMMAND_SECONDS} s") from None
    except OSError as exc:
        raise AuditError(f"the command {target.command[0]!r} cannot be run: {exc.strerror}") from None
    if program.returncode != 0:
        raise AuditError(f"the command {target.command[0]!r} ended with {program.returncode}: it must end with 0 when it has taken the lines")
