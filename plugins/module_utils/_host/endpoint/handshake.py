# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole handshake by the standard library, with an ear on what comes in the clear: what was shown is known also when the handshake then fails."""

import ssl
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host import tls
from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint import hello
from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint.wire import EndpointError, EndpointFailed, Wire, said

NO_APPLICATION_PROTOCOL = 120
_DER = 2  # _ssl.ENCODING_DER


class LibraryRefused(EndpointFailed):
    """The other side speaks TLS and did not like the library's handshake: one of our own may see more."""

    def __init__(self, text: str, alert: t.Optional[int]) -> None:
        super().__init__(text)
        self.alert = alert


class Shown(t.NamedTuple):
    """What one handshake showed."""

    protocol: t.Optional[str]  # as hello.VERSIONS writes it
    cipher: t.Optional[str]
    alpn: t.Optional[str]
    chain: t.Tuple[bytes, ...]  # DER, at most MOST_CERTIFICATES, as they were sent
    total: int  # of all that were sent; 0 where only the first of them is known
    staple: t.Optional[bytes]
    problem: t.Optional[str]  # why the handshake did not come to its end


def context(alpn: t.Sequence[str]) -> ssl.SSLContext:
    """What takes every certificate, version and suite that the library knows."""
    made = t.cast(ssl.SSLContext, tls.context())
    if alpn:
        made.set_alpn_protocols(list(alpn))
    return made


async def by_library(wire: Wire, using: ssl.SSLContext, name: t.Optional[str]) -> Shown:
    """A whole handshake. Raises EndpointFailed where no certificate was seen, LibraryRefused where TLS is spoken all the same."""
    incoming, outgoing, came = ssl.MemoryBIO(), ssl.MemoryBIO(), bytearray()
    try:
        channel = using.wrap_bio(incoming, outgoing, server_hostname=name)
    except ValueError:
        raise EndpointFailed(f"was not asked, because {name!a} is not a name that can be asked for") from None
    try:
        error = await _to_its_end(wire, channel, (incoming, outgoing), came)
    except EndpointError as exc:
        heard = hello.heard(came)
        if not heard.certificates:
            raise
        return _shown(heard, str(exc))
    if error is not None:
        return _from_the_clear(hello.heard(came), error)
    return _from_the_channel(channel, came)


async def _to_its_end(wire: Wire, channel: ssl.SSLObject, ends: t.Tuple[ssl.MemoryBIO, ssl.MemoryBIO], came: bytearray) -> t.Optional[Exception]:
    """Why the handshake did not come to its end; None when it did. What came is kept: Wire bounds it."""
    incoming, outgoing = ends
    while True:
        try:
            channel.do_handshake()
        except ssl.SSLWantReadError:
            if outgoing.pending:
                await wire.send(outgoing.read())
            data = await wire.receive()
            came += data
            if data:
                incoming.write(data)
            else:
                incoming.write_eof()
        except (ssl.SSLError, OSError, ValueError) as exc:
            return exc
        else:
            if outgoing.pending:
                await wire.send(outgoing.read())
            return None


def _reason(error: Exception, heard: hello.Reply) -> str:
    if heard.alert is not None or heard.oversized:
        return heard.refusal
    reason = getattr(error, "reason", None) or "it ended early"
    return "refused the handshake: " + str(reason).replace("_", " ").lower()


def _from_the_clear(heard: hello.Reply, error: Exception) -> Shown:
    if heard.foreign:
        raise EndpointFailed(f"does not speak TLS, it said {said(heard.foreign)}")
    if not heard.certificates:
        if heard.version is None and heard.alert is None:
            raise EndpointFailed("ended the connection instead of a handshake")
        raise LibraryRefused(_reason(error, heard), heard.alert)
    return _shown(heard, _reason(error, heard))


def _shown(heard: hello.Reply, problem: t.Optional[str]) -> Shown:
    protocol = None if heard.version is None else hello.VERSIONS.get(heard.version, f"0x{heard.version:04x}")
    cipher = None if heard.suite is None else hello.suite_name(heard.suite)
    return Shown(protocol, cipher, heard.alpn, heard.certificates, heard.count, heard.staple, problem)


def _from_the_channel(channel: ssl.SSLObject, came: bytearray) -> Shown:
    chain = _chain(channel) or hello.heard(came).certificates
    total = len(chain)
    if not chain:
        only = channel.getpeercert(True)
        chain = (only,) if only else ()
    if not chain:
        raise EndpointFailed("showed no certificate")
    suite = channel.cipher()
    return Shown(channel.version(), suite[0] if suite else None, channel.selected_alpn_protocol(), chain[: hello.MOST_CERTIFICATES], total, None, None)


def _chain(channel: t.Any) -> t.Tuple[bytes, ...]:
    """All that was sent: told since Python 3.13, known to the inner object since 3.10, to nobody before."""
    if hasattr(channel, "get_unverified_chain"):
        return tuple(channel.get_unverified_chain())
    inner = getattr(channel, "_sslobj", None)  # type: t.Any
    if not hasattr(inner, "get_unverified_chain"):
        return ()
    return tuple(bytes(certificate.public_bytes(_DER)) for certificate in inner.get_unverified_chain() or ())


async def by_ourselves(wire: Wire, version: int, name: t.Optional[str]) -> hello.Reply:
    """What a server says in the clear to a ClientHello of ours, up to where it waits or encrypts."""
    heard = hello.Reply()
    await wire.send(hello.client_hello(version, name))
    try:
        while not heard.done:
            data = await wire.receive()
            if not data:
                break
            heard.feed(data)
    except EndpointError:
        if not heard.certificates:
            raise
    heard.ended()
    return heard


async def in_the_clear(wire: Wire, version: int, name: t.Optional[str]) -> Shown:
    """The same as what a handshake showed; raises EndpointFailed where no certificate was."""
    heard = await by_ourselves(wire, version, name)
    if heard.foreign:
        raise EndpointFailed(f"does not speak TLS, it said {said(heard.foreign)}")
    if not heard.certificates:
        raise LibraryRefused(heard.refusal, heard.alert)
    return _shown(heard, None)


async def accepts(wire: Wire, version: int, name: t.Optional[str]) -> bool:
    """Whether a server goes on with exactly this version."""
    return (await by_ourselves(wire, version, name)).version == version
