# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with ownership, from the documents of the inventory."""

from __future__ import annotations

import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import ALARMED

Document = t.Mapping[str, t.Any]


def ownership_findings(hosts: t.Iterable[Document], certificates: t.Iterable[Document]) -> t.Iterator[dict[str, t.Any]]:
    """Hosts and certificates that nobody owns, rules in conflict, and certificates that lie in places of several owners.

    Certificates of CAs lie in everybody's chains: they are only told where rules are in conflict, as those are that are nowhere in use.
    """
    for host in hosts:
        own = {"subject": "host", "namespace": host["namespace"], "host": host["host"], "sha256": None, "name": host["host"]}
        yield from _of(own, host["ownership"], owned=host["owner"] is not None, owners=())
    for certificate in certificates:
        subject = certificate["subject"] or {}
        own = {"subject": "certificate", "namespace": None, "host": None, "sha256": certificate["sha256"], "name": subject.get("commonName") or ""}
        alarmed = not certificate["is_ca"] and any(place["gone_at"] is None and place["class"] in ALARMED for place in certificate["places"])
        yield from _of(own, certificate["ownership"], owned=certificate["owner"] is not None or not alarmed, owners=certificate["owners"] if alarmed else ())


def _of(own: Document, ownership: Document, *, owned: bool, owners: t.Sequence[str]) -> t.Iterator[dict[str, t.Any]]:
    if not owned:
        yield {**own, "finding": "no_owner", "attribute": "owner", "values": []}
    for name in ownership["conflicts"]:
        yield {**own, "finding": "conflict", "attribute": name, "values": _differing(ownership, name)}
    if len(owners) > 1:
        yield {**own, "finding": "several_owners", "attribute": "owner", "values": [{"value": owner} for owner in owners]}


def _differing(ownership: Document, name: str) -> list[dict[str, t.Any]]:
    return [{key: each[key] for key in ("value", "source", "origin", "match")} for each in ownership["candidates"] if each["attribute"] == name]
