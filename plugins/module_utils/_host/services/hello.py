# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate that a server of TLS 1.0 to 1.2 sends in clear, read from its answer to a greeting: nothing is computed, nothing verified.

Importing the library for whole handshakes costs a host 20 to 45 ms, this a fraction of one. A server that wants TLS 1.3 or breaks off is asked by look.py.
"""

import os
import socket
import struct
import typing as t

_LIMIT = 1 << 18  # bytes of a server's answer
_HANDSHAKE, _HELLO, _CERTIFICATE = 22, 1, 11
# RFC 5246, 5289, 7905: with ECDHE or RSA, for ECDSA and RSA keys, the strong first as others would ask.
_SUITES = (
    *(0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC023, 0xC027, 0xC024, 0xC028, 0xC009, 0xC013, 0xC00A, 0xC014),
    *(0x009E, 0x009F, 0x0067, 0x006B, 0x0033, 0x0039, 0x009C, 0x009D, 0x003C, 0x003D, 0x002F, 0x0035, 0x000A, 0x00FF),
)
_GROUPS = (0x001D, 0x0017, 0x0018, 0x0019)
_SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201)


def shown(connected: socket.socket, name: t.Optional[str], left: t.Callable[[], float]) -> t.Optional[bytes]:
    """The server's certificate in DER, None when its answer is another; `left` tells the seconds that remain, or raises. OSError when the connection fails."""
    connected.settimeout(left())
    connected.sendall(_greeting(name))
    records, messages = b"", b""
    while len(records) + len(messages) <= _LIMIT:
        connected.settimeout(left())
        piece = connected.recv(65536)
        if not piece:
            return None
        records += piece
        while len(records) >= 5:
            kind, size = records[0], int.from_bytes(records[3:5], "big")
            if kind != _HANDSHAKE or records[1] != 3:
                return None
            if len(records) < 5 + size:
                break
            messages += records[5 : 5 + size]
            records = records[5 + size :]
        found = _certificate(messages)
        if found is not None:
            return found or None
    return None


def _certificate(messages: bytes) -> t.Optional[bytes]:
    """The first certificate of the message that has them (RFC 5246 section 7.4.2); None when it has not come yet, b"" when it will not come."""
    at = 0
    while len(messages) >= at + 4:
        kind, size = messages[at], int.from_bytes(messages[at + 1 : at + 4], "big")
        if kind == _CERTIFICATE and len(messages) >= at + 4 + size:
            return _first(messages[at + 4 : at + 4 + size])
        if kind not in (2, _CERTIFICATE):  # behind the server's hello nothing else may come before its certificates
            return b""
        at += 4 + size
    return None


def _first(body: bytes) -> bytes:
    size = int.from_bytes(body[3:6], "big")
    return body[6 : 6 + size] if len(body) >= 6 + size else b""


def _greeting(name: t.Optional[str]) -> bytes:
    extensions = [
        _extension(0x000A, _vector(_shorts(_GROUPS))),
        _extension(0x000B, b"\x01\x00"),
        _extension(0x000D, _vector(_shorts(_SIGNATURES))),
        _extension(0x0017, b""),
    ]
    if name:
        extensions.insert(0, _extension(0x0000, _vector(b"\0" + _vector(name.encode("ascii")))))  # RFC 6066 section 3
    body = b"\x03\x03" + os.urandom(32) + b"\0" + _vector(_shorts(_SUITES)) + b"\x01\x00" + _vector(b"".join(extensions))
    message = bytes([_HELLO]) + len(body).to_bytes(3, "big") + body
    return struct.pack(">BHH", _HANDSHAKE, 0x0301, len(message)) + message


def _extension(kind: int, content: bytes) -> bytes:
    return struct.pack(">H", kind) + _vector(content)


def _vector(content: bytes) -> bytes:
    return struct.pack(">H", len(content)) + content


def _shorts(values: t.Sequence[int]) -> bytes:
    return struct.pack(f">{len(values)}H", *values)
