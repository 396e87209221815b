# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conversations that come before TLS on ports that begin in plain text. Each ends when the other side is ready for a ClientHello."""

import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint.wire import EndpointFailed, Wire, said
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der

_MOST_LINES = 100
_LDAP_STARTTLS = b"1.3.6.1.4.1.1466.20037"  # RFC 4511 section 4.14
_MYSQL_SSL = 0x0800  # CLIENT_SSL, and below CLIENT_PROTOCOL_41 with what every client sends
_MYSQL_OWN = 0x0200 | 0x8000 | 0x80000
_MYSQL_LIMIT = 4096


async def negotiate(wire: Wire, protocol: str, name: t.Optional[str]) -> None:
    """Hold the conversation of one of PROTOCOLS; raise EndpointFailed when the other side speaks another, or does not agree to TLS."""
    await PROTOCOLS[protocol](wire, name)
    if wire.pending:  # what is said in plain text after the consent could be anybody's (CVE-2011-0411)
        raise EndpointFailed(f"said {wire.pending} more bytes in plain text after it agreed to TLS")


def _expect(good: bool, line: bytes, what: str) -> None:
    if not good:
        raise EndpointFailed(f"{what}, it said {said(line)}")


async def _replies(wire: Wire) -> t.List[bytes]:
    """The lines of one reply, of which the last has a blank after its code (RFC 5321 section 4.2, RFC 959 section 4.2)."""
    lines = []  # type: t.List[bytes]
    while len(lines) < _MOST_LINES:
        line = await wire.line()
        lines.append(line)
        if re.match(rb"[0-9]{3}( |$)", line):
            return lines
        _expect(len(lines) > 1 or re.match(rb"[0-9]{3}-", line) is not None, line, "does not speak the expected protocol")
    raise EndpointFailed(f"sent more than {_MOST_LINES} lines as one reply")


async def _until(wire: Wire, wanted: t.Callable[[bytes], bool]) -> t.List[bytes]:
    """The lines up to the one that is wanted."""
    lines = []  # type: t.List[bytes]
    while len(lines) < _MOST_LINES:
        lines.append(await wire.line())
        if wanted(lines[-1]):
            return lines
    raise EndpointFailed(f"sent more than {_MOST_LINES} lines and not the one that was waited for")


async def _smtp(wire: Wire, _name: t.Optional[str]) -> None:
    """RFC 3207."""
    greeting = await _replies(wire)
    _expect(greeting[-1].startswith(b"220"), greeting[-1], "does not greet as SMTP does")
    own = wire.own_address  # an address literal needs no name that exists (RFC 5321 section 4.1.3)
    await wire.send(f"EHLO [{'IPv6:' if ':' in own else ''}{own}]\r\n".encode())
    able = await _replies(wire)
    _expect(any(line[4:].strip().upper() == b"STARTTLS" for line in able), able[-1], "does not offer STARTTLS")
    await wire.send(b"STARTTLS\r\n")
    consent = await _replies(wire)
    _expect(consent[-1].startswith(b"220"), consent[-1], "refused STARTTLS")


async def _ftp(wire: Wire, _name: t.Optional[str]) -> None:
    """RFC 4217 section 4."""
    greeting = await _replies(wire)
    _expect(greeting[-1].startswith(b"220"), greeting[-1], "does not greet as FTP does")
    await wire.send(b"AUTH TLS\r\n")
    consent = await _replies(wire)
    _expect(consent[-1].startswith(b"234"), consent[-1], "refused AUTH TLS")


async def _nntp(wire: Wire, _name: t.Optional[str]) -> None:
    """RFC 4642 section 2.2."""
    greeting = await wire.line()
    _expect(greeting[:3] in (b"200", b"201"), greeting, "does not greet as NNTP does")
    await wire.send(b"STARTTLS\r\n")
    consent = await wire.line()
    _expect(consent.startswith(b"382"), consent, "refused STARTTLS")


async def _imap(wire: Wire, _name: t.Optional[str]) -> None:
    """RFC 9051 section 6.2.1."""
    greeting = await wire.line()
    _expect(greeting.upper().startswith(b"* OK"), greeting, "does not greet as IMAP does")
    await wire.send(b"c1 STARTTLS\r\n")
    consent = (await _until(wire, lambda line: line.lower().startswith(b"c1 ")))[-1]
    _expect(consent[3:].upper().startswith(b"OK"), consent, "refused STARTTLS")


async def _pop3(wire: Wire, _name: t.Optional[str]) -> None:
    """RFC 2595 section 4."""
    greeting = await wire.line()
    _expect(greeting.startswith(b"+OK"), greeting, "does not greet as POP3 does")
    await wire.send(b"STLS\r\n")
    consent = await wire.line()
    _expect(consent.startswith(b"+OK"), consent, "refused STLS")


async def _sieve(wire: Wire, _name: t.Optional[str]) -> None:
    """RFC 5804 sections 1.7 and 2.2."""
    ended = re.compile(rb"(OK|NO|BYE)( |$)", re.IGNORECASE)
    able = await _until(wire, lambda line: ended.match(line) is not None or not line.startswith(b'"'))
    _expect(able[-1][:2].upper() == b"OK", able[-1], "does not greet as ManageSieve does")
    _expect(any(line.upper().startswith(b'"STARTTLS"') for line in able), able[-1], "does not offer STARTTLS")
    await wire.send(b"STARTTLS\r\n")
    consent = await wire.line()
    _expect(consent[:2].upper() == b"OK", consent, "refused STARTTLS")


