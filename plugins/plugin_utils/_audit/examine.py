# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answer of C(audit_info): what is wrong with the log, in the database or in a copy, and the events that were asked for."""

from __future__ import annotations

import collections
import dataclasses
import fnmatch
import typing as t
from datetime import datetime, timezone

from ansible_collections.certops.fleet.plugins.plugin_utils._audit.copy_file import read_end
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.lines import read_lines
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.settings import AuditError, AuditSettings, Target
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.signing import fingerprint, public_key_beside, refusal
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.chain import Anchor, Chain, Checkpoint, checkpoint_problems
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.checkpoints import anchors
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.copies import Copy
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.documents_said import event_document
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import iso_stored, seconds

Row = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are listed: the last ``limit`` of those that match everything given. ``kinds`` are patterns as of a shell."""

    kinds: tuple[str, ...] = ()
    host: str | None = None
    since: int | None = None
    limit: int = 100

    @classmethod
    def from_args(cls, args: t.Mapping[str, t.Any]) -> Wanted:
        if args["limit"] < 0:
            raise AuditError(f"limit must be a number of events, or 0 for none, got {args['limit']!r}")
        return cls(tuple(args["kinds"]), args["host"], None if args["since"] is None else since(args["since"]), args["limit"])

    def matches(self, row: Row) -> bool:
        if self.kinds and not any(fnmatch.fnmatchcase(row["kind"], pattern) for pattern in self.kinds):
            return False
        return self.host in (None, row["host"]) and (self.since is None or row["time"] >= self.since)


def since(text: str) -> int:
    """A day or a moment in ISO 8601, UTC where it names no zone. Raises AuditError."""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise AuditError(f"since must be a day or a time such as '2026-11-01' or '2026-11-01T08:00:00Z', got {text!r}") from None
    return seconds(moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc))


def known_anchor(args: t.Mapping[str, t.Any]) -> list[Anchor]:
    """What somebody noted of the log when it was read before."""
    if (args["known_seq"] is None) != (args["known_hash"] is None):
        raise AuditError("known_seq and known_hash belong together: give both or none")
    return [] if args["known_seq"] is None else [Anchor(args["known_seq"], str(args["known_hash"]).lower(), "known_seq")]


@dataclasses.dataclass(frozen=True, slots=True)
class Examined:
    """The log after it was read to its end."""

    chain: Chain
    checkpoints: tuple[Checkpoint, ...]
    rows: tuple[Row, ...]
    unreadable: tuple[str, ...] = ()
    whole: bool = True  # the first checkpoint is the first that was ever made
    targets: tuple[dict[str, t.Any], ...] = ()


def of_database(inventory: Inventory, settings: AuditSettings, wanted: Wanted, known: t.Sequence[Anchor]) -> Examined:
    """Against the end of each copy in a file, too: what that has was in the database once."""
    rows: collections.deque[Row] = collections.deque(maxlen=wanted.limit)
    ends = [read_end(target).event for target in settings.targets if target.kind == "path"]
    chain = inventory.audited([*known, *filter(None, ends)], see=lambda row: rows.append(row) if wanted.matches(row) else None)
    return Examined(chain, inventory.checkpoints(), tuple(rows), targets=tuple(_targets(inventory, settings)))


def _targets(inventory: Inventory, settings: AuditSettings) -> t.Iterator[dict[str, t.Any]]:
    end, there = inventory.copies()
    for target in settings.targets:
        copy = there.get(target.name, Copy(target.name))
        problem = copy.problem or (_gone(target) if target.kind == "path" and copy.events else None)
        yield {"name": target.name, "last_seq": copy.events, "waiting": max(0, end.event - copy.events), "problem": problem}


def _gone(target: Target) -> str | None:
    """A file that was moved away, as by logrotate, or that another controller writes, is not there; so is one that somebody deleted."""
    return None if read_end(target).event else f"the copy {target.path!r} is not there or holds no event, and had some"


def of_copy(path: str, wanted: Wanted, known: t.Sequence[Anchor]) -> Examined:
    """The file is read twice: a checkpoint may stand behind its event."""
    checkpoints, unreadable = {}, []
    begins: int | None = None
    for line in read_lines(path):
        if line.checkpoint:
            checkpoints[line.checkpoint.seq] = line.checkpoint
        if line.problem:
            unreadable.append(line.problem)
        if line.number == 1 and line.checkpoint:
            begins = line.checkpoint.seq
    ordered = tuple(checkpoints[seq] for seq in sorted(checkpoints))
    chain = Chain([*anchors(ordered), *known], begins_at=begins)
    rows: collections.deque[Row] = collections.deque(maxlen=wanted.limit)
    for line in read_lines(path):
        if line.event:
            chain.take(line.event)
            if wanted.matches(line.event):
                rows.append(line.event)
    return Examined(chain, ordered, tuple(rows), tuple(unreadable), whole=begins is None)


def result(examined: Examined, settings: AuditSettings) -> dict[str, t.Any]:
    """As the module returns it."""
    signers = settings.signers or public_key_beside(settings.signing_key)
    signed = checkpoint_problems(examined.checkpoints, lambda each: refusal(each, signers), whole=examined.whole)
    problems = [*examined.unreadable, *examined.chain.problems(), *signed]
    last, newest = examined.chain.last, examined.checkpoints[-1] if examined.checkpoints else None
    return {
        "verified": not problems,
        "problems": problems,
        "findings": findings(examined, settings, signers),
        "count": examined.chain.count,
        "first_seq": examined.chain.first,
        "last_seq": last["seq"] if last else None,
        "last_hash": last["hash"] if last else None,
        "last_time": iso_stored(last["time"]) if last else None,
        "checkpoints": len(examined.checkpoints),
        "checkpoint": None if newest is None else _checkpoint(newest),
        "targets": list(examined.targets),
        "events": [_document(row) for row in examined.rows],
    }


def findings(examined: Examined, settings: AuditSettings, signers: tuple[str, ...]) -> list[str]:
    """What makes the log worth less than it could be."""
    told = []
    if not settings.targets:
        told.append("the audit log is not copied out of the database: set certops_audit.targets, or who can write the database can shorten the log unseen")
    told += [f"audit target {each['name']!r}, which lacks {each['waiting']} events: {each['problem']}" for each in examined.targets if each["problem"]]
    if not examined.checkpoints:
        told.append("no checkpoint of the audit log is signed: set certops_audit.signing_key, or who can write the database can make the whole log anew unseen")
    elif not signers:
        told.append("nobody says which keys sign checkpoints: set certops_audit.signers, or any key counts")
    return told


def audit_measures(inventory: Inventory, settings: AuditSettings) -> tuple[tuple[str, str, str], ...]:
    """What the register says of the log: requirement, measure and value. Without verifying it, which takes as long as the log is."""
    checkpoints, targets = inventory.checkpoints(), list(_targets(inventory, settings))
    lacking = sum(each["waiting"] for each in targets)
    copied = f"{len(targets)} targets, which lack {lacking} events" if targets else "none: nobody would see that it was shortened or made anew"
    signed = f"{len(checkpoints)}, the last one on {str(iso_stored(checkpoints[-1].time))[:10]}" if checkpoints else "none"
    return (("CMP-16", "places that the audit log is copied to", copied), ("CMP-16", "signed checkpoints of the audit log", signed))


def _checkpoint(checkpoint: Checkpoint) -> dict[str, t.Any]:
    return {"seq": checkpoint.seq, "time": iso_stored(checkpoint.time), "hash": checkpoint.hash, "key": fingerprint(checkpoint.signature)}


def _document(row: Row) -> dict[str, t.Any]:
    """A line as users get it; the detail of one that was altered may be anything."""
    try:
        return event_document(row)
    except ValueError:
        return event_document({**row, "detail": "null"})
