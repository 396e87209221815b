# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory: opened for one call, closed at its end."""

from __future__ import annotations

import contextlib
import functools
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
    issuances,
    migrate,
    on_hosts,
    pages,
    radius,
    scans,
    seen,
)
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
    ConflictError,
    EndpointsRecord,
    EndpointsRecorded,
    Event,
    HostName,
    Intent,
    InventoryError,
    Issuance,
    Issuer,
    Recorded,
    ScanRecord,
    Stated,
    seconds,
)

P = t.ParamSpec("P")
R = t.TypeVar("R")
TRIES = 4


def _again(method: t.Callable[t.Concatenate[Inventory, P], R]) -> t.Callable[t.Concatenate[Inventory, P], R]:
    """The same once more where the database undid it for another writer's sake; a caller's own transaction is for the caller to repeat."""

    @functools.wraps(method)
    def wrapper(self: Inventory, /, *args: P.args, **kwargs: P.kwargs) -> R:
        for _try in range(0 if self.is_writing else TRIES - 1):
            with contextlib.suppress(ConflictError):
                return method(self, *args, **kwargs)
        return method(self, *args, **kwargs)

    return wrapper


@contextlib.contextmanager
def open_inventory(
    url: str | None, *, now: t.Callable[[], datetime], actor: str = "", missing: t.Literal["create", "refuse", "empty"] = "create"
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
        yield Inventory(engine, path=location.name, now=now, actor=actor)
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


class Inventory:
    """What can be asked of and told to the inventory.

    A method that writes is one transaction of its own, or part of the caller's where that is inside ``with inventory.transaction()``.
    """

    def __init__(self, engine: sa.Engine, *, path: str, now: t.Callable[[], datetime], actor: str) -> None:
        self.path = path
        self._engine = engine
        self._now = now
        self._actor = actor
        self._writing: sa.Connection | None = None

    @property
    def is_writing(self) -> bool:
        """Whether a transaction of the caller's is open."""
        return self._writing is not None

    @contextlib.contextmanager
    def transaction(self) -> t.Iterator[None]:
        """Everything inside is written together or not at all; other writers wait from its first line on."""
        if self._writing is not None:
            raise InventoryError("a transaction of the inventory is open already: they do not nest")
        with begin(self._engine, ALONE, path=self.path) as connection:
            self._writing = connection
            try:
                yield
            finally:
                self._writing = None

    def check_writable(self) -> None:
        """Really writes, so that a full disk or a missing right is known before any host is touched."""
        with self._write() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = version_num")

    @_again
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
            recorded, event = scans.record(connection, prepared, new_certificates=len(rows))
            stated = self._put_stated(connection, scan.host, scan.stated)
            for each in filter(None, (event, stated)):
                self._append(connection, each)
        return recorded

    @_again
    def add_certificates(self, told: t.Mapping[str, t.Any]) -> None:
        """Stores certificates (base64 of DER by SHA-256) of a scan that is not recorded yet: what is large comes in parts."""
        rows, names = self._new_certificates(certificates.checked_certificates(told)[0])
        if rows:
            with self._write() as connection:
                certificates.add(connection, rows, names, time=seconds(self._now()))

    @_again
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

    @_again
    def record_silent_host(self, host: HostName, *, reason: str, started: datetime | None = None, stated: Stated | None = None) -> int:
        """Stores that a host gave nothing, and why."""
        now = self._now()
        with self._write() as connection:
            scan, event = scans.record_silent(connection, host, reason=reason, started=seconds(started or now), ended=seconds(now))
            owned = self._put_stated(connection, host, stated)
            for each in filter(None, (event, owned)):
                self._append(connection, each)
        return scan

    @_again
    def assign(self, wanted: assignments.Wanted, *, write: bool = True) -> assignments.Assigned:
        """Makes assignments of ownership as they are wanted, in one piece; ``write=False`` only says what would change."""
        with self._write_alone() if write else self._read() as connection:
            assigned, event = assignments.assign(connection, wanted, actor=self._actor, time=seconds(self._now()), write=write)
            if event:
                self._append(connection, event)
        return assigned

    @_again
    def rename_host(self, host: HostName, to: HostName, *, check: bool = False) -> bool:
        """Gives a host another name and tells whether that changed anything; ``check`` only says what would be."""
        return self._change_host(hosts.rename, host, to, check=check)

    @_again
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

    @_again
    def append_event(self, kind: str, *, subject: str, host: HostName | None = None, detail: t.Mapping[str, t.Any] | None = None) -> int:
        """Adds a line to the audit log and gives its number."""
        with self._write() as connection:
            return self._append(connection, Event(kind=kind, subject=subject, host=host, detail=detail or {}))

    def verify_chain(self) -> tuple[str, ...]:
        """One sentence for every line of the audit log that is missing or altered."""
        with self._read() as connection:
            return events.verify(connection)

    @_again
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

    @_again
    def begin_issuance(self, intent: Intent) -> Issuance:
        """Commits what is about to be signed. Raises SerialTakenError where the issuer has used the serial before."""
        with self._write_alone() as connection:
            issuance, event = issuances.begin(connection, intent, time=seconds(self._now()))
            self._append(connection, event)
        return issuance

    @_again
    def complete_issuance(self, issuance: int, *, der: bytes, chain: t.Sequence[bytes]) -> Issuance:
        """Commits the certificate; only then may it be handed out."""
        with self._write_alone() as connection:
            done, event = issuances.complete(connection, issuance, der=der, chain=tuple(chain), time=seconds(self._now()))
            if event:
                self._append(connection, event)
        return done

    @_again
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

    def documents(
        self, kind: str, *, select: str | None = None, namespace: str | None = None, sort: str | None = None, page: pages.Page | None = None
    ) -> t.Iterator[dict[str, t.Any]]:
        """Everything of one kind as plain dictionaries, see ``documents.KINDS``.

        At least what ``select`` and ``namespace`` need of it, for who applies them afterwards.
        """
        asked = pages.Asked(Selection.of(select, namespace=namespace, now=seconds(self._now())), page, sort)
        with self._read() as connection:
            yield from documents.documents(connection, kind, asked)

    def pages(self, kind: str, *, select: str | None = None, namespace: str | None = None) -> bool:
        """Whether documents can be asked for page by page, because ``select`` makes one element of each that it selects."""
        return documents.pages(kind, Selection.of(select, namespace=namespace, now=seconds(self._now())))

    def count(self, kind: str, *, select: str | None = None, namespace: str | None = None) -> int | None:
        """How many elements ``select`` makes of the documents of a namespace; None where the database cannot tell."""
        with self._read() as connection:
            return documents.counted(connection, kind, Selection.of(select, namespace=namespace, now=seconds(self._now())))

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
        return events.append(connection, event, actor=self._actor, time=seconds(self._now()))

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
        return begin(self._engine, how, path=self.path)
