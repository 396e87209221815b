# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Syslog and programs as targets of the audit log."""

from __future__ import annotations

import contextlib
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._audit import targets
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.settings import AuditError, Target
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.targets import Sent, syslog_message, to_command, to_syslog

LINES = [Sent('{"seq":1}', "event", "2026-03-01T12:00:00Z"), Sent('{"seq":2}', "checkpoint", "2026-03-01T12:00:01Z")]
MESSAGE = re.compile(r'<110>1 2026-03-01T12:00:0\dZ [!-~]+ certops - (event|checkpoint) - \{"seq":\d\}')


def test_a_message() -> None:
    """Is one of RFC 5424, whatever the host is called."""
    assert syslog_message(LINES[0], "ctrl 1") == b'<110>1 2026-03-01T12:00:00Z ctrl1 certops - event - {"seq":1}'
    assert syslog_message(LINES[0], "") == b'<110>1 2026-03-01T12:00:00Z - certops - event - {"seq":1}'


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
def test_datagrams(family: socket.AddressFamily, tmp_path: pathlib.Path) -> None:
    """One for each line, to a socket of this machine or by UDP."""
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(5)
        receiver.bind(str(tmp_path / "log") if family == socket.AF_UNIX else ("127.0.0.1", 0))
        name = receiver.getsockname()
        to_syslog(Target("log", "syslog", syslog=name if family == socket.AF_UNIX else f"udp://127.0.0.1:{name[1]}"), LINES)
        got = [receiver.recv(1000).decode() for _line in LINES]
    assert [found[1] for message in got if (found := MESSAGE.fullmatch(message))] == ["event", "checkpoint"]


@contextlib.contextmanager
def receiver(context: ssl.SSLContext | None, got: list[bytes]) -> t.Iterator[int]:
    """Reads one connection to its end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def read() -> None:
            connection, _address = listening.accept()
            with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) if context else connection as opened:
                while part := opened.recv(1000):
                    got.append(part)

        thread = threading.Thread(target=read)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(10)


@pytest.fixture(name="context")
def _context(tmp_path: pathlib.Path) -> ssl.SSLContext:
    options = ["-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    command = ["openssl", "req", "-x509", *options, "-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "ca.pem")]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ca.pem", tmp_path / "key.pem")
    return context


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
def test_streams(scheme: str, context: ssl.SSLContext, tmp_path: pathlib.Path) -> None:
    """Count the octets of each message."""
    got: list[bytes] = []
    with receiver(context if scheme == "tls" else None, got) as port:
        to_syslog(Target("log", "syslog", syslog=f"{scheme}://localhost:{port}", ca_path=str(tmp_path / "ca.pem")), LINES)
    stream, messages = b"".join(got), []
    while stream:
        size, _blank, rest = stream.partition(b" ")
        messages.append(rest[: int(size)].decode())
        stream = rest[int(size) :]
    assert [bool(MESSAGE.fullmatch(message)) for message in messages] == [True, True]


def test_a_receiver_that_is_not_trusted(context: ssl.SSLContext) -> None:
    """Gets nothing."""
    got: list[bytes] = []
    with receiver(context, got) as port, pytest.raises(AuditError, match=r"syslog 'tls://localhost:\d+' did not take it: .*certificate verify failed"):
        to_syslog(Target("log", "syslog", syslog=f"tls://localhost:{port}"), LINES)
    assert got == []


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "/nonexistent/log", "udp://nowhere.invalid"])
def test_a_receiver_that_is_away(address: str) -> None:
    """Is told."""
    with pytest.raises(AuditError, match=f"syslog '{re.escape(address)}' did not take it: "):
        to_syslog(Target("log", "syslog", syslog=address), LINES)


def command(*argv: str) -> Target:
    return Target("program", "command", command=argv)


def test_a_program(tmp_path: pathlib.Path) -> None:
    """Gets the lines and nothing else."""
    to_command(command("tee", str(tmp_path / "out")), LINES)
    assert (tmp_path / "out").read_text() == '{"seq":1}\n{"seq":2}\n'


def test_a_git_repository(tmp_path: pathlib.Path) -> None:
    """As the documentation has it."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    script = 'cat >> certops.jsonl && git add certops.jsonl && git -c user.name=certops -c user.email=certops@invalid commit -q -m "audit log"'
    to_command(command("sh", "-c", f'cd "$1" && {script}', "sh", str(tmp_path)), LINES)
    shown = subprocess.run(["git", "-C", str(tmp_path), "show", "HEAD:certops.jsonl"], check=True, capture_output=True, text=True)
    assert shown.stdout == '{"seq":1}\n{"seq":2}\n'


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["/nonexistent/program"], "the command '/nonexistent/program' cannot be run: No such file or directory"),
        (["sh", "-c", "exit 3"], "the command 'sh' ended with 3: it must end with 0 when it has taken the lines"),
        (["sh", "-c", "sleep 60 & sleep 60"], "the command 'sh' did not end within 1 s"),
    ],
)
def test_a_program_that_does_not_take_them(argv: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told; what it leaves behind is ended."""
    monkeypatch.setattr(targets, "COMMAND_SECONDS", 1)
    with pytest.raises(AuditError) as error:
        to_command(command(*argv), LINES * 2000 if "sleep" not in argv[-1] else LINES)
    assert str(error.value) == message
