# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at many endpoints at a time: one loop, so many connections at once and so many a second, and for each a row of plain values."""

import asyncio
import hashlib
import resource
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint import handshake, hello
from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint.openssl import by_openssl
from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint.starttls import negotiate
from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint.wire import (
    Address,
    EndpointClosed,
    EndpointError,
    EndpointFailed,
    EndpointLate,
    EndpointUnreachable,
    Wire,
    connect,
    resolve,
)
from ansible_collections.certops.fleet.plugins.module_utils._host.text import base64_text

SEEN, FAILED, CLOSED, UNREACHABLE = "seen", "failed", "closed", "unreachable"
MOST_BYTES = 10 << 20  # of all certificates and OCSP responses of one answer
_SPARE_FILES = 64
_OPENSSL_AT_ONCE = 4
_RESOLVERS = 32  # names at a time
# accessMethod ocsp and the extension TLS feature: where one of them stands in a certificate, an OCSP response is asked for.
_OCSP_MARKS = (b"\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x01", b"\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x18")

Row = t.Dict[str, t.Any]
Told = t.Callable[[Row, t.Dict[str, str]], None]


class Probe(t.NamedTuple):
    """One question: who answers there, asked for this name."""

    host: str  # name or address
    port: int
    name: str  # the server name that is asked for, '' for none
    starttls: str  # one of starttls.PROTOCOLS, '' for TLS from the first byte


class Settings(t.NamedTuple):
    """How the questions are asked. Times are seconds; 0 connections a second means no limit, 0 for max_seconds no end."""

    concurrency: int = 100
    rate: int = 0
    connect_seconds: float = 5
    starttls_seconds: float = 10
    handshake_seconds: float = 10
    max_seconds: float = 0
    all_protocols: bool = False
    alpn: t.Tuple[str, ...] = ()


def look_at(probes: t.Sequence[Probe], settings: Settings, told: Told = lambda _row, _certificates: None) -> t.Dict[str, t.Any]:
    """Ask every question and return {"endpoints": [row], "certificates": {sha256: DER in base64}, "left_over": count}.

    A row: index (of the probe), state (seen: a certificate was shown; failed: somebody is there; closed: nobody; unreachable: who knows), reason, address,
    protocol, cipher, alpn, chain [sha256], chain_count (null: only the first is known), staple (OCSP response in base64), protocols {version: true, false,
    null where it could not be told}, seconds. `told` hears of each row and of all certificates so far. Nothing that is shown is verified.
    """
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(_RESOLVERS))
    looking = _Looking(loop, probes, settings, told)
    fatal = []  # type: t.List[BaseException]

    def stop(_loop: asyncio.AbstractEventLoop, what: t.Dict[str, t.Any]) -> None:
        # The timeout of a task of Ansible's is raised wherever the loop is just then; a callback must not swallow it.
        error = what.get("exception")
        if error is not None and not isinstance(error, Exception):
            fatal.append(error)
            loop.stop()

    loop.set_exception_handler(stop)
    try:
        loop.run_until_complete(looking.all())
    except RuntimeError:
        if fatal:
            raise fatal[0] from None
        raise
    finally:
        loop.close()
    return {"endpoints": looking.rows, "certificates": looking.certificates, "left_over": looking.left_over}


class _Looking:
    """One scan: what is to be asked, and what was answered."""

    def __init__(self, loop: asyncio.AbstractEventLoop, probes: t.Sequence[Probe], settings: Settings, told: Told) -> None:
        self.rows = []  # type: t.List[Row]
        self.certificates = {}  # type: t.Dict[str, str]
        self.left_over = 0
        self.loop = loop
        self.settings = settings
        self._told = told
        self._probes = iter(enumerate(probes))
        self._size = len(probes)
        self._resolved = {}  # type: t.Dict[str, t.Sequence[Address]]
        self._kept = 0
        self._next = 0.0
        self._end = time.monotonic() + settings.max_seconds if settings.max_seconds else float("inf")
        self.plain = handshake.context(())
        self.context = handshake.context(settings.alpn)
        self.openssl = None  # type: t.Optional[asyncio.Semaphore]

    async def all(self) -> None:
        self.openssl = asyncio.Semaphore(_OPENSSL_AT_ONCE)
        workers = max(1, min(self.settings.concurrency, self._size, _files() - _SPARE_FILES))
        await asyncio.gather(*[self._worker() for _number in range(workers)])

    async def _worker(self) -> None:
        for index, probe in self._probes:
            if time.monotonic() >= self._end:
                self.left_over += 1
                continue
            began = time.monotonic()
            row = await self._row(probe)
            row.update(index=index, seconds=round(time.monotonic() - began, 3))
            self.rows.append(row)
            self._told(row, self.certificates)

    async def _row(self, probe: Probe) -> Row:
        row = dict.fromkeys(("reason", "address", "protocol", "cipher", "alpn", "chain_count", "staple", "protocols"))  # type: Row
        row.update(state=CLOSED, chain=[])
        try:
            await self._fill(row, _Asked(self, probe, await self._addresses(probe)))
        except EndpointError as exc:
            state = CLOSED if isinstance(exc, EndpointClosed) else UNREACHABLE if isinstance(exc, EndpointUnreachable) else FAILED
            row.update(state=state, reason=str(exc))
        return row

    async def _addresses(self, probe: Probe) -> t.Sequence[Address]:
        """A host with many ports is resolved once."""
        if probe.host not in self._resolved:
            self._resolved[probe.host] = await resolve(self.loop, probe.host, probe.port, self.settings.connect_seconds)
        return [(family, (address[0], probe.port, *address[2:])) for family, address in self._resolved[probe.host]]

    async def _fill(self, row: Row, asked: "_Asked") -> None:
        try:
            shown = await asked.first()
        finally:
            row["address"] = asked.address
        if self.settings.all_protocols:
            row["protocols"] = await asked.versions()
        shown = await asked.completed(shown)
        self._keep(row, shown)

    def _keep(self, row: Row, shown: handshake.Shown) -> None:
        """Put what was shown into the row, and its certificates once beside all rows."""
        digests = [hashlib.sha256(certificate).hexdigest() for certificate in shown.chain]
        fresh = {digest: certificate for digest, certificate in zip(digests, shown.chain) if digest not in self.certificates}
        size = sum(map(len, fresh.values())) + len(shown.staple or b"")
        if self._kept + size > MOST_BYTES:
            raise EndpointFailed(f"showed certificates that were not kept: those of one answer are more than {MOST_BYTES} bytes")
        self._kept += size
        self.certificates.update((digest, base64_text(certificate)) for digest, certificate in fresh.items())
        row.update(
            state=SEEN,
            reason=shown.problem,
            protocol=shown.protocol,
            cipher=shown.cipher,
            alpn=shown.alpn,
            chain=digests,
            chain_count=shown.total or None,
            staple=base64_text(shown.staple) if shown.staple else None,
        )

    async def turn(self) -> None:
        """Wait until the next connection may be made."""
        if self.settings.rate:
            now = self.loop.time()
            self._next = max(self._next, now)
            pause, self._next = self._next - now, self._next + 1 / self.settings.rate
            if pause > 0:
                await asyncio.sleep(pause)


