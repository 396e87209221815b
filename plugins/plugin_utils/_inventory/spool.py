# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The spool: files with what hosts did while the inventory could not be written, which the next run that writes replays.

A file is there whole or not at all, and for its owner alone. It is replayed in one transaction, whose last event names it: who finds that event only
removes the file. So nothing is written twice, whatever is killed in between.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import re
import stat
import typing as t
import uuid
from datetime import datetime, timezone

from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.files import sync_folder
from ansible_collections.certops.fleet.plugins.plugin_utils._files.stream import put_parts
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.entries import Entry, Record, put, put_later
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.location import data_folder
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import (
    HostName,
    InventoryError,
    Recorded,
    UnavailableError,
    iso,
)

FORMAT = 1
REPLAYED = "spool.replayed"
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-([0-9a-f]{32})\.json")
_LOCK = ".lock"


class SpoolError(ValueError):
    """A file of the spool cannot be used, or none can be written."""


@dataclasses.dataclass(frozen=True, slots=True)
class Spool:
    """A folder, and the inventory (by its name in messages) whose records lie in it."""

    folder: str
    inventory: str


@dataclasses.dataclass(frozen=True, slots=True)
class Spooled:
    """What one file holds."""

    id: str
    inventory: str
    host: HostName
    actor: str
    at: datetime
    entries: tuple[Entry, ...]


def spool_of(inventory: str, folder: str | None, *, environ: t.Mapping[str, str]) -> Spool:
    """The spool of an inventory: the ``folder`` that was named, else one beside the SQLite file, else one below the user's data folder."""
    if folder is None:
        return Spool(f"{inventory}.spool" if os.path.isabs(inventory) else os.path.join(data_folder(environ), "spool"), inventory)
    if not os.path.isabs(folder):
        raise SpoolError(f"certops_spool must be an absolute path of a folder, got {folder!r}")
    return Spool(os.path.normpath(folder), inventory)


class Recorder:
    """Writes what a host did into the inventory and, from the first time on that this fails until C(flush), for the next run into the spool.

    ``tell`` takes a sentence for each file; C(spooled) says whether there is one, C(lost) has the sentences of what could not be kept at all.
    """

    def __init__(
        self,
        inventory: t.Callable[[], contextlib.AbstractContextManager[Inventory]],
        spool: Spool,
        *,
        host: HostName,
        actor: str,
        tell: t.Callable[[str], None],
    ) -> None:
        self.spooled = False
        self.lost: list[str] = []
        self._tell = tell
        self._inventory = inventory
        self._spool = spool
        self._host = host
        self._actor = actor
        self._left: list[Entry] = []
        self._why = ""

    def put(self, record: Record) -> Recorded | None:
        """Writes a record. What recording a scan did is returned; None is returned where it lies in the spool, too."""
        at = datetime.now(timezone.utc)
        if not self._left:
            try:
                with self._inventory() as inventory:
                    return put(inventory, record)
            except UnavailableError as exc:
                self._why = str(exc)
        self._left.append(Entry(at, record))
        return None

    def flush(self) -> None:
        """Ends a transaction of the host: what it left goes into one file."""
        if not self._left:
            return
        entries, self._left = tuple(self._left), []
        spooled = Spooled(uuid.uuid4().hex, self._spool.inventory, self._host, self._actor, entries[0].at, entries)
        try:
            path = write(self._spool.folder, spooled)
        except SpoolError as exc:
            self.lost.append(f"host {self._host.name!r}: what was done there is not recorded: {self._why}; {exc}")
        else:
            self.spooled = True
            self._tell(f"host {self._host.name!r}: what was done there is not in the inventory yet, it waits in {path!r} for the next run: {self._why}")


