# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of certificates that are gone from a place, and where those came from that are there. Nothing of it is stored: it follows from the times."""

from __future__ import annotations

import collections
import dataclasses
import functools
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import parts
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa

Row = t.Mapping[t.Any, t.Any]
Key = tuple[str, str, str]  # path, certificate, alias
NAMES = ("replaced_by", "replaces", "moved_to", "moved_from")
NOTHING: t.Mapping[str, str | None] = dict.fromkeys(NAMES)


@dataclasses.dataclass(frozen=True, slots=True)
class Stay:
    """A certificate at a path of a host: when it came, each time, and when it went, None while it is there."""

    path: str
    certificate: str
    alias: str
    entry: int | None
    is_ca: bool
    came: tuple[int, ...]
    gone_at: int | None

    @property
    def key(self) -> Key:
        return self.path, self.certificate, self.alias


def successions(stays: t.Sequence[Stay], issued: t.Sequence[tuple[str, str]]) -> dict[Key, dict[str, str | None]]:
    """NAMES of each stay that has one of them; ``issued`` are names of declarations and certificates that were got for them, the oldest first."""
    found: dict[Key, dict[str, str | None]] = collections.defaultdict(lambda: dict(NOTHING))
    at_path, of_certificate = collections.defaultdict(list), collections.defaultdict(list)
    for stay in stays:
        at_path[stay.path, stay.alias, stay.is_ca].append(stay)
        of_certificate[stay.certificate].append(stay)
    following = _following(issued, of_certificate)
    for gone in sorted((stay for stay in stays if stay.gone_at is not None), key=lambda stay: (stay.gone_at, stay.key)):
        moved = [stay for stay in of_certificate[gone.certificate] if stay.path != gone.path and gone.gone_at in stay.came]
        for stay in sorted(moved, key=lambda stay: stay.key)[:1]:
            found[gone.key]["moved_to"], found[stay.key]["moved_from"] = stay.path, gone.path
        next_one = _next_at(gone, at_path[gone.path, gone.alias, gone.is_ca])
        after = [next_one] if next_one else of_certificate.get(following.get(gone.certificate, ""), [])
        for stay in after:
            found[gone.key]["replaced_by"], found[stay.key]["replaces"] = stay.certificate, gone.certificate
    return dict(found)


def _next_at(gone: Stay, there: t.Sequence[Stay]) -> Stay | None:
    """What came to the place of one that went, at once or later; of several that came together the one that stands where it stood."""
    later = [(min(came), stay.entry != gone.entry, stay.key, stay) for stay in there if (came := _since(stay, gone)) and stay.certificate != gone.certificate]
    return min(later)[-1] if later else None


def _since(stay: Stay, gone: Stay) -> list[int]:
    return [time for time in stay.came if gone.gone_at is not None and time >= gone.gone_at]


def _following(issued: t.Sequence[tuple[str, str]], there: t.Container[str]) -> dict[str, str]:
    """Of each certificate that was got for a declaration the next one that was seen on the host: a layout of links puts each into a folder of its own."""
    last: dict[str, str] = {}
    following: dict[str, str] = {}
    for name, certificate in issued:
        if certificate in there:
            if last.get(name, certificate) != certificate:
                following[last[name]] = certificate
            last[name] = certificate
    return following


class Successions:
    """Of rows of places. Most hosts have none that is gone: those are found out together, before their rows are asked about."""

    def __init__(self, connection: sa.Connection, now: int) -> None:
        self._connection = connection
        self._now = now
        self._back: dict[int, dict[Key, list[int]]] | None = None
        self._found: dict[int, dict[Key, dict[str, str | None]]] = {}

    def know(self, hosts: t.Iterable[int]) -> None:
        """Reads what rows of these hosts need."""
        unknown = sorted(set(hosts) - set(self._found))
        places = schema.places.c
        for part in parts(unknown):
            self._found.update({host: {} for host in part})
            gone = sa.select(places.host_id).distinct().where(places.host_id.in_(part), places.gone_at.is_not(None))
            for host in self._connection.execute(gone).scalars().all():
                self._found[host] = self._of_host(host)

    def of(self, row: Row) -> t.Mapping[str, str | None]:
        """NAMES of a row of places of a host that is known."""
        return self._found[row["host_id"]].get((row["path"], row["certificate"], row["alias"]), NOTHING)

    def _of_host(self, host: int) -> dict[Key, dict[str, str | None]]:
        rows = self._connection.execute(_there(), {"host": host}).all()
        back = self._came_back().get(host, {})
        stays = []
        for row in rows:
            came = (row.first_seen, *back.get((row.path, row.certificate, row.alias), ()))
            stays.append(Stay(row.path, row.certificate, row.alias, row.entry, bool(row.is_ca), came, row.gone_at))
        return successions(stays, [(row.name, row.certificate) for row in self._connection.execute(_issued(), {"host": host})])

    def _came_back(self) -> dict[int, dict[Key, list[int]]]:
        """When places were there again, of all hosts: there are few."""
        if self._back is None:
            self._back = {}
            absences = schema.absences.c
            for row in self._connection.execute(schema.absences.select().where(absences.thing == "places", absences.back_at <= self._now)):
                self._back.setdefault(row.host_id, {}).setdefault((row.key_1, row.key_2, row.key_3), []).append(row.back_at)
        return self._back


# Made once each: they are asked of every host.
@functools.cache
def _there() -> sa.Select[t.Any]:
    places, certificates = schema.places.c, schema.certificates.c
    columns = (places.path, places.certificate, places.alias, places.entry, places.first_seen, places.gone_at, certificates.is_ca)
    return sa.select(*columns).join(schema.certificates, certificates.sha256 == places.certificate).where(places.host_id == sa.bindparam("host"))


@functools.cache
def _issued() -> sa.Select[t.Any]:
    issuances = schema.issuances.c
    wanted = (issuances.host_id == sa.bindparam("host"), issuances.certificate.is_not(None))
    return sa.select(issuances.name, issuances.certificate).where(*wanted).order_by(issuances.id)
