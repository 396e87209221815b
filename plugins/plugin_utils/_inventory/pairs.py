# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which private keys are the same, and which certificates are of them: by the SHA-256 of the public key."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa

SHOWN = 20
Document = dict[str, t.Any]
_Row = t.Mapping[t.Any, t.Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Pairs:
    """By public key: where keys of it lie that are in more than one place, its certificates, and those of them that are on a host."""

    places: t.Mapping[str, t.Sequence[Document]]
    certificates: t.Mapping[str, t.Sequence[str]]
    on_host: t.Mapping[tuple[int, str], t.Sequence[str]]

    @classmethod
    def of(cls, connection: sa.Connection) -> Pairs:
        """What the inventory has now; what is gone does not count, except that a certificate that is gone is known all the same."""
        places, certificates, on_host = (collections.defaultdict(list) for _table in range(3))
        for row in connection.execute(_shared()):
            places[row.spki].append({"namespace": row.namespace, "host": row.host, "path": row.path})
        for row in connection.execute(_certified()):
            certificates[row.spki].append(row.sha256)
        for row in connection.execute(_together()):
            on_host[row.host_id, row.spki].append(row.certificate)
        return cls(places, certificates, on_host)

    def of_key(self, row: _Row) -> Document:
        """The fields of a key: ``certified`` is here, elsewhere, nowhere, or unknown for a key whose public key nobody knows."""
        spki = row["spki"]
        if spki is None:
            return {"certified": "unknown", "certificates": None, "shared_with": None, "shared_count": None}
        here, known = self.on_host.get((row["host_id"], spki), ()), self.certificates.get(spki, ())
        own = {name: row[name] for name in ("namespace", "host", "path")}
        places = self.places.get(spki, ())  # one key may lie on every host of a fleet
        others = [place for place in places[: SHOWN + 1] if place != own][:SHOWN]
        return {
            "certified": "here" if here else "elsewhere" if known else "nowhere",
            "certificates": list(known),
            "shared_with": others,
            "shared_count": len(places) - (row["gone_at"] is None) if places else 0,
        }


def _shared() -> sa.Select[t.Any]:
    """The places of keys that lie in more than one."""
    keys, hosts = schema.keys.c, schema.hosts.c
    several = sa.select(keys.spki).where(keys.gone_at.is_(None), keys.spki.is_not(None)).group_by(keys.spki).having(sa.func.count() > 1)
    statement = sa.select(keys.spki, hosts.namespace, hosts.name.label("host"), keys.path).join(schema.hosts, hosts.id == keys.host_id)
    return statement.where(keys.gone_at.is_(None), keys.spki.in_(several)).order_by(hosts.namespace, hosts.name, keys.path)


def _certified() -> sa.Select[t.Any]:
    certificates = schema.certificates.c
    keys = sa.select(schema.keys.c.spki).where(schema.keys.c.spki.is_not(None))
    return sa.select(certificates.spki, certificates.sha256).where(certificates.spki.in_(keys)).order_by(certificates.sha256)


def _together() -> sa.Select[t.Any]:
    """Certificates that lie on the host of their key."""
    certificates, places, keys = schema.certificates.c, schema.places.c, schema.keys.c
    statement = sa.select(keys.host_id, keys.spki, places.certificate).distinct()
    source = schema.keys.join(schema.certificates, certificates.spki == keys.spki)
    source = source.join(schema.places, sa.and_(places.certificate == certificates.sha256, places.host_id == keys.host_id))
    return statement.select_from(source).where(places.gone_at.is_(None))
