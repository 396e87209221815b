# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ClientHello of our own, and what a server says to it in the clear.

Up to TLS 1.2 a server names version, suite, chain and OCSP response before anything is encrypted: no TLS library is needed to see them, and none keeps us
from asking for a version that it has long given up.
"""

import os
import typing as t

VERSIONS = {0x0300: "SSLv3", 0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
TLS12, TLS13 = 0x0303, 0x0304
MOST_CERTIFICATES = 50  # of one chain; what comes after them is counted
_LONGEST_MESSAGE = 1 << 17
_LONGEST_RECORD = (1 << 14) + 2048  # RFC 5246 section 6.2.3
_ALERT, _HANDSHAKE, _RECORDS = 21, 22, (20, 21, 22, 23)
_SERVER_HELLO, _CERTIFICATE, _STATUS, _HELLO_DONE = 2, 11, 22, 14
_ALPN, _SUPPORTED_VERSIONS = 16, 43

# By OpenSSL's names, as the library tells them; without authentication there would be no certificate.
SUITES = {
    0xC02B: "ECDHE-ECDSA-AES128-GCM-SHA256",
    0xC02F: "ECDHE-RSA-AES128-GCM-SHA256",
    0xC02C: "ECDHE-ECDSA-AES256-GCM-SHA384",
    0xC030: "ECDHE-RSA-AES256-GCM-SHA384",
    0xCCA9: "ECDHE-ECDSA-CHACHA20-POLY1305",
    0xCCA8: "ECDHE-RSA-CHACHA20-POLY1305",
    0xCCAA: "DHE-RSA-CHACHA20-POLY1305",
    0xC0AC: "ECDHE-ECDSA-AES128-CCM",
    0xC0AD: "ECDHE-ECDSA-AES256-CCM",
    0x009E: "DHE-RSA-AES128-GCM-SHA256",
    0x009F: "DHE-RSA-AES256-GCM-SHA384",
    0xC023: "ECDHE-ECDSA-AES128-SHA256",
    0xC024: "ECDHE-ECDSA-AES256-SHA384",
    0xC027: "ECDHE-RSA-AES128-SHA256",
    0xC028: "ECDHE-RSA-AES256-SHA384",
    0xC009: "ECDHE-ECDSA-AES128-SHA",
    0xC00A: "ECDHE-ECDSA-AES256-SHA",
    0xC013: "ECDHE-RSA-AES128-SHA",
    0xC014: "ECDHE-RSA-AES256-SHA",
    0x0067: "DHE-RSA-AES128-SHA256",
    0x006B: "DHE-RSA-AES256-SHA256",
    0x0033: "DHE-RSA-AES128-SHA",
    0x0039: "DHE-RSA-AES256-SHA",
    0x0032: "DHE-DSS-AES128-SHA",
    0x0038: "DHE-DSS-AES256-SHA",
    0x009C: "AES128-GCM-SHA256",
    0x009D: "AES256-GCM-SHA384",
    0x003C: "AES128-SHA256",
    0x003D: "AES256-SHA256",
    0x002F: "AES128-SHA",
    0x0035: "AES256-SHA",
    0x0041: "CAMELLIA128-SHA",
    0x0084: "CAMELLIA256-SHA",
    0x0096: "SEED-SHA",
    0xC007: "ECDHE-ECDSA-RC4-SHA",
    0xC011: "ECDHE-RSA-RC4-SHA",
    0xC008: "ECDHE-ECDSA-DES-CBC3-SHA",
    0xC012: "ECDHE-RSA-DES-CBC3-SHA",
    0x0016: "DHE-RSA-DES-CBC3-SHA",
    0x0013: "DHE-DSS-DES-CBC3-SHA",
    0x000A: "DES-CBC3-SHA",
    0x0005: "RC4-SHA",
    0x0004: "RC4-MD5",
    0x0007: "IDEA-CBC-SHA",
    0x0009: "DES-CBC-SHA",
    0x0015: "DHE-RSA-DES-CBC-SHA",
    0x0003: "EXP-RC4-MD5",
    0x0008: "EXP-DES-CBC-SHA",
    0x003B: "NULL-SHA256",
    0x0002: "NULL-SHA",
    0x0001: "NULL-MD5",
}
SUITES13 = {0x1301: "TLS_AES_128_GCM_SHA256", 0x1302: "TLS_AES_256_GCM_SHA384", 0x1303: "TLS_CHACHA20_POLY1305_SHA256", 0x1304: "TLS_AES_128_CCM_SHA256"}
_ALL_SUITES = dict(SUITES)
_ALL_SUITES.update(SUITES13)
_RENEGOTIATION = 0x00FF  # RFC 5746 section 3.3
_GROUPS = (0x001D, 0x0017, 0x0018, 0x0019, 0x001E, 0x0100)
_SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201, 0x0202)
_ALERTS = {
    10: "unexpected message",
    20: "bad record mac",
    22: "record overflow",
    40: "handshake failure",
    42: "bad certificate",
    43: "unsupported certificate",
    46: "certificate unknown",
    47: "illegal parameter",
    48: "unknown ca",
    50: "decode error",
    51: "decrypt error",
    70: "protocol version",
    71: "insufficient security",
    80: "internal error",
    86: "inappropriate fallback",
    109: "missing extension",
    112: "unrecognized name",
    116: "certificate required",
    120: "no application protocol",
}


def client_hello(version: int, name: t.Optional[str]) -> bytes:
    """A ClientHello that takes this version and, unless it is TLS 1.3, any before it (RFC 8446 section 4.1.2, RFC 5246, RFC 6101 section 5.6.1.2)."""
    suites = SUITES13 if version == TLS13 else SUITES
    numbers = b"".join(_number(suite, 2) for suite in suites) + (b"" if version == TLS13 else _number(_RENEGOTIATION, 2))
    body = _number(min(version, TLS12), 2) + os.urandom(32) + _vector(os.urandom(32) if version == TLS13 else b"", 1) + _vector(numbers, 2) + b"\x01\0"
    if version > 0x0300:  # servers of that age fail over extensions
        body += _vector(_extensions(version, name), 2)
    message = b"\x01" + _vector(body, 3)
    return b"\x16" + _number(min(version, 0x0301), 2) + _vector(message, 2)


def _extensions(version: int, name: t.Optional[str]) -> bytes:
    found = []
    if name:
        found.append((0, _vector(b"\0" + _vector(name.encode("ascii"), 2), 2)))  # RFC 6066 section 3
    found.append((5, b"\x01\0\0\0\0"))  # status_request, RFC 6066 section 8
    found.append((10, _vector(b"".join(_number(group, 2) for group in _GROUPS), 2)))
    found.append((11, b"\x01\0"))
    found.append((23, b""))  # extended_master_secret, which some servers insist on (RFC 7627)
    if version >= TLS12:
        found.append((13, _vector(b"".join(_number(scheme, 2) for scheme in _SIGNATURES), 2)))
    if version == TLS13:
        found.append((_SUPPORTED_VERSIONS, b"\x02\x03\x04"))
        # Any 32 bytes are a key of X25519 (RFC 7748 section 5); what comes after the ServerHello is not read.
        found.append((51, _vector(b"\0\x1d" + _vector(os.urandom(32), 2), 2)))
    return b"".join(_number(kind, 2) + _vector(content, 2) for kind, content in found)


def _number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")


def _vector(content: bytes, size: int) -> bytes:
    return _number(len(content), size) + content


def suite_name(number: int) -> str:
    """OpenSSL's name of a suite, its number where there is none."""
    return _ALL_SUITES.get(number, f"0x{number:04X}")


