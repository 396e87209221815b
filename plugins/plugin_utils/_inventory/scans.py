# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scans in the database. A scan with the result of the last one costs a row; another one writes what it saw and marks what is gone."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.absences import keep_absences
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.coverage import Coverage
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import insert_new, insert_row, present, upsert
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.runs import run_id
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.scan_rows import IDENTIFYING, Bundle, Prepared, Row, Things
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import clean_text
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Event, HostName, Recorded, Run

_SEEN_FILES = ("places", "bundle_places", "keys", "locked_stores", "records", "trust_stores")
_SEEN_TABLES = (*_SEEN_FILES, "services", "renewers")


@dataclasses.dataclass(frozen=True, slots=True)
class _Last:
    """The last scan of a host that gave something; ``content`` is the scan whose result is stored in full."""

    content: int
    digest: str
    privileged: bool


def host_id(connection: sa.Connection, host: HostName, *, time: int) -> int:
    """The number of a host, which is made known where it is not. On a server nobody else writes of this host until the transaction ends."""
    namespace, name = clean_text(host.namespace), clean_text(host.name)
    insert_new(connection, schema.hosts, [{"namespace": namespace, "name": name, "first_seen": time}])
    return int(connection.execute(sa.select(schema.hosts.c.id).where(is_host(host)).with_for_update(key_share=True)).scalar_one())


def is_host(host: HostName) -> sa.ColumnElement[bool]:
    """The condition that a row of hosts is this one."""
    hosts = schema.hosts.c
    return sa.and_(hosts.namespace == clean_text(host.namespace), hosts.name == clean_text(host.name))


def python_of(connection: sa.Connection, host: HostName) -> str | None:
    """The version of Python that a host had when it last answered."""
    hosts, evidence = schema.hosts.c, schema.host_evidence.c
    found = sa.select(evidence.value).join(schema.hosts, hosts.id == evidence.host_id).where(is_host(host), evidence.kind == "python")
    return connection.execute(found.order_by(evidence.scan_id.desc()).limit(1)).scalar()


def record(connection: sa.Connection, prepared: Prepared, *, new_certificates: int) -> tuple[Recorded, Event | None]:
    """Stores a scan whose certificates are stored already; the event is None for one that found what the last one found.

    Its rows may come in parts: whatever becomes of one of them, the transaction has all or nothing.
    """
    time = prepared.scan["ended"]
    run = run_id(connection, prepared.run, time=prepared.scan["started"])
    host = host_id(connection, prepared.host, time=time)
    last = _last(connection, host)
    same = last is not None and last.digest == prepared.scan["digest"]
    row = prepared.scan | {"host_id": host, "run_id": run, "same_as": last.content if last and same else None}
    row |= {"scope_json": None} if same else {"seen_until": time}
    scan = insert_row(connection, schema.scans, row)
    connection.execute(schema.hosts.update().where(schema.hosts.c.id == host).values(last_seen=time))
    if last and same:
        connection.execute(schema.scans.update().where(schema.scans.c.id == last.content).values(seen_until=time))
        return Recorded(scan=scan, changed=False, twins=_twins(connection, host), problems=prepared.problems), None
    _put_evidence(connection, prepared.evidence, host=host, scan=scan, time=time)
    twins = _twins(connection, host)
    problems, gone = _put_result(connection, prepared, host=host, scan=scan, last=last)
    recorded = Recorded(scan=scan, changed=True, new_certificates=new_certificates, gone=gone, twins=twins, problems=prepared.problems + problems)
    detail = {"scan": scan, "digest": row["digest"], "complete": row["complete"], "new_certificates": new_certificates, "gone": gone}
    return recorded, Event(kind="scan.recorded", subject=prepared.host.name, host=prepared.host, detail=detail)


def record_silent(connection: sa.Connection, host: HostName, *, reason: str, started: int, ended: int, run: Run | None = None) -> tuple[int, Event | None]:
    """A row for a host that gave nothing; an event when that is new or has another reason than the last time."""
    asked = run_id(connection, run, time=started)
    number = host_id(connection, host, time=ended)
    scans = schema.scans.c
    before = connection.execute(sa.select(scans.reason).where(scans.host_id == number).order_by(scans.id.desc()).limit(1)).scalar()
    row: dict[str, t.Any] = {"host_id": number, "started": started, "ended": ended, "duration": max(0, ended - started), "complete": False, "partial": False}
    row |= {"reason": clean_text(reason), "run_id": asked}
    scan = insert_row(connection, schema.scans, row)
    if before == row["reason"]:
        return scan, None
    return scan, Event(kind="scan.nothing", subject=host.name, host=host, detail={"scan": scan, "reason": reason})


