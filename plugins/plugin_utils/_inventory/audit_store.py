# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be asked of the audit log as a whole, and told of its checkpoints and copies: a part of C(Inventory)."""

from __future__ import annotations

import abc
import typing as t
from contextlib import AbstractContextManager
from datetime import datetime

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import checkpoints, copies, events, retention
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.again import again
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.chain import Anchor, Chain, Checkpoint
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.connection import lock_chain
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.copies import Copy, Ends
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.events import Row
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Event, seconds


class AuditStore(abc.ABC):
    """A method that writes is one transaction, as those of the inventory."""

    _now: t.Callable[[], datetime]

    @property
    @abc.abstractmethod
    def is_writing(self) -> bool:
        """Whether a transaction of the caller's is open."""

    @abc.abstractmethod
    def _read(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that only reads."""

    @abc.abstractmethod
    def _append(self, connection: sa.Connection, event: Event) -> int:
        """Adds a line to the audit log, inside a writing transaction."""

    @abc.abstractmethod
    def _write(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that writes."""

    @abc.abstractmethod
    def _write_alone(self) -> AbstractContextManager[sa.Connection]:
        """One for what is decided by what was there before."""

    def verify_chain(self) -> tuple[str, ...]:
        """One sentence for every line of the audit log that is missing or altered."""
        return self.audited().problems()

    def audited(self, anchors: t.Iterable[Anchor] = (), *, see: t.Callable[[t.Mapping[str, t.Any]], None] = lambda _row: None) -> Chain:
        """The audit log after all its lines were looked at, against its checkpoints and what else is known of it; ``see`` gets each line, too."""
        with self._read() as connection:
            return checkpoints.verify(connection, anchors, see=see)

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The checkpoints of the audit log, oldest first."""
        with self._read() as connection:
            return checkpoints.checkpoints(connection)

    def checkpoint_due(self, *, events: int, hours: int) -> Checkpoint | None:
        """The checkpoint that is to be signed, None where neither so many events came since the last one nor the first of them is so old."""
        with self._read() as connection:
            return checkpoints.due(connection, events=events, seconds=hours * 3600, now=seconds(self._now()))

    @again
    def add_checkpoint(self, checkpoint: Checkpoint) -> bool:
        """Stores a checkpoint that was signed; False where another one was made meanwhile."""
        with self._write_alone() as connection:
            return checkpoints.add(connection, checkpoint)

    def copies(self) -> tuple[Ends, dict[str, Copy]]:
        """The ends of the audit log, and how far it was copied to each target."""
        with self._read() as connection:
            return copies.ends(connection), copies.copies(connection)

    @again
    def claim_copy(self, name: str) -> Copy | None:
        """A target for this run alone; None where another run is at it, or where it failed a moment ago."""
        now = seconds(self._now())
        with self._read() as connection:
            if copies.free(connection, name, now=now) is None:
                return None
        with self._write() as connection:
            return copies.claim(connection, name, now=now)

    def lines_to_copy(self, *, events_sent: int, checkpoints_sent: int) -> tuple[list[Row], tuple[Checkpoint, ...]]:
        """The next events and checkpoints behind those that a target has."""
        with self._read() as connection:
            rows = list(events.lines(connection, after=events_sent, limit=events.PART))
            return rows, checkpoints.checkpoints(connection, after=checkpoints_sent, limit=events.PART)

    @again
    def advance_copy(self, held: Copy, *, events: int, checkpoints: int) -> Copy | None:
        """That so much has arrived; None where another run has taken over."""
        with self._write() as connection:
            return copies.advance(connection, held, events=events, checkpoints=checkpoints, now=seconds(self._now()))

    @again
    def release_copy(self, held: Copy, *, rest: bool = False) -> bool:
        """Ends the work at a target; False while lines are left, which C(rest) leaves to the next run."""
        with self._write() as connection:
            lock_chain(connection)
            return copies.release(connection, held, now=seconds(self._now()), rest=rest)

    @again
    def fail_copy(self, held: Copy, problem: str) -> None:
        """Ends the work at a target and keeps the reason."""
        with self._write() as connection:
            copies.fail(connection, held, problem, now=seconds(self._now()))

    def removable_events(self, *, before: datetime, expired_before: datetime, sent: int | None) -> Checkpoint | None:
        """The checkpoint up to which events may go, see ``retention.boundary``."""
        with self._read() as connection:
            return retention.boundary(connection, before=seconds(before), expired_before=seconds(expired_before), sent=sent)

    @again
    def remove_events(self, to: Checkpoint, *, check: bool = False) -> int:
        """Shortens the audit log, which begins at this checkpoint then, and says how many events went; ``check`` only says it."""
        with self._write_alone() as connection:
            tried = connection.begin_nested()
            count, event = retention.remove_events(connection, to)
            if check:
                tried.rollback()
            else:
                self._append(connection, event)
        return count

    @again
    def remove_history(self, *, before: datetime, check: bool = False) -> dict[str, int]:
        """Removes what has been gone since before a time, and says how many rows of each table went; ``check`` only says it."""
        with self._write_alone() as connection:
            tried = connection.begin_nested()
            counts = retention.remove_history(connection, before=seconds(before))
            if check:
                tried.rollback()
            elif counts:
                self._append(connection, Event(kind="retention.history_removed", subject="history", detail={"before": seconds(before), **counts}))
        return counts
