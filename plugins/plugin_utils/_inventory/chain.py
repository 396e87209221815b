# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lines of the audit log and its checkpoints say of each other, wherever they were read: in the database or in a copy of it."""

from __future__ import annotations

import dataclasses
import itertools
import json
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import canonical_json, digest_of

Row = t.Mapping[str, t.Any]
FIRST = "0" * 64
VERSION = 2
REMOVED = "retention.events_removed"  # the event that says up to which line the log was shortened
_VERSION_1 = ("seq", "time", "actor", "kind", "namespace", "host", "subject", "detail", "previous")
_NEW_IN_2 = ("actor_known", "account", "job", "ticket", "reason")
_HASHED = {1: _VERSION_1, 2: ("version", *_VERSION_1, *_NEW_IN_2)}
COLUMNS = ("hash", *_HASHED[VERSION])


def line_hash(row: Row) -> str:
    """SHA-256 over the canonical JSON of everything in the line but the hash itself."""
    return digest_of({name: row[name] for name in _HASHED[row["version"]]})


def is_genuine(row: Row) -> bool:
    """Whether the line is what its hash was made of. A line of version 1 says nothing in the columns that came later."""
    if row["version"] not in _HASHED or (row["version"] == 1 and any(row[name] is not None for name in _NEW_IN_2)):
        return False
    return bool(row["hash"] == line_hash(row))


@dataclasses.dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement: the log had the event ``seq`` with this hash, ``count`` events after the checkpoint before."""

    seq: int
    time: int
    hash: str
    count: int
    previous: str  # the digest of the checkpoint before, FIRST where there is none
    signature: str = ""

    @property
    def payload(self) -> str:
        """What is signed: canonical JSON."""
        named = ("count", "hash", "previous", "seq", "time")
        return canonical_json({"version": 1, **{name: getattr(self, name) for name in named}})

    @property
    def digest(self) -> str:
        return digest_of(json.loads(self.payload))


@dataclasses.dataclass(frozen=True, slots=True)
class Anchor:
    """Somebody says that the log has this event with this hash."""

    seq: int
    hash: str
    source: str


class Chain:
    """Takes one line after the other and tells what is wrong with them. Lines that were cut off at the end are missed only by what an anchor knows."""

    def __init__(self, anchors: t.Iterable[Anchor] = (), *, begins_at: int | None = None) -> None:
        """``begins_at``: the copy says itself that it begins behind this event; the database says so by an event of the retention."""
        self._begins_at = begins_at
        self._anchors: dict[int, list[Anchor]] = {}
        for anchor in anchors:
            self._anchors.setdefault(anchor.seq, []).append(anchor)
        self._told: list[tuple[int, str]] = []
        self._gaps: list[tuple[int, int]] = []
        self._late: set[int] = set()
        self.count = 0
        self.first: int | None = None
        self.last: Row | None = None
        self.removed_to = 0  # what an event says of the retention

    def take(self, row: Row) -> None:
        self.count += 1
        if self.last is None:
            self._begin(row)
        elif row["seq"] <= self.last["seq"]:
            self._misplaced(row)
        else:
            self._follow(row, self.last["seq"] + 1, self.last["hash"])
        self._look_into(row)
        if self.last is None or row["seq"] > self.last["seq"]:
            self.last = row

    def problems(self) -> tuple[str, ...]:
        """One sentence for every line that is missing, altered or in a wrong place, in the order of their numbers."""
        told = [*self._told, *((low, _missing(low, high)) for low, high in self._left()), *self._unsaid()]
        last = self.last["seq"] if self.last else 0
        behind = max((anchor for anchors in self._anchors.values() for anchor in anchors if anchor.seq > last), key=lambda anchor: anchor.seq, default=None)
        if behind:
            ends = f"the log ends with event {last}" if last else "the log is empty"
            told.append((last + 1, f"{ends}, and {behind.source} names event {behind.seq}: {_missing(last + 1, behind.seq)}"))
        return tuple(text for _seq, text in sorted(told, key=lambda each: each[0]))

    def _begin(self, row: Row) -> None:
        """The first line follows nothing, or a checkpoint that has what was there before."""
        self.first = row["seq"]
        before = row["seq"] - 1 if self._begins_at is None else self._begins_at
        known = self._anchors.get(before)
        self._follow(row, before + 1 if known else 1, known[0].hash if known else FIRST)

    def _unsaid(self) -> t.Iterator[tuple[int, str]]:
        """A log that begins at a checkpoint was shortened by the retention, which leaves an event, or by somebody else."""
        before = (self.first or 1) - 1
        if before and before in self._anchors and before not in (self._begins_at, self.removed_to):
            yield 1, f"{_missing(1, before)}, and no event says that they were removed"

    def _follow(self, row: Row, expected: int, previous: str) -> None:
        if row["seq"] != expected:
            self._gaps.append((expected, row["seq"] - 1))
        elif row["previous"] != previous:
            self._told.append((row["seq"], f"event {row['seq']} does not continue the one before it"))

    def _misplaced(self, row: Row) -> None:
        seq = row["seq"]
        if seq not in self._late and any(low <= seq <= high for low, high in self._gaps):
            self._late.add(seq)
            self._told.append((seq, f"event {seq} stands behind event {self.last['seq'] if self.last else 0}"))
        else:
            self._told.append((seq, f"event {seq} is there more than once"))

    def _look_into(self, row: Row) -> None:
        seq = row["seq"]
        if not is_genuine(row):
            self._told.append((seq, f"event {seq} was altered"))
        elif row["kind"] == REMOVED:
            self.removed_to = max(self.removed_to, _removed_to(row))
        for anchor in self._anchors.get(seq, ()):
            if anchor.hash != row["hash"]:
                self._told.append((seq, f"event {seq} is not the one that {anchor.source} names"))

    def _left(self) -> t.Iterator[tuple[int, int]]:
        """The gaps without what came late."""
        for low, high in self._gaps:
            ends = [low - 1, *sorted(seq for seq in self._late if low <= seq <= high), high + 1]
            yield from ((one + 1, other - 1) for one, other in itertools.pairwise(ends) if other - one > 1)


def _missing(low: int, high: int) -> str:
    return f"event {low} is missing" if low == high else f"events {low} to {high} are missing"


def _removed_to(row: Row) -> int:
    try:
        return int(json.loads(row["detail"])["to"])
    except (ValueError, TypeError, KeyError):
        return 0


def checkpoint_problems(checkpoints: t.Sequence[Checkpoint], refusal: t.Callable[[Checkpoint], str | None], *, whole: bool) -> list[str]:
    """What is wrong with the checkpoints, oldest first; ``refusal`` says why a signature does not count.

    Each holds the digest of the one before, so that one good signature vouches for all before it. ``whole``: the first one is the first that was ever made.
    """
    problems = []
    previous, before = (FIRST, 0) if whole or not checkpoints else (checkpoints[0].previous, checkpoints[0].seq - checkpoints[0].count)
    for each in checkpoints:
        if each.previous != previous or each.seq - before != each.count:
            problems.append(f"checkpoint {each.seq} does not continue the one before it: a checkpoint is missing or was altered")
        previous, before = each.digest, each.seq
    for each in reversed(checkpoints):
        refused = refusal(each)
        if refused is None:
            break
        problems.append(f"checkpoint {each.seq}: {refused}")
    return problems
