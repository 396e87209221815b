# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which run of which job a scan belongs to: one row a run. How far each came is counted from its scans when somebody asks."""

from __future__ import annotations

import functools
import itertools
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import insert_new
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import clean_text
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Run, iso_stored

Document = dict[str, t.Any]
NAME_LIMIT = 255
COUNTS = ("complete", "incomplete", "silent")


def run_id(connection: sa.Connection, run: Run | None, *, time: int) -> int | None:
    """The number of a run, which is made known by the first of its hosts. Nothing of a host may be written before: two that come first wait for each other."""
    if run is None:
        return None
    names = {name: clean_text(getattr(run, name), limit=NAME_LIMIT) for name in ("job", "run", "part")}
    known = connection.execute(_select_run(), names).scalar()
    if known is None:
        insert_new(connection, schema.runs, [{**names, "hosts_asked": run.hosts_asked, "began": time}])
        known = connection.execute(_select_run(), names).scalar_one()
    return int(known)


@functools.cache
def _select_run() -> sa.Select[t.Any]:
    """Made once: it is asked of every host."""
    runs = schema.runs.c
    return sa.select(runs.id).where(*(runs[name] == sa.bindparam(name) for name in ("job", "run", "part")))


def runs(connection: sa.Connection, _now: int) -> t.Iterator[Document]:
    """A document for each run, the oldest first."""
    found = [_run(job, run, list(parts)) for (job, run), parts in itertools.groupby(connection.execute(_counted()), lambda row: (row.job, row.run))]
    last: dict[str, Document] = {}
    for document in sorted(found, key=lambda document: (document["ended"], document["started"])):
        if document["complete"]:
            last[document["job"]] = {name: document[name] for name in ("run", "started", "ended")}
    for document in sorted(found, key=lambda document: (document["started"], document["job"], document["run"])):
        yield {**document, "last_complete_run": last.get(document["job"])}


def _counted() -> sa.Select[t.Any]:
    """Each part of a run with how many of its hosts came how far; what counts of a host is its last scan."""
    table, scans = schema.runs.c, schema.scans.c
    latest = sa.select(sa.func.max(scans.id)).where(scans.run_id.is_not(None)).group_by(scans.run_id, scans.host_id)
    complete = sa.and_(scans.complete.is_(sa.true()), scans.privileged.is_(sa.true()))
    cases = (complete, sa.and_(scans.digest.is_not(None), sa.not_(complete)), scans.digest.is_(None))
    counts = [sa.func.sum(sa.case((case, 1), else_=0)).label(name) for name, case in zip(COUNTS, cases, strict=True)]
    partial = sa.func.sum(sa.case((scans.partial.is_(sa.true()), 1), else_=0)).label("partial")
    columns = (scans.run_id, *counts, partial, sa.func.min(scans.started).label("started"), sa.func.max(scans.ended).label("ended"))
    own = sa.select(*columns).where(scans.id.in_(latest)).group_by(scans.run_id).subquery("own")
    told = (table.job, table.run, table.hosts_asked)
    statement = sa.select(*told, *(column for column in own.c if column.name != "run_id")).join(own, own.c.run_id == table.id)
    return statement.order_by(table.job, table.run, table.part)


def _run(job: str, run: str, parts: t.Sequence[t.Any]) -> Document:
    asked = sum(part.hosts_asked for part in parts)
    counts = {name: sum(int(getattr(part, name)) for part in parts) for name in COUNTS}
    return {
        "job": job,
        "run": run,
        "started": iso_stored(min(part.started for part in parts)),
        "ended": iso_stored(max(part.ended for part in parts)),
        "hosts_asked": asked,
        **{f"hosts_{name}": count for name, count in counts.items()},
        "hosts_missing": max(0, asked - sum(counts.values())),
        "partial": any(part.partial for part in parts),
        "complete": counts["complete"] == asked,
    }