async def _irc(wire: Wire, _name: t.Optional[str]) -> None:
    """The numerics 670 and 691 of the IRCv3 extension C(tls); notices may come before."""
    await wire.send(b"STARTTLS\r\n")
    answered = re.compile(rb"(:\S+ )?(670|691|4[0-9]{2}|ERROR)( |$)")
    consent = (await _until(wire, lambda line: answered.match(line) is not None))[-1]
    _expect(re.match(rb"(:\S+ )?670( |$)", consent) is not None, consent, "refused STARTTLS")


async def _ldap(wire: Wire, _name: t.Optional[str]) -> None:
    """RFC 4511 sections 4.12 and 4.14."""
    await wire.send(der.sequence(der.integer(1), der.encode(0x77, der.encode(0x80, _LDAP_STARTTLS))))
    head = await wire.exactly(2)
    _expect(head[0] == der.SEQUENCE and head[1] not in (0x80, 0xFF), head, "does not answer as LDAP does")
    more = await wire.exactly(head[1] & 0x7F) if head[1] & 0x80 else b""
    size = int.from_bytes(more, "big") if more else head[1]
    _expect(size <= _MYSQL_LIMIT, head + more, "does not answer as LDAP does")
    content = await wire.exactly(size)
    try:
        message = der.children(content)
        code = der.children(message[1].content)[0].content
    except (der.DerError, IndexError):
        raise EndpointFailed(f"does not answer as LDAP does, it said {said(head + more + content)}") from None
    if message[1].tag != 0x78 or code != b"\0":
        raise EndpointFailed(f"refused StartTLS with the result code {int.from_bytes(code[:4], 'big')}")


async def _postgres(wire: Wire, _name: t.Optional[str]) -> None:
    """SSLRequest, PostgreSQL's protocol 3.0 (Message Formats)."""
    await wire.send(b"\0\0\0\x08\x04\xd2\x16\x2f")
    consent = await wire.exactly(1)
    if consent == b"N":
        raise EndpointFailed("refused SSLRequest: its TLS is switched off")
    _expect(consent == b"S", consent, "does not answer as PostgreSQL does")


async def _mysql(wire: Wire, _name: t.Optional[str]) -> None:
    """HandshakeV10 and SSLRequest of the client/server protocol of MySQL and MariaDB."""
    head = await wire.exactly(4)
    size = int.from_bytes(head[:3], "little")
    _expect(0 < size <= _MYSQL_LIMIT, head, "does not greet as MySQL does")
    greeting = await wire.exactly(size)
    _expect(greeting[0] != 0xFF, greeting[3:], "refused the connection")
    end = greeting.find(b"\0", 1)
    _expect(greeting[0] == 10 and 0 < end <= len(greeting) - 16, head + greeting, "does not greet as MySQL does")
    able = int.from_bytes(greeting[end + 14 : end + 16], "little")  # behind the thread's number (4), the salt (8) and a filler (1)
    if not able & _MYSQL_SSL:
        raise EndpointFailed("does not offer TLS in its greeting")
    request = (_MYSQL_SSL | _MYSQL_OWN).to_bytes(4, "little") + (1 << 24).to_bytes(4, "little") + b"\x21" + bytes(23)
    await wire.send(len(request).to_bytes(3, "little") + bytes((head[3] + 1 & 0xFF,)) + request)


async def _xmpp(wire: Wire, name: t.Optional[str], namespace: str = "jabber:client") -> None:
    """RFC 6120 sections 4.2 and 5.4; the name, which is the served domain, is a DNS name and needs no escape."""
    to = name or wire.address
    opening = f"<?xml version='1.0'?><stream:stream to='{to}' version='1.0' xmlns='{namespace}' xmlns:stream='http://etherx.jabber.org/streams'>"
    await wire.send(opening.encode())
    features = await wire.until(b"</stream:features>", b"</features>", b"</stream:stream>", b"stream:error")
    _expect(b"urn:ietf:params:xml:ns:xmpp-tls" in features, features, "does not offer STARTTLS")
    await wire.send(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    consent = await wire.until(b">")
    _expect(consent.lstrip().startswith(b"<proceed"), consent, "refused STARTTLS")


async def _xmpp_server(wire: Wire, name: t.Optional[str]) -> None:
    await _xmpp(wire, name, "jabber:server")


PROTOCOLS = {
    "ftp": _ftp,
    "imap": _imap,
    "irc": _irc,
    "ldap": _ldap,
    "mysql": _mysql,
    "nntp": _nntp,
    "pop3": _pop3,
    "postgres": _postgres,
    "sieve": _sieve,
    "smtp": _smtp,
    "xmpp": _xmpp,
    "xmpp-server": _xmpp_server,
}  # type: t.Dict[str, t.Callable[[Wire, t.Optional[str]], t.Awaitable[None]]]