def write(folder: str, spooled: Spooled) -> str:
    """Puts a file into the folder and gives its path. Raises SpoolError."""
    path = os.path.join(folder, f"{spooled.at:%Y%m%dT%H%M%SZ}-{spooled.id}.json")
    told: dict[str, t.Any] = {"certops_spool": FORMAT, "id": spooled.id, "inventory": spooled.inventory, "host": dataclasses.asdict(spooled.host)}
    told |= {"actor": spooled.actor, "at": spooled.at.isoformat(), "entries": [entry.to_json() for entry in spooled.entries]}
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        put_parts(path, (json.dumps(told),))
        sync_folder(os.fsencode(folder))
    except OSError as exc:
        raise SpoolError(f"spool {folder!r} cannot be written: {exc.strerror}; set certops_spool to a folder that this user can write") from None
    return path


def replay(inventory: Inventory, spool: Spool) -> list[str]:
    """Brings what lies in the spool into the inventory, each file once, and says how much that was; a file that cannot be used is told and kept.

    Who comes while another one does it waits for its end: what a host did is known before it is looked at again.
    """
    if not _waiting(spool.folder):
        return []
    replayed, told = 0, []
    try:
        with _locked(spool.folder):
            for path in _waiting(spool.folder):
                try:
                    replayed += _replay_file(inventory, path, spool.inventory)
                except (InventoryError, SpoolError) as exc:
                    if isinstance(exc, UnavailableError):
                        raise
                    told.append(f"spool file {path!r} is kept and was not replayed: {exc}")
    except SpoolError as exc:
        told.append(str(exc))
    return [f"what earlier runs left in the spool {spool.folder!r} is in the inventory now, records: {replayed}", *told] if replayed else told


def _replay_file(inventory: Inventory, path: str, name: str) -> int:
    spooled = _read(path)
    if spooled.inventory != name:
        raise SpoolError(f"it belongs to the inventory {spooled.inventory!r}, this one is {name!r}")
    try:
        with inventory.transaction():
            written = 0 if inventory.has_event(REPLAYED, subject=spooled.id) else _put_entries(inventory, spooled)
    except (KeyError, TypeError, AttributeError) as exc:
        raise SpoolError(f"it holds something that is no record ({type(exc).__name__})") from exc
    with contextlib.suppress(OSError):  # it stays known as replayed
        os.unlink(path)
    return written


def _put_entries(inventory: Inventory, spooled: Spooled) -> int:
    """How many records were written; the event that ends them says which were not, and why."""
    passed_over = []
    for entry in spooled.entries:
        with inventory.noting({"spooled": {"id": spooled.id, "at": iso(entry.at), "actor": spooled.actor}}):
            why = put_later(inventory, entry)
        if why:
            passed_over.append(why)
    written = len(spooled.entries) - len(passed_over)
    detail = {"at": iso(spooled.at), "actor": spooled.actor, "records": written, "passed_over": passed_over}
    inventory.append_event(REPLAYED, subject=spooled.id, host=spooled.host, detail=detail)
    return written


def _waiting(folder: str) -> list[str]:
    """The files of the spool, oldest first; other files in the folder are none of ours."""
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if _NAME.fullmatch(name)]
    except OSError:
        return []


def _read(path: str) -> Spooled:
    try:
        told = json.loads(_content(path))
        if told["certops_spool"] != FORMAT:
            raise SpoolError(f"it has the format {told['certops_spool']!r}, this release reads {FORMAT}")
        entries = tuple(Entry.from_json(entry) for entry in told["entries"])
        spooled = Spooled(told["id"], told["inventory"], HostName(**told["host"]), told["actor"], datetime.fromisoformat(told["at"]), entries)
    except SpoolError:
        raise
    except OSError as exc:
        raise SpoolError(f"it cannot be read: {exc.strerror}") from None
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        raise SpoolError(f"it is no file of the spool, or not whole ({type(exc).__name__})") from None
    return spooled


def _content(path: str) -> str:
    """What only this user can have written."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), encoding="utf-8") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise SpoolError("it must be a file of this user, with the mode 0600")
        return file.read()


@contextlib.contextmanager
def _locked(folder: str) -> t.Iterator[None]:
    """One process at a time; the lock ends with the process."""
    try:
        handle = os.open(os.path.join(folder, _LOCK), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise SpoolError(f"spool {folder!r} cannot be locked: {exc.strerror}; set certops_spool to a folder that this user can write") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
