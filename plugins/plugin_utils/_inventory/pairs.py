# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which private keys are the same, and which certificates are of them: by the SHA-256 of the public key."""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import parts
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa

SHOWN = 20
Document = dict[str, t.Any]
_Row = t.Mapping[t.Any, t.Any]


class Pairs:
    """By public key: where keys of it lie that are in more than one place, its certificates, and those of them that are on a host.

    What is gone does not count, except that a certificate that is gone is known all the same.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._places: dict[str, list[Document]] = collections.defaultdict(list)
        self._certificates: dict[str, list[str]] = collections.defaultdict(list)
        self._on_host: dict[tuple[int, str], list[str]] = {}
        self._known: set[str] = set()

    def know(self, rows: t.Sequence[_Row]) -> None:
        """Reads what answers on these rows of keys need."""
        hosts, identities = ({row[name] for row in rows} for name in ("host_id", "spki"))
        for part in parts(sorted(identities - self._known - {None})):
            for row in self._connection.execute(_shared(part)):
                self._places[row.spki].append({"namespace": row.namespace, "host": row.host, "path": row.path})
            for row in self._connection.execute(_certified(part)):
                self._certificates[row.spki].append(row.sha256)
        self._known |= identities
        self._on_host = collections.defaultdict(list)
        for part in parts(sorted(identities - {None})):
            for numbers in parts(sorted(hosts)):
                for row in self._connection.execute(_together(part, numbers)):
                    self._on_host[row.host_id, row.spki].append(row.certificate)

    def of_key(self, row: _Row) -> Document:
        """The fields of a key: ``certified`` is here, elsewhere, nowhere, or unknown for a key whose public key nobody knows."""
        spki = row["spki"]
        if spki is None:
            return {"certified": "unknown", "certificates": None, "shared_with": None, "shared_count": None}
        here, known = self._on_host.get((row["host_id"], spki), ()), self._certificates.get(spki, ())
        own = {name: row[name] for name in ("namespace", "host", "path")}
        places = self._places.get(spki, ())  # one key may lie on every host of a fleet
        others = [place for place in places[: SHOWN + 1] if place != own][:SHOWN]
        return {
            "certified": "here" if here else "elsewhere" if known else "nowhere",
            "certificates": list(known),
            "shared_with": others,
            "shared_count": len(places) - (row["gone_at"] is None) if places else 0,
        }


def _shared(identities: t.Sequence[str]) -> sa.Select[t.Any]:
    """The places of keys that lie in more than one."""
    keys, hosts = schema.keys.c, schema.hosts.c
    there = (keys.gone_at.is_(None), keys.spki.in_(identities))
    several = sa.select(keys.spki).where(*there).group_by(keys.spki).having(sa.func.count() > 1)
    statement = sa.select(keys.spki, hosts.namespace, hosts.name.label("host"), keys.path).join(schema.hosts, hosts.id == keys.host_id)
    return statement.where(*there, keys.spki.in_(several)).order_by(hosts.namespace, hosts.name, keys.path)


def _certified(identities: t.Sequence[str]) -> sa.Select[t.Any]:
    certificates = schema.certificates.c
    return sa.select(certificates.spki, certificates.sha256).where(certificates.spki.in_(identities)).order_by(certificates.sha256)


def _together(identities: t.Sequence[str], hosts: t.Sequence[int]) -> sa.Select[t.Any]:
    """Certificates that lie on the host of their key."""
    certificates, places, keys = schema.certificates.c, schema.places.c, schema.keys.c
    statement = sa.select(keys.host_id, keys.spki, places.certificate).distinct()
    source = schema.keys.join(schema.certificates, certificates.spki == keys.spki)
    source = source.join(schema.places, sa.and_(places.certificate == certificates.sha256, places.host_id == keys.host_id))
    return statement.select_from(source).where(places.gone_at.is_(None), keys.spki.in_(identities), keys.host_id.in_(hosts))
