# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory: opened for one call, closed at its end."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import typing as t
from datetime import datetime

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import (
    assignments,
    certificates,
    documents,
    endpoints,
    events,
    hosts,
    imported,
    issuances,
    migrate,
    on_hosts,
    pages,
    past,
    radius,
    scans,
    seen,
    signers,
)
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.again import again
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.audit_store import AuditStore
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.connection import (
    ALONE,
    MEMORY,
    READ,
    WRITE,
    begin,
    create_file,
    lock_chain,
    open_engine,
)
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.location import Location, locate
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.scan_rows import prepare
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.select_sql import Selection
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import require, sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import (
    Actor,
    EndpointsRecord,
    EndpointsRecorded,
    Event,
    HostName,
    Intent,
    InventoryError,
    Issuance,
    Issuer,
    Recorded,
    Run,
    ScanRecord,
    SilentHost,
    Stated,
    seconds,
)


@contextlib.contextmanager
def open_inventory(
    url: str | None, *, now: t.Callable[[], datetime], actor: str | Actor = "", missing: t.Literal["create", "refuse", "empty"] = "create"
) -> t.Iterator[Inventory]:
    """The inventory at ``url`` (see ``location.locate``), with its schema brought up to date.

    ``now`` gives the aware time of what is written, ``actor`` stands in every event. A file that is ``missing`` is made, or refused, or an empty
    inventory in memory takes its place, for those who only want to know what would be. Raises InventoryError.
    """
    require()
    location = locate(url, environ=os.environ)
    engine = open_engine(location if location.server else _there(location, missing))
    try:
        if location.server and missing != "create" and not _has_tables(engine, location.name):
            engine.dispose()
            engine = open_engine(_absent(location, missing))
        _prepare(engine, location.name)
        yield Inventory(engine, path=location.name, now=now, actor=actor if isinstance(actor, Actor) else Actor(actor))
    finally:
        engine.dispose()


def _there(location: Location, missing: str) -> Location:
    """The file, which is there from now on, or what takes its place."""
    path = location.path
    if os.path.isdir(path):
        raise InventoryError(f"inventory {path!r} is a folder: set certops_inventory to a file, such as {os.path.join(path, 'inventory.db')!r}")
    if os.path.exists(path):
        return location
    if missing != "create":
        return _absent(location, missing)
    create_file(path)
    return location


def _absent(location: Location, missing: str) -> Location:
    if missing == "refuse":
        if location.server:
            raise InventoryError(
                f"inventory {location.name!r} has no tables yet: they are made by the first run that records something, such as certops.fleet.discover"
            )
        raise InventoryError(f"inventory {location.name!r} does not exist: it is made by the first run that records something, such as certops.fleet.discover")
    return Location(MEMORY)


def _has_tables(engine: sa.Engine, path: str) -> bool:
    with begin(engine, READ, path=path) as connection:
        return migrate.version(connection) is not None


def _prepare(engine: sa.Engine, path: str) -> None:
    with begin(engine, READ, path=path) as connection:
        if migrate.is_current(connection, path=path):
            return
    with begin(engine, ALONE, path=path) as connection:
        if not migrate.is_current(connection, path=path):  # another process may have been first
            migrate.upgrade(connection)