def known_bundles(connection: sa.Connection) -> tuple[str, ...]:
    """Bundles of which every certificate is stored."""
    bundles = schema.bundles.c
    return tuple(connection.execute(sa.select(bundles.sha256).where(bundles.members_known).order_by(bundles.sha256)).scalars())


def known_certificates(connection: sa.Connection, host: HostName) -> tuple[str, ...]:
    """The certificates of the places and bundles that a host has."""
    places, held, members, hosts = schema.places.c, schema.bundle_places.c, schema.bundle_members.c, schema.hosts
    alone = sa.select(places.certificate).join(hosts, hosts.c.id == places.host_id).where(is_host(host), places.gone_at.is_(None))
    bundled = sa.select(members.certificate).join(schema.bundle_places, held.bundle == members.bundle).join(hosts, hosts.c.id == held.host_id)
    known = sa.union(alone, bundled.where(is_host(host), held.gone_at.is_(None)))
    return tuple(sorted(connection.execute(known).scalars()))


def is_known(connection: sa.Connection, prepared: Prepared) -> bool:
    """Whether the host's last scan found the same."""
    host = connection.execute(sa.select(schema.hosts.c.id).where(is_host(prepared.host))).scalar()
    last = None if host is None else _last(connection, host)
    return last is not None and last.digest == prepared.scan["digest"]


def is_superseded(connection: sa.Connection, prepared: Prepared) -> bool:
    """Whether this scan is recorded, or one that ended later."""
    scans, scan = schema.scans.c, prepared.scan
    same = sa.and_(scans.digest == scan["digest"], scans.started == scan["started"], scans.ended == scan["ended"])
    newer = sa.and_(scans.digest.is_not(None), scans.ended > scan["ended"])
    return _has_scan(connection, prepared.host, sa.or_(same, newer))


def is_seen_since(connection: sa.Connection, host: HostName, *, time: int) -> bool:
    """Whether anything is recorded of a host from then on."""
    return _has_scan(connection, host, schema.scans.c.ended >= time)


def _has_scan(connection: sa.Connection, host: HostName, condition: sa.ColumnElement[bool]) -> bool:
    found = sa.select(schema.scans.c.id).join(schema.hosts, schema.hosts.c.id == schema.scans.c.host_id).where(is_host(host), condition)
    return connection.execute(found.limit(1)).first() is not None


def _last(connection: sa.Connection, host: int) -> _Last | None:
    row = connection.execute(_select_last(), {"host": host}).first()
    return _Last(content=row.same_as or row.id, digest=row.digest, privileged=bool(row.privileged)) if row else None


@functools.cache
def _select_last() -> sa.Select[t.Any]:
    """Made once: it is asked twice of every host, and making it takes longer than running it."""
    scans, hosts = schema.scans.c, schema.hosts.c
    host: sa.BindParameter[int] = sa.bindparam("host")
    merged = sa.select(sa.func.coalesce(hosts.compared_after, 0)).where(hosts.id == host).scalar_subquery()
    compared = (scans.host_id == host, scans.digest.is_not(None), scans.id > merged)
    return sa.select(scans.id, scans.same_as, scans.digest, scans.privileged).where(*compared).order_by(scans.id.desc()).limit(1)


def _put_result(connection: sa.Connection, prepared: Prepared, *, host: int, scan: int, last: _Last | None) -> tuple[tuple[str, ...], int]:
    """Writes the rows of a result; gives the problems and how many things in files are gone."""
    time = prepared.scan["ended"]
    things = prepared.things()
    problems: list[str] = []
    coverage = things.coverage
    for part in itertools.chain((things,), prepared.more()):
        problems += _put_things(connection, part, prepared.certificates, host=host, scan=scan, time=time)
        coverage = coverage.joined(part.coverage)
    gone = sum(_mark_gone(connection, schema.metadata.tables[name], coverage, host=host, scan=scan, time=time) for name in _SEEN_FILES)
    # These are found without any walk. Who is not root sees less of the processes and their configuration than root did.
    if prepared.scan["privileged"] or not (last and last.privileged):
        for table in (schema.metadata.tables[name] for name in things.whole):
            statement = table.update().where(table.c.host_id == host, table.c.scan_id != scan, table.c.gone_at.is_(None))
            connection.execute(statement.values(gone_at=time))
    return tuple(problems), gone


