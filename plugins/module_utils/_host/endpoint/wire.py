# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection to an endpoint: it never blocks, and is bounded in time and in bytes."""

import asyncio
import contextlib
import errno
import os
import socket
import typing as t

RECEIVED_LIMIT = 1 << 18  # bytes of one connection; the library takes no more than 100 kB of certificates
LINE_LIMIT = 4096
_PIECE = 1 << 14
_SHOWN = 80
_MOST_ADDRESSES = 4  # of one name

Address = t.Tuple[int, t.Tuple[t.Any, ...]]  # family and what connect() takes


class EndpointError(ValueError):
    """Nothing was seen; the text is the end of a sentence that begins with the endpoint."""


class EndpointClosed(EndpointError):
    """The machine answered that nobody listens there."""


class EndpointUnreachable(EndpointError):
    """Nobody took the connection, and nobody said no."""


class EndpointFailed(EndpointError):
    """Somebody took the connection, and showed no certificate."""


class EndpointLate(EndpointFailed):
    """Somebody took the connection and did not answer in time."""


def said(data: bytes) -> str:
    """What the other side said as a short quoted text that any terminal takes."""
    text = data[:_SHOWN].decode("ascii", "backslashreplace").rstrip("\r\n")
    return ascii(text + ("..." if len(data) > _SHOWN else ""))


async def ready(loop: asyncio.AbstractEventLoop, descriptor: int, writing: bool, deadline: float) -> bool:
    """Wait until a descriptor can be read or written; False when that was not before the deadline, a time of the loop's."""
    add, remove = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
    future = loop.create_future()
    timer = loop.call_at(deadline, _settle, future, False)
    add(descriptor, _settle, future, True)
    try:
        return bool(await future)
    finally:
        timer.cancel()
        remove(descriptor)


def _settle(future: "asyncio.Future[bool]", value: bool) -> None:
    if not future.done():
        future.set_result(value)


async def resolve(loop: asyncio.AbstractEventLoop, host: str, port: int, seconds: float) -> t.Sequence[Address]:
    """The addresses of a name, in the order in which this machine would try them; an address is its own."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError, ValueError):
            socket.inet_pton(family, host)
            return [(family, (host, port))]
    try:
        found = await asyncio.wait_for(loop.getaddrinfo(host, port, type=socket.SOCK_STREAM), seconds)
    except asyncio.TimeoutError:
        raise EndpointUnreachable(f"cannot be resolved within {seconds:g} s") from None
    except (OSError, ValueError) as exc:  # a name that IDNA does not know is a UnicodeError
        raise EndpointUnreachable(f"cannot be resolved: {getattr(exc, 'strerror', None) or 'it is no name'}") from None
    return [(family, address) for family, _kind, _protocol, _canonical, address in found][:_MOST_ADDRESSES]


async def connect(loop: asyncio.AbstractEventLoop, addresses: t.Sequence[Address], seconds: float) -> "Wire":
    """A connection to the first of the addresses that takes one within so many seconds."""
    problem = EndpointUnreachable("has no address")  # type: EndpointError
    for family, address in addresses:
        connected = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            await _connect(loop, connected, address, seconds)
            return Wire(loop, connected, str(address[0]))
        except EndpointError as exc:
            connected.close()
            problem = exc
        except BaseException:
            connected.close()
            raise
    raise problem


async def _connect(loop: asyncio.AbstractEventLoop, connected: socket.socket, address: t.Tuple[t.Any, ...], seconds: float) -> None:
    try:
        number = connected.connect_ex(address)
    except (OSError, ValueError, OverflowError) as exc:
        raise EndpointUnreachable(f"cannot be connected to: {getattr(exc, 'strerror', None) or exc}") from None
    if number == errno.EINPROGRESS:
        if not await ready(loop, connected.fileno(), True, loop.time() + seconds):
            raise EndpointUnreachable(f"took no connection within {seconds:g} s")
        number = connected.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number:
        kind = EndpointClosed if number == errno.ECONNREFUSED else EndpointUnreachable  # type: t.Type[EndpointError]
        raise kind(f"cannot be connected to: {os.strerror(number)}")


class Wire:
    """What is sent and received on one connection. Each step of the conversation has a time of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connected: socket.socket, address: str) -> None:
        self.address = address
        self._loop = loop
        self._socket = connected
        self._received = 0
        self._rest = bytearray()  # what came after the line that was read last
        self.step("connection", 0)

    def step(self, name: str, seconds: float) -> None:
        """Begin a step, which may take so many seconds."""
        self._step, self._seconds = name, seconds
        self._deadline = self._loop.time() + seconds

    @property
    def own_address(self) -> str:
        """Our own end."""
        return str(self._socket.getsockname()[0])

    @property
    def pending(self) -> int:
        """How many bytes came that nobody has asked for."""
        return len(self._rest)

    def close(self) -> None:
        self._socket.close()

    async def send(self, data: bytes) -> None:
        while data:
            try:
                data = data[self._socket.send(data) :]
            except (BlockingIOError, InterruptedError):
                await self._wait(True)
            except OSError as exc:
                raise self._broken(exc) from None

    async def receive(self) -> bytes:
        """The next bytes; none when the other side has ended."""
        while True:
            try:
                data = self._socket.recv(_PIECE)
            except (BlockingIOError, InterruptedError):
                await self._wait(False)
            except OSError as exc:
                raise self._broken(exc) from None
            else:
                self._received += len(data)
                if self._received > RECEIVED_LIMIT:
                    raise EndpointFailed(f"sent more than {RECEIVED_LIMIT} bytes during the {self._step}")
                return data

    async def line(self) -> bytes:
        """The next line of a conversation, without its end."""
        while True:
            end = self._rest.find(b"\n")
            if end >= 0:
                line = bytes(self._rest[:end])
                del self._rest[: end + 1]
                return line.rstrip(b"\r")
            if len(self._rest) > LINE_LIMIT:
                raise EndpointFailed(f"sent a line of more than {LINE_LIMIT} bytes during the {self._step}: {said(bytes(self._rest))}")
            await self._more()

    async def exactly(self, count: int) -> bytes:
        """The next bytes, so many."""
        while len(self._rest) < count:
            await self._more()
        taken = bytes(self._rest[:count])
        del self._rest[:count]
        return taken

    async def until(self, *marks: bytes) -> bytes:
        """Everything up to where one of these marks has come, at most LINE_LIMIT bytes of it."""
        while not any(mark in self._rest for mark in marks):
            if len(self._rest) > LINE_LIMIT:
                raise EndpointFailed(f"sent more than {LINE_LIMIT} bytes during the {self._step}: {said(bytes(self._rest))}")
            await self._more()
        taken = bytes(self._rest)
        self._rest.clear()
        return taken

    async def _more(self) -> None:
        data = await self.receive()
        if not data:
            raise EndpointFailed(f"ended the connection during the {self._step}" + (f" after {said(bytes(self._rest))}" if self._rest else ""))
        self._rest += data

    async def _wait(self, writing: bool) -> None:
        if not await ready(self._loop, self._socket.fileno(), writing, self._deadline):
            raise EndpointLate(f"did not finish the {self._step} within {self._seconds:g} s")

    def _broken(self, error: OSError) -> EndpointFailed:
        return EndpointFailed(f"broke the connection during the {self._step}: {error.strerror or 'it ended early'}")
