# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who renews what lies at a place today."""

from __future__ import annotations

import collections
import json
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.renewers.tracked import certbot_lineage
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_bytes
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import parts
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa

OURS = "certops"
_OURS_STATES = ("issued", "installed")


class Renewed:
    """The renewers of one host, or of those that C(know) names."""

    def __init__(self, connection: sa.Connection, host: int | None = None) -> None:
        self._connection = connection
        self._kept: dict[tuple[int, str], list[tuple[str | None, str, str]]] = collections.defaultdict(list)
        self._ours: set[tuple[int, str]] = set()
        self._known: set[int] = set()
        if host is not None:
            self._know_kept([host])
            self._know_ours(schema.issuances.c.host_id == host)

    def know(self, hosts: t.Iterable[int], certificates: t.Iterable[str]) -> None:
        """Reads what answers on places of these need. Hosts stay known, of certificates those that were named last."""
        self._ours = set()
        for part in parts(sorted(set(certificates))):
            self._know_ours(schema.issuances.c.certificate.in_(part))
        for numbers in parts(sorted(set(hosts) - self._known)):
            self._know_kept(numbers)

    def _know_kept(self, hosts: t.Sequence[int]) -> None:
        self._known.update(hosts)
        renewers = schema.renewers
        for row in self._connection.execute(renewers.select().where(renewers.c.gone_at.is_(None), renewers.c.host_id.in_(hosts))):
            for path in json.loads(row.paths_json):
                self._kept[row.host_id, path].append((row.alias, row.kind, row.name))

    def _know_ours(self, condition: t.Any) -> None:
        issuances = schema.issuances.c
        ours = sa.select(issuances.host_id, issuances.certificate).where(issuances.certificate.is_not(None), issuances.state.in_(_OURS_STATES))
        self._ours |= {(row.host_id, row.certificate) for row in self._connection.execute(ours.where(condition))}

    def by(self, row: t.Mapping[t.Any, t.Any]) -> str | None:
        """The kind of renewer of a row of places or locked_stores, C(certops) for what was issued here, None where nobody is known."""
        if (row["host_id"], row.get("certificate")) in self._ours:
            return OURS
        kept = self.kept(row)
        return None if kept is None else kept[0]

    def kept(self, row: t.Mapping[t.Any, t.Any]) -> tuple[str, str] | None:
        """Kind and name of another renewer that keeps a file; an older scan has told nothing but certbot's paths."""
        paths = [row["path"], *json.loads(row["links_json"])]
        for path in paths:
            for alias, kind, name in self._kept.get((row["host_id"], path), ()):
                if alias is None or alias == row.get("alias"):
                    return kind, name
        lineage = certbot_lineage(map(path_bytes, paths))
        return None if lineage is None else ("certbot", lineage)
