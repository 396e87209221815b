# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is old enough to go: events up to a signed checkpoint, and what was seen of things that are gone. Issuances and hosts stay."""

from __future__ import annotations

import functools
import operator
import re
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.chain import REMOVED, Checkpoint
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.checkpoints import checkpoints
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import parts
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Event

_SHA256 = re.compile("[0-9a-f]{64}")
_GONE = ("places", "locked_stores", "records", "bundle_places", "keys", "trust_stores", "services", "renewers", "endpoints", "imported")
# What the past was like until a time, see C(past).
_PAST = {"absences": "back_at", "endpoint_pasts": "until", "host_ownership_pasts": "until"}


def boundary(connection: sa.Connection, *, before: int, expired_before: int, sent: int | None) -> Checkpoint | None:
    """The newest checkpoint before which all events may go.

    Kept are those since ``before``, those since the first issuance whose certificate had not ended at ``expired_before``, and those behind ``sent``.
    """
    events, issuances, certificates = schema.events.c, schema.issuances.c, schema.certificates.c
    valid = sa.select(sa.func.min(issuances.began)).join(schema.certificates, certificates.sha256 == issuances.certificate)
    began = connection.execute(valid.where(certificates.not_after >= expired_before)).scalar()
    kept = connection.execute(sa.select(sa.func.min(events.seq)).where(events.time >= min(before, before if began is None else began))).scalar()
    first = connection.execute(sa.select(sa.func.min(events.seq))).scalar() or 0
    ends = [end for end in (None if kept is None else kept - 1, sent) if end is not None]
    return next((each for each in reversed(checkpoints(connection)) if each.seq >= first and all(each.seq <= end for end in ends)), None)


def remove_events(connection: sa.Connection, to: Checkpoint) -> tuple[int, Event]:
    """Removes the events up to a checkpoint. The event of it says so in the log, which begins at the checkpoint from now on."""
    count = connection.execute(schema.events.delete().where(schema.events.c.seq <= to.seq)).rowcount
    return count, Event(kind=REMOVED, subject=f"events up to {to.seq}", detail={"to": to.seq, "hash": to.hash, "count": count})


def remove_history(connection: sa.Connection, *, before: int) -> dict[str, int]:
    """How many rows of each table went: what has been gone since before a time, scans that nothing refers to, and bundles and certificates that are nowhere."""
    old = {**dict.fromkeys(_GONE, "gone_at"), **_PAST}
    counts = {name: _delete(connection, schema.metadata.tables[name], schema.metadata.tables[name].c[column] < before) for name, column in old.items()}
    counts["scans"] = _old_scans(connection, before)
    unused = ~sa.exists().where(schema.scans.c.run_id == schema.runs.c.id)
    counts["runs"] = _delete(connection, schema.runs, schema.runs.c.began < before, unused)
    nowhere = ~sa.exists().where(schema.bundle_places.c.bundle == schema.bundles.c.sha256)
    gone = list(connection.execute(sa.select(schema.bundles.c.sha256).where(nowhere, schema.bundles.c.first_seen < before)).scalars())
    for part in parts(gone):
        _delete(connection, schema.bundle_members, schema.bundle_members.c.bundle.in_(part))
        _delete(connection, schema.bundles, schema.bundles.c.sha256.in_(part))
    counts["bundles"] = len(gone)
    counts["certificates"] = _old_certificates(connection, before)
    return {name: count for name, count in counts.items() if count}


def _delete(connection: sa.Connection, table: sa.Table, *conditions: t.Any) -> int:
    return int(connection.execute(table.delete().where(*conditions)).rowcount)


def _old_scans(connection: sa.Connection, before: int) -> int:
    """Nights without a change first, then those with one to which nothing refers any more. The last scan of each host, and the last complete one, stay."""
    scans = schema.scans.c
    last = sa.select(sa.func.max(scans.id)).group_by(scans.host_id)
    kept = (last, last.where(scans.digest.is_not(None)), last.where(scans.complete, sa.not_(scans.partial)))
    old = (scans.ended < before, *(scans.id.not_in(numbers) for numbers in kept))
    count = _delete(connection, schema.scans, *old, scans.same_as.is_not(None))
    other = schema.scans.alias()
    referring = [table.c.scan_id for table in schema.metadata.sorted_tables if "scan_id" in table.c]
    unused = [~sa.exists().where(column == scans.id) for column in (*referring, other.c.same_as)]
    return count + _delete(connection, schema.scans, *old, sa.func.coalesce(scans.seen_until, scans.ended) < before, *unused)


def _old_certificates(connection: sa.Connection, before: int) -> int:
    """Those that no place, bundle, endpoint, chain, issuance or issuer names."""
    certificates = schema.certificates
    naming = [table.c.certificate for table in schema.metadata.sorted_tables if "certificate" in table.c and table.name not in ("certificate_names", "issuers")]
    unused = functools.reduce(operator.and_, (~sa.exists().where(column == certificates.c.sha256) for column in naming))
    found = set(connection.execute(sa.select(certificates.c.sha256).where(unused, certificates.c.first_seen < before)).scalars())
    for column in (schema.endpoints.c.chain_json, schema.trust_stores.c.added_json, schema.trust_stores.c.removed_json):
        for text in connection.execute(sa.select(column).where(column.is_not(None)).distinct()).scalars():
            found.difference_update(_SHA256.findall(text))
    for part in parts(sorted(found)):
        _delete(connection, schema.certificate_names, schema.certificate_names.c.certificate.in_(part))
        _delete(connection, certificates, certificates.c.sha256.in_(part))
    return len(found)