class Reply:
    """What a server said before it encrypted, taken apart as it comes; nothing of it is believed."""

    def __init__(self) -> None:
        self.version = None  # type: t.Optional[int]
        self.suite = None  # type: t.Optional[int]
        self.alpn = None  # type: t.Optional[str]
        self.certificates = ()  # type: t.Tuple[bytes, ...]
        self.count = 0  # of the certificates that were shown
        self.staple = None  # type: t.Optional[bytes]
        self.alert = None  # type: t.Optional[int]
        self.foreign = b""  # the first bytes of what is no TLS
        self.oversized = 0  # bytes of a message that is not read
        self.done = False
        self._records = bytearray()
        self._messages = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what came next."""
        if self.done:
            return
        self._records += data
        while not self.done and len(self._records) >= 5:
            kind, size = self._records[0], int.from_bytes(self._records[3:5], "big")
            if kind not in _RECORDS or self._records[1] != 3 or size > _LONGEST_RECORD:
                self.foreign = bytes(self._records[:200])
                self.done = True
                return
            if len(self._records) < 5 + size:
                return
            content = bytes(self._records[5 : 5 + size])
            del self._records[: 5 + size]
            self._record(kind, content)

    def ended(self) -> None:
        """Nothing more comes; less than a record's head is no TLS either."""
        if not self.done and self.version is None and self.alert is None:
            self.foreign = self.foreign or bytes(self._records[:200])
        self.done = True

    @property
    def refusal(self) -> str:
        """Why there was no handshake, as the end of a sentence."""
        if self.foreign:
            return "does not speak TLS"
        if self.oversized:
            return f"sent a handshake message of {self.oversized} bytes, at most {_LONGEST_MESSAGE} are read"
        if self.alert is not None:
            return f"refused the handshake: {_ALERTS.get(self.alert, 'alert')} ({self.alert})"
        return "ended the handshake early"

    def _record(self, kind: int, content: bytes) -> None:
        if kind == _ALERT:
            if len(content) == 2 and (content[0] == 2 or self.version is None) and content[1] != 112:  # an unknown name is only a warning
                self.alert = content[1]
                self.done = True
        elif kind == _HANDSHAKE:
            self._messages += content
            self._read_messages()
        else:  # from here on it is encrypted
            self.done = True

    def _read_messages(self) -> None:
        while not self.done and len(self._messages) >= 4:
            size = int.from_bytes(self._messages[1:4], "big")
            if size > _LONGEST_MESSAGE:
                self.oversized = size
                self.done = True
                return
            if len(self._messages) < 4 + size:
                return
            kind, body = self._messages[0], bytes(self._messages[4 : 4 + size])
            del self._messages[: 4 + size]
            self._message(kind, body)

    def _message(self, kind: int, body: bytes) -> None:
        if kind == _SERVER_HELLO:
            self.version, self.suite, self.alpn = server_hello(body)
            self.done = self.version == TLS13
        elif kind == _CERTIFICATE:
            listed = certificate_list(_cut(body, 0, 3)[0])
            self.certificates, self.count = tuple(listed[:MOST_CERTIFICATES]), len(listed)
        elif kind == _STATUS:
            self.staple = certificate_status(body)
        elif kind == _HELLO_DONE:
            self.done = True


