# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said to a server before TLS begins, for each protocol: pure dialogues of bytes, and one that speaks them over a socket.

A dialogue is a list of steps. Each sends its bytes, then waits until its test of what has come since says True; None asks for more.
"""

import re
import socket
import struct
import typing as t

LIMIT = 65536  # bytes that a server may say in one step
_EHLO = b"EHLO localhost\r\n"
_LDAP_OID = b"1.3.6.1.4.1.1466.20037"  # RFC 4511 section 4.14.1
_MYSQL_SSL, _MYSQL_PROTOCOL_41, _MYSQL_SECURE = 0x800, 0x200, 0x8000
_QUOTED_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,253}")


class StarttlsError(ValueError):
    """The server did not come to the point where TLS begins; the text is the end of a sentence that begins with the listener."""


Test = t.Callable[[bytes], t.Optional[bool]]


class Step(t.NamedTuple):
    """What to send (b"" to wait only), and whether the answer is complete and good (True), bad (False) or not complete (None)."""

    send: bytes
    test: Test


def steps(protocol: str, name: str = "") -> t.List[Step]:
    """The dialogue of a protocol; `name` is the server's own, which only XMPP and IRC want to know. Empty for plain `tls`; KeyError for an unknown one."""
    return _DIALOGUES[protocol](name if _QUOTED_NAME.fullmatch(name) else "localhost")


def speak(connected: socket.socket, protocol: str, name: str, left: t.Callable[[], float]) -> None:
    """Lead a connection to where TLS begins; `left` tells the seconds that remain, or raises. StarttlsError, socket.timeout and OSError come out."""
    for step in steps(protocol, name):
        connected.settimeout(left())
        if step.send:
            connected.sendall(step.send)
        said = b""
        while True:
            good = step.test(said)
            if good is True:
                break
            if good is False or len(said) > LIMIT:
                raise StarttlsError(f"does not offer TLS by the STARTTLS of {protocol}: it said {_shown(said)!r}")
            connected.settimeout(left())
            # Byte by byte nothing of the handshake could be taken; servers send nothing before ours, so a piece will do.
            piece = connected.recv(4096)
            if not piece:
                raise StarttlsError(f"hung up before TLS began in the STARTTLS of {protocol}")
            said += piece


def _shown(said: bytes) -> str:
    text = said[-200:].decode("ascii", "replace").strip().rpartition("\n")[2]
    return "".join(sign if " " <= sign <= "~" else "?" for sign in text)[:80]


def _reply(code: bytes) -> Test:
    """A reply of numbered lines, of which the last has a space behind its number (RFC 5321 section 4.2, RFC 4217)."""
    last = re.compile(rb"^[0-9]{3}(?: [^\n]*)?\r?\n", re.MULTILINE)

    def test(said: bytes) -> t.Optional[bool]:
        match = last.search(said)
        return match and match.group()[:3] == code

    return test


def _line(good: bytes, bad: bytes) -> Test:
    """A line that begins with one of two words; others before it are passed over."""
    word = re.compile(rb"^(?:(" + good + rb")|" + bad + rb")[^\n]*\n", re.MULTILINE | re.IGNORECASE)

    def test(said: bytes) -> t.Optional[bool]:
        match = word.search(said)
        return match and match.group(1) is not None

    return test


def _postgres(said: bytes) -> t.Optional[bool]:
    """One byte, S or N (protocol-flow.html, SSL session encryption)."""
    return said[:1] == b"S" if said else None


def _ldap(said: bytes) -> t.Optional[bool]:
    """An ExtendedResponse with the result 0, to our message 1 (RFC 4511 section 4.12)."""
    match = re.match(rb"\x30(?:[\x00-\x7f]|\x81.|\x82..|\x84....)\x02\x01\x01\x78(?:[\x00-\x7f]|\x81.|\x82..|\x84....)\x0a\x01(.)", said, re.DOTALL)
    if match:
        return match.group(1) == b"\0"
    return None if len(said) < 24 and said[:1] in (b"", b"\x30") else False


def _mysql(said: bytes) -> t.Optional[bool]:
    """The server's greeting, version 10, whose capabilities have CLIENT_SSL."""
    if len(said) < 4 or len(said) < 4 + int.from_bytes(said[:3], "little"):
        return None
    _version, nul, rest = said[5:].partition(b"\0")
    return said[4] == 10 and bool(nul) and len(rest) > 14 and bool(struct.unpack_from("<H", rest, 13)[0] & _MYSQL_SSL)


def _lines(greeting: Test, command: bytes, answer: Test, *before: t.Tuple[bytes, Test]) -> t.Callable[[str], t.List[Step]]:
    return lambda _name: [Step(b"", greeting), *(Step(*pair) for pair in before), Step(command, answer)]


def _smtp(hello: bytes) -> t.Callable[[str], t.List[Step]]:
    return _lines(_reply(b"220"), b"STARTTLS\r\n", _reply(b"220"), (hello, _reply(b"250")))


def _xmpp(space: bytes) -> t.Callable[[str], t.List[Step]]:
    """RFC 6120 section 5.4: our stream, its features, starttls, proceed."""

    def dialogue(name: str) -> t.List[Step]:
        hello = b"<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='%s'>"
        ask = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
        return [Step(hello % (space, name.encode()), _has(b"</stream:features>", b"<stream:error")), Step(ask, _has(b"<proceed", b"<failure"))]

    return dialogue


def _has(good: bytes, bad: bytes) -> Test:
    return lambda said: False if bad in said else (True if good in said else None)


_DIALOGUES: t.Dict[str, t.Callable[[str], t.List[Step]]] = {
    "tls": lambda _name: [],
    "smtp": _smtp(_EHLO),
    "lmtp": _smtp(b"LHLO localhost\r\n"),
    "imap": _lines(_line(rb"\* (?:OK|PREAUTH)", rb"\* BYE"), b"a STARTTLS\r\n", _line(rb"a OK", rb"a (?:NO|BAD)|\* BYE")),
    "pop3": _lines(_line(rb"\+OK", rb"-ERR"), b"STLS\r\n", _line(rb"\+OK", rb"-ERR")),
    "sieve": _lines(_line(rb"OK", rb"NO|BYE"), b"STARTTLS\r\n", _line(rb"OK", rb"NO|BYE")),
    "ftp": _lines(_reply(b"220"), b"AUTH TLS\r\n", _reply(b"234")),
    "nntp": _lines(_line(rb"20[01]", rb"[45]"), b"STARTTLS\r\n", _line(rb"382", rb"[45]")),
    "irc": lambda _name: [Step(b"CAP LS 302\r\nSTARTTLS\r\n", _line(rb"(?::\S+ )?670", rb"(?::\S+ )?(?:691|421|451)|ERROR"))],
    "postgres": lambda _name: [Step(struct.pack(">II", 8, 80877103), _postgres)],
    "ldap": lambda _name: [Step(b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + _LDAP_OID, _ldap)],
    "mysql": lambda _name: [
        Step(b"", _mysql),
        Step(struct.pack("<IIIB23x", 0x01000020, _MYSQL_SSL | _MYSQL_PROTOCOL_41 | _MYSQL_SECURE, 1 << 24, 33), lambda _said: True),
    ],
    "xmpp": _xmpp(b"jabber:client"),
    "xmpp-server": _xmpp(b"jabber:server"),
}
PROTOCOLS = tuple(_DIALOGUES)