class Inventory(AuditStore):
    """What can be asked of and told to the inventory.

    A method that writes is one transaction of its own, or part of the caller's where that is inside ``with inventory.transaction()``.
    """

    def __init__(self, engine: sa.Engine, *, path: str, now: t.Callable[[], datetime], actor: Actor) -> None:
        self.path = path
        self._engine = engine
        self._now = now
        self._actor = actor
        self._writing: sa.Connection | None = None
        self.wrote = False  # or tried to
        self._noted: t.Mapping[str, t.Any] = {}

    @property
    def is_writing(self) -> bool:
        """Whether a transaction of the caller's is open."""
        return self._writing is not None

    @contextlib.contextmanager
    def transaction(self) -> t.Iterator[None]:
        """Everything inside is written together or not at all; other writers wait from its first line on."""
        if self._writing is not None:
            raise InventoryError("a transaction of the inventory is open already: they do not nest")
        self.wrote = True
        with begin(self._engine, ALONE, path=self.path) as connection:
            self._writing = connection
            try:
                yield
            finally:
                self._writing = None

    @contextlib.contextmanager
    def noting(self, detail: t.Mapping[str, t.Any]) -> t.Iterator[None]:
        """Every event that is appended inside has this in its detail, too."""
        before, self._noted = self._noted, {**self._noted, **detail}
        try:
            yield
        finally:
            self._noted = before

    def check_writable(self) -> None:
        """Really writes, so that a full disk or a missing right is known before any host is touched; and asks whether events can be appended."""
        with self._write() as connection:
            events.check_appendable(connection)
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = version_num")

    @again
    def record_scan(self, scan: ScanRecord) -> Recorded:
        """Stores what a host answered; only what really was looked at can become gone."""
        prepared = prepare(scan)
        with self._read() as connection:
            known = scans.is_known(connection, prepared)
        rows, names = self._new_certificates({} if known else prepared.certificates)
        if not known:
            prepared.things()  # here and not where others wait for the end of the transaction
        with self._write() as connection:
            certificates.add(connection, rows, names, time=prepared.scan["ended"])
            recorded, event = scans.record(connection, prepared, new_certificates=len(rows) + prepared.stored)
            stated = self._put_stated(connection, scan.host, scan.stated)
            for each in filter(None, (event, stated)):
                self._append(connection, each)
        return recorded

    @again
    def add_certificates(self, told: t.Mapping[str, t.Any]) -> int:
        """Stores certificates (base64 of DER by SHA-256) of a scan that is not recorded yet: what is large comes in parts. Gives how many are new."""
        rows, names = self._new_certificates(certificates.checked_certificates(told)[0])
        if rows:
            with self._write() as connection:
                certificates.add(connection, rows, names, time=seconds(self._now()))
        return len(rows)

    @again
    def record_endpoints(self, told: EndpointsRecord) -> EndpointsRecorded:
        """Stores what endpoints showed."""
        rows, names = self._new_certificates(told.certificates)
        time = seconds(self._now())
        with self._write_alone() as connection:
            certificates.add(connection, rows, names, time=time)
            recorded, event = endpoints.record(connection, told, time=time, new_certificates=len(rows))
            if event:
                self._append(connection, event)
        return recorded

    @again
    def record_silent_host(
        self,
        host: HostName,
        *,
        reason: str,
        started: datetime | None = None,
        ended: datetime | None = None,
        stated: Stated | None = None,
        run: Run | None = None,
    ) -> int:
        """Stores that a host gave nothing, and why."""
        now = ended or self._now()
        with self._write() as connection:
            scan, event = scans.record_silent(connection, host, reason=reason, started=seconds(started or now), ended=seconds(now), run=run)
            owned = self._put_stated(connection, host, stated)
            for each in filter(None, (event, owned)):
                self._append(connection, each)
        return scan

    @again
    def assign(self, wanted: assignments.Wanted, *, write: bool = True) -> assignments.Assigned:
        """Makes assignments of ownership as they are wanted, in one piece; ``write=False`` only says what would change."""
        with self._write_alone() if write else self._read() as connection:
            assigned, event = assignments.assign(connection, wanted, actor=self._actor.name, time=seconds(self._now()), write=write)
            if event:
                self._append(connection, event)
        return assigned

    @again
    def put_imported(self, listing: imported.Listing, *, write: bool = True) -> imported.Listed:
        """Stores what another program lists, in place of what it listed before; ``write=False`` only says what would change."""
        with self._write_alone() if write else self._read() as connection:
            listed, event = imported.put(connection, listing, actor=self._actor.name, time=seconds(self._now()), write=write)
            if event:
                self._append(connection, event)
        return listed

    @again
    def rename_host(self, host: HostName, to: HostName, *, check: bool = False) -> bool:
        """Gives a host another name and tells whether that changed anything; ``check`` only says what would be."""
        return self._change_host(hosts.rename, host, to, check=check)

    @again
    def merge_host(self, host: HostName, into: HostName, *, check: bool = False) -> bool:
        """Makes one host of two and tells whether that changed anything; ``check`` only says what would be."""
        return self._change_host(hosts.merge, host, into, check=check)

    def _change_host(self, change: t.Callable[[sa.Connection, HostName, HostName], Event | None], host: HostName, to: HostName, *, check: bool) -> bool:
        with self._write_alone() as connection:
            tried = connection.begin_nested()
            event = change(connection, host, to)
            if check:
                tried.rollback()
            elif event:
                self._append(connection, event)
        return event is not None

    @again
    def append_event(self, kind: str, *, subject: str, host: HostName | None = None, detail: t.Mapping[str, t.Any] | None = None) -> int:
        """Adds a line to the audit log and gives its number."""
        with self._write() as connection:
            return self._append(connection, Event(kind=kind, subject=subject, host=host, detail=detail or {}))

    def has_event(self, kind: str, *, subject: str) -> bool:
        """Whether the audit log has a line of this kind about this subject."""
        with self._read() as connection:
            return events.has(connection, kind, subject)

    def is_recorded(self, record: Event | ScanRecord | SilentHost, *, at: datetime) -> bool:
        """Whether what was to be recorded then is there already, or something newer in its place."""
        with self._read() as connection:
            if isinstance(record, Event):
                return events.is_there(connection, record, since=seconds(at))
            if isinstance(record, ScanRecord):
                return scans.is_superseded(connection, prepare(record))
            return scans.is_seen_since(connection, record.host, time=seconds(record.ended))

    @again
    def put_issuer(self, issuer: Issuer) -> None:
        """Adds an issuer or changes what is known of it; the same again changes nothing."""
        with self._write_alone() as connection:
            event = issuances.put_issuer(connection, issuer, time=seconds(self._now()))
            if event:
                self._append(connection, event)

    def get_issuer(self, name: str) -> Issuer | None:
        """The issuer of that name, None if there is none."""
        with self._read() as connection:
            return issuances.get_issuer(connection, name)

    def known_roots(self) -> list[bytes]:
        """The self-issued certificates of all issuers and their chains, in DER."""
        with self._read() as connection:
            return issuances.known_roots(connection)

    @again
    def begin_issuance(self, intent: Intent) -> Issuance:
        """Commits what is about to be signed. Raises SerialTakenError where the issuer has used the serial before."""
        with self._write_alone() as connection:
            issuance, event = issuances.begin(connection, intent, time=seconds(self._now()))
            self._append(connection, event)
        return issuance

    @again
    def complete_issuance(self, issuance: int, *, der: bytes, chain: t.Sequence[bytes]) -> Issuance:
        """Commits the certificate; only then may it be handed out."""
        with self._write_alone() as connection:
            done, event = issuances.complete(connection, issuance, der=der, chain=tuple(chain), time=seconds(self._now()))
            if event:
                self._append(connection, event)
        return done

    @again
    def set_issuance_state(self, issuance: int, *, state: str, reason: str | None = None) -> Issuance:
        """Goes on to a state; TransitionError where that is not possible."""
        with self._write_alone() as connection:
            done, event = issuances.set_state(connection, issuance, state=state, reason=reason, time=seconds(self._now()))
            if event:
                self._append(connection, event)
        return done

    def issuances(
        self,
        *,
        issuance: int | None = None,
        transaction: str | None = None,
        certificate: str | None = None,
        host: HostName | None = None,
        state: str | None = None,
    ) -> tuple[Issuance, ...]:
        """The issuances that match everything given, oldest first; ``certificate`` is a SHA-256."""
        with self._read() as connection:
            return issuances.find(connection, issuance=issuance, transaction=transaction, certificate=certificate, host=host, state=state)

    def known_bundles(self) -> tuple[str, ...]:
        """SHA-256 of the bundles whose certificates are stored: a host need not send them again."""
        with self._read() as connection:
            return scans.known_bundles(connection)

    def known_certificates(self, host: HostName) -> tuple[str, ...]:
        """SHA-256 of the certificates that a host had when it was last looked at: it need not send them again."""
        with self._read() as connection:
            return scans.known_certificates(connection, host)

    def lacking_certificates(self, identities: t.Collection[str]) -> set[str]:
        """Those that are not stored."""
        with self._read() as connection:
            return certificates.missing(connection, identities)

    def host_python(self, host: HostName) -> str | None:
        """The version of Python (C(3.11.2)) that a host had when it last answered, None if that is not known."""
        with self._read() as connection:
            return scans.python_of(connection, host)

    def seen_on(self, host: HostName) -> seen.Seen | None:
        """What declarations can be made of on a host; None for one that never answered."""
        with self._read() as connection:
            return seen.seen_on(connection, host)

    def affected(self, subject: str, name: str) -> radius.Affected:
        """What hangs on a certificate, a key, an issuer, a host or a service."""
        with self._read() as connection:
            return radius.affected(connection, subject, name)

    def chains(self) -> signers.Chains:
        """Which CAs stand above what is in use or installed."""
        with self._read() as connection:
            return signers.chains(connection)

    def documents(
        self,
        kind: str,
        *,
        select: str | None = None,
        namespace: str | None = None,
        as_of: datetime | None = None,
        sort: str | None = None,
        page: pages.Page | None = None,
    ) -> t.Iterator[dict[str, t.Any]]:
        """Everything of one kind as plain dictionaries, see ``documents.KINDS``.

        At least what ``select`` and ``namespace`` need of it, for who applies them afterwards. ``as_of`` is the time that all of it is told of, see ``past``.
        """
        asked = pages.Asked(self._selection(select, namespace, as_of), page, sort)
        with self._read() as connection, past.as_it_was(connection, None if as_of is None else seconds(as_of)):
            yield from documents.documents(connection, kind, asked)

    def pages(self, kind: str, *, select: str | None = None, namespace: str | None = None) -> bool:
        """Whether documents can be asked for page by page, because ``select`` makes one element of each that it selects."""
        return documents.pages(kind, self._selection(select, namespace))

    def count(self, kind: str, *, select: str | None = None, namespace: str | None = None, as_of: datetime | None = None) -> int | None:
        """How many elements ``select`` makes of the documents of a namespace; None where the database cannot tell."""
        with self._read() as connection, past.as_it_was(connection, None if as_of is None else seconds(as_of)):
            return documents.counted(connection, kind, self._selection(select, namespace, as_of))

    def _selection(self, select: str | None, namespace: str | None, as_of: datetime | None = None) -> Selection:
        return Selection.of(select, namespace=namespace, now=seconds(as_of or self._now()))

    def host_names(self, namespace: str | None = None) -> t.Iterator[tuple[str, str]]:
        """Namespace and name of every host."""
        with self._read() as connection:
            yield from on_hosts.host_names(connection, namespace)

    def on_hosts(self, namespace: str | None = None) -> t.Iterator[dict[str, t.Any]]:
        """The certificates that hosts have in use or installed, one row a place, see ``on_hosts.on_hosts``."""
        with self._read() as connection:
            yield from on_hosts.on_hosts(connection, namespace)

    def _new_certificates(self, ders: t.Mapping[str, bytes]) -> tuple[list[certificates.Row], list[certificates.Row]]:
        """The rows of those that are not stored yet. Taking them apart takes longest: outside the transaction that writes them."""
        if not ders:
            return [], []
        with self._read() as connection:
            missing = certificates.missing(connection, ders)
        return certificates.parsed({sha256: ders[sha256] for sha256 in sorted(missing)})

    def _put_stated(self, connection: sa.Connection, host: HostName, stated: Stated | None) -> Event | None:
        return None if stated is None else assignments.put_stated(connection, host, stated, time=seconds(self._now()))

    def _append(self, connection: sa.Connection, event: Event) -> int:
        lock_chain(connection)
        noted = dataclasses.replace(event, detail={**event.detail, **self._noted}) if self._noted else event
        return events.append(connection, noted, actor=self._actor, time=seconds(self._now()))

    def _write(self) -> contextlib.AbstractContextManager[sa.Connection]:
        return self._joined(WRITE)

    def _write_alone(self) -> contextlib.AbstractContextManager[sa.Connection]:
        """For what is decided by what was there before, or would write rows of several hosts."""
        return self._joined(ALONE)

    def _read(self) -> contextlib.AbstractContextManager[sa.Connection]:
        return self._joined(READ)

    def _joined(self, how: str) -> contextlib.AbstractContextManager[sa.Connection]:
        """The caller's transaction where one is open, else one of its own."""
        if self._writing is not None:
            return contextlib.nullcontext(self._writing)
        self.wrote |= how != READ
        return begin(self._engine, how, path=self.path)