def heard(data: t.Union[bytes, bytearray]) -> Reply:
    """All that a server said in the clear."""
    reply = Reply()
    reply.feed(bytes(data))
    reply.ended()
    return reply


def _cut(data: bytes, offset: int, size: int) -> t.Tuple[bytes, int]:
    """The vector at `offset` whose length has `size` bytes, and the offset behind it; cut off where the data end."""
    start = offset + size
    stop = start + int.from_bytes(data[offset:start], "big")
    return data[start:stop], stop


def server_hello(body: bytes) -> t.Tuple[t.Optional[int], t.Optional[int], t.Optional[str]]:
    """Version, suite and ALPN of a ServerHello (RFC 8446 section 4.1.3)."""
    version = int.from_bytes(body[:2], "big")
    _session, offset = _cut(body, 34, 1)
    if len(body) < offset + 3:
        return None, None, None
    suite = int.from_bytes(body[offset : offset + 2], "big")
    listed, alpn = _cut(body, offset + 3, 2)[0], None
    for kind, content in extensions(listed):
        if kind == _SUPPORTED_VERSIONS:
            version = int.from_bytes(content[:2], "big")
        elif kind == _ALPN:
            alpn = _cut(_cut(content, 0, 2)[0], 0, 1)[0].decode("ascii", "backslashreplace")
    return version, suite, alpn


def extensions(listed: bytes) -> t.Iterator[t.Tuple[int, bytes]]:
    """Kind and content of each extension."""
    offset = 0
    while offset + 4 <= len(listed):
        kind = int.from_bytes(listed[offset : offset + 2], "big")
        content, offset = _cut(listed, offset + 2, 2)
        yield kind, content


def certificate_list(listed: bytes, *, with_extensions: bool = False) -> t.List[bytes]:
    """The certificates of a message (RFC 5246 section 7.4.2); in TLS 1.3 each is followed by its extensions (RFC 8446 section 4.4.2)."""
    found, offset = [], 0
    while offset + 3 <= len(listed):
        certificate, offset = _cut(listed, offset, 3)
        if offset > len(listed):  # it is cut off
            break
        if certificate:
            found.append(certificate)
        if with_extensions:
            _listed, offset = _cut(listed, offset, 2)
    return found


def certificate_status(body: bytes) -> t.Optional[bytes]:
    """The OCSP response of a CertificateStatus (RFC 6066 section 8), in DER."""
    return (_cut(body, 1, 3)[0] or None) if body[:1] == b"\x01" else None


def certificate_message13(body: bytes) -> t.Tuple[t.List[bytes], t.Optional[bytes]]:
    """The certificates of TLS 1.3's message, and the OCSP response that the first of them carries (RFC 8446 section 4.4.2.1)."""
    _context, offset = _cut(body, 0, 1)
    listed = _cut(body, offset, 3)[0]
    _first, after = _cut(listed, 0, 3)
    staples = [certificate_status(content) for kind, content in extensions(_cut(listed, after, 2)[0]) if kind == 5]
    return certificate_list(listed, with_extensions=True), next(iter(staples), None)