class _Asked:
    """The connections that one question takes."""

    def __init__(self, looking: _Looking, probe: Probe, addresses: t.Sequence[Address]) -> None:
        self.address = None  # type: t.Optional[str]
        self._looking = looking
        self._settings = looking.settings
        self._probe = probe
        self._name = probe.name or None
        self._addresses = addresses

    async def first(self) -> handshake.Shown:
        """By the library; where that is refused, by a ClientHello that takes more than the library does."""
        try:
            return await self._library(self._looking.context)
        except handshake.LibraryRefused as refused:
            if refused.alert == handshake.NO_APPLICATION_PROTOCOL and self._settings.alpn:
                return await self._library(self._looking.plain)
            try:
                return (await self._below13())._replace(problem=str(refused))
            except EndpointError:
                raise refused from None

    async def completed(self, shown: handshake.Shown) -> handshake.Shown:
        """With the whole chain and the OCSP response, as far as they can be had by one more look."""
        wanted = self._settings.all_protocols or any(mark in shown.chain[0] for mark in _OCSP_MARKS)
        if shown.total and (shown.staple or not wanted):
            return shown
        try:
            older = await self._below13()
        except handshake.LibraryRefused:
            return await self._by_openssl(shown) if shown.protocol == hello.VERSIONS[hello.TLS13] else shown
        except EndpointError:
            return shown
        if older.chain[0] != shown.chain[0]:  # another certificate for older versions
            return await self._by_openssl(shown)
        return shown._replace(staple=older.staple) if shown.total else shown._replace(chain=older.chain, total=older.total, staple=older.staple)

    async def versions(self) -> t.Dict[str, t.Optional[bool]]:
        """Which versions are accepted; None for one of which that could not be told."""
        found = {}  # type: t.Dict[str, t.Optional[bool]]
        for version, name in hello.VERSIONS.items():
            try:
                found[name] = await self._accepts(version)
            except EndpointError:
                found[name] = None
        return found

    async def _accepts(self, version: int) -> bool:
        wire = await self._open()
        try:
            return await handshake.accepts(wire, version, self._name)
        except EndpointLate:
            raise
        except EndpointFailed:  # it reset the connection, as some do instead of an alert
            return False
        finally:
            wire.close()

    async def _library(self, context: t.Any) -> handshake.Shown:
        wire = await self._open()
        try:
            return await handshake.by_library(wire, context, self._name)
        finally:
            wire.close()

    async def _below13(self) -> handshake.Shown:
        wire = await self._open()
        try:
            return await handshake.in_the_clear(wire, hello.TLS12, self._name)
        finally:
            wire.close()

    async def _by_openssl(self, shown: handshake.Shown) -> handshake.Shown:
        semaphore = self._looking.openssl
        if semaphore is None or self.address is None:
            return shown
        async with semaphore:
            await self._looking.turn()
            place = f"[{self.address}]:{self._probe.port}" if ":" in self.address else f"{self.address}:{self._probe.port}"
            seconds = self._settings.connect_seconds + self._settings.handshake_seconds
            chain, staple = await by_openssl(self._looking.loop, place, name=self._name, starttls=self._probe.starttls, seconds=seconds)
        if not chain or chain[0] != shown.chain[0]:
            return shown
        return shown._replace(chain=chain[: hello.MOST_CERTIFICATES], total=len(chain), staple=staple)

    async def _open(self) -> Wire:
        """A connection on which the other side waits for a ClientHello."""
        await self._looking.turn()
        wire = await connect(self._looking.loop, self._addresses, self._settings.connect_seconds)
        try:
            self.address = wire.address
            self._addresses = [(family, address) for family, address in self._addresses if address[0] == wire.address]
            if self._probe.starttls:
                wire.step(f"conversation in {self._probe.starttls}", self._settings.starttls_seconds)
                await negotiate(wire, self._probe.starttls, self._name)
            wire.step("handshake", self._settings.handshake_seconds)
        except BaseException:
            wire.close()
            raise
        return wire


def _files() -> int:
    """How many files this process may have open at a time."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return soft if soft > 0 else 1 << 16
