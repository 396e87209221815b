# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hosts did and the inventory could not take any more, as values and as JSON. There is no secret in it: it is what would stand in the inventory."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import (
    Event,
    HostName,
    Recorded,
    Run,
    ScanRecord,
    Settled,
    SilentHost,
    Stated,
    TransitionError,
)

Record = Event | Settled | ScanRecord | SilentHost
_KINDS: dict[str, type[Record]] = {"event": Event, "issuance": Settled, "scan": ScanRecord, "silent": SilentHost}


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One record and the time at which it was to be written."""

    at: datetime
    record: Record

    def to_json(self) -> dict[str, t.Any]:
        kind = next(name for name, known in _KINDS.items() if isinstance(self.record, known))
        return {"at": self.at.isoformat(), kind: {field.name: _told(field.name, getattr(self.record, field.name)) for field in dataclasses.fields(self.record)}}

    @classmethod
    def from_json(cls, told: t.Mapping[str, t.Any]) -> Entry:
        """Raises KeyError, TypeError, AttributeError or ValueError for what is no entry."""
        (kind,) = set(told) - {"at"}
        return cls(datetime.fromisoformat(told["at"]), _KINDS[kind](**{name: _read(name, value) for name, value in told[kind].items()}))


def put(inventory: Inventory, record: Record) -> Recorded | None:
    """Writes a record; what recording a scan did is returned."""
    if isinstance(record, ScanRecord):
        return inventory.record_scan(record)
    if isinstance(record, Event):
        inventory.append_event(record.kind, subject=record.subject, host=record.host, detail=record.detail)
    elif isinstance(record, Settled):
        inventory.set_issuance_state(record.issuance, state=record.state, reason=record.reason)
    else:
        inventory.record_silent_host(record.host, reason=record.reason, started=record.started, ended=record.ended, stated=record.stated, run=record.run)
    return None


def put_later(inventory: Inventory, entry: Entry) -> str | None:
    """Writes the record of an earlier time, or says why it is passed over. It may be there: the database can lose a connection after it has written."""
    record = entry.record
    if isinstance(record, Settled):
        if not inventory.issuances(issuance=record.issuance, transaction=record.transaction, host=record.host):
            return f"issuance {record.issuance} is not in the inventory"
    elif inventory.is_recorded(record, at=entry.at):
        return f"{'event' if isinstance(record, Event) else 'scan'}: it is there, or something newer"
    try:
        put(inventory, record)
    except TransitionError as exc:
        return str(exc)
    return None


def _told(name: str, value: t.Any) -> t.Any:
    if name == "more":  # the parts of a large scan, which lie in a file until here
        return list(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return dataclasses.asdict(value) if isinstance(value, (HostName, Run, Stated)) else value


def _read(name: str, value: t.Any) -> t.Any:
    """The value of a field of a record."""
    if value is not None and name in ("started", "ended"):
        return datetime.fromisoformat(value)
    if value is not None and name == "host":
        return HostName(**value)
    if value is not None and name == "run":
        return Run(**value)
    if value is not None and name == "stated":
        given = ((key, tuple(each) if isinstance(each, list) else each) for key, each in value["given"])
        return Stated(tuple(value["groups"]), tuple(given))
    return value