def _put_things(connection: sa.Connection, things: Things, sent: t.Collection[str], *, host: int, scan: int, time: int) -> tuple[str, ...]:
    """Writes the rows of a part of a result, as seen by this scan; gives the problems. C(sent) certificates are stored by now."""
    _put_bundles(connection, things.bundles, time=time)
    seen = {"host_id": host, "scan_id": scan, "first_seen": time, "gone_at": None}
    rows, problems = _stored(connection, things, sent)
    for table in map(schema.metadata.tables.__getitem__, _SEEN_TABLES):
        keep_absences(connection, table, rows[table.name], host=host, time=time)
        upsert(connection, table, [row | seen for row in rows[table.name]], keep=("first_seen",))
    return problems


def _stored(connection: sa.Connection, things: Things, sent: t.Collection[str]) -> tuple[dict[str, tuple[Row, ...]], tuple[str, ...]]:
    """The rows whose certificates are stored, and a problem for each that names one nobody ever sent."""
    rows = dict(things.tables)
    wanted = {row["certificate"] for row in rows["places"]}.difference(sent)
    lacking = wanted - present(connection, schema.certificates.c.sha256, wanted)
    lost = [row for row in rows["places"] if row["certificate"] in lacking]
    rows["places"] = tuple(row for row in rows["places"] if row["certificate"] not in lacking)
    return rows, tuple(f"place {row['path']!r}: the host's answer lacks its certificate {row['certificate']!r}" for row in lost)


def _put_bundles(connection: sa.Connection, bundles: t.Sequence[Bundle], *, time: int) -> None:
    """What a bundle holds is taken from the first host that told all of it and does not change: its name is the hash of its bytes."""
    members = {member for bundle in bundles for member in bundle.members or ()}
    stored = present(connection, schema.certificates.c.sha256, members)
    known = set(known_bundles(connection))
    for bundle in sorted(bundles, key=lambda bundle: bundle.sha256):
        complete = bundle.members is not None and stored.issuperset(bundle.members)
        row = {"sha256": bundle.sha256, "count": bundle.count, "first_seen": time, "members_known": complete}
        if bundle.sha256 in known:
            continue
        upsert(connection, schema.bundles, [row], keep=("first_seen",))
        if complete and bundle.members:
            rows = [{"bundle": bundle.sha256, "position": position, "certificate": member} for position, member in enumerate(bundle.members)]
            insert_new(connection, schema.bundle_members, rows)


def _mark_gone(connection: sa.Connection, table: sa.Table, coverage: Coverage, *, host: int, scan: int, time: int) -> int:
    """Marks what lay where the scan looked and was not seen by it."""
    keys = [column for column in table.primary_key if column.name != "host_id"]
    unseen = connection.execute(sa.select(*keys).where(table.c.host_id == host, table.c.scan_id != scan, table.c.gone_at.is_(None)))
    gone = [{f"key_{name}": value for name, value in row.items()} for row in unseen.mappings() if coverage.saw(row["path"])]
    if gone:
        condition = [key == sa.bindparam(f"key_{key.name}") for key in keys]
        connection.execute(table.update().where(table.c.host_id == host, *condition).values(gone_at=time), gone)
    return len(gone)


def _put_evidence(connection: sa.Connection, evidence: t.Sequence[tuple[str, str]], *, host: int, scan: int, time: int) -> None:
    rows = [{"host_id": host, "kind": kind, "value": value, "scan_id": scan, "first_seen": time} for kind, value in evidence]
    upsert(connection, schema.host_evidence, rows, keep=("first_seen",))


def _twins(connection: sa.Connection, host: int) -> tuple[HostName, ...]:
    """Other hosts with the same machine-id or ssh host key."""
    return tuple(HostName(namespace=row.namespace, name=row.name) for row in connection.execute(_select_twins(), {"host": host}))


@functools.cache
def _select_twins() -> sa.Select[t.Any]:
    own, other, hosts = schema.host_evidence.alias(), schema.host_evidence.alias(), schema.hosts
    host: sa.BindParameter[int] = sa.bindparam("host")
    return (
        sa.select(hosts.c.namespace, hosts.c.name)
        .distinct()
        .join(other, other.c.host_id == hosts.c.id)
        .join(own, sa.and_(own.c.kind == other.c.kind, own.c.value == other.c.value))
        .where(own.c.host_id == host, other.c.host_id != host, own.c.kind.in_(IDENTIFYING))
        .order_by(hosts.c.namespace, hosts.c.name)
    )
