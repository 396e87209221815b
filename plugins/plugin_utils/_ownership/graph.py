# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From rows to what a reader asks for: what is affected, whom to call, and how one hangs on the other."""

from __future__ import annotations

import dataclasses
import itertools
import json
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.radius import Affected, Place
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import iso_stored
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import plain

# From left to right in the picture.
COLUMNS = ("root", "issuer", "key", "certificate", "place", "service", "host", "application", "business_service", "owner")
_PURPOSE = ("application", "business_service", "owner")
Node = tuple[str, str]  # its kind and its identity
Row = dict[str, t.Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Graph:
    """Nodes with what they are called, and edges between them; both in a stable order."""

    labels: t.Mapping[Node, str]
    edges: tuple[tuple[Node, Node], ...]

    def to_result(self) -> Row:
        nodes = [{"id": _id(node), "kind": node[0], "label": label} for node, label in self.labels.items()]
        return {"nodes": nodes, "edges": [{"from": _id(one), "to": _id(other)} for one, other in self.edges]}


def radius(found: Affected, *, limit: int) -> tuple[Row, Graph]:
    """The result of the module and its graph. Figures and whom to call count everything, lists and graph hold the first places."""
    table = [_row(place, found) for place in found.places]
    certificates = [_certificate(row) for row in sorted(found.certificates.values(), key=lambda row: (row["common_name"] or "", row["sha256"]))]
    graph = _graph(found, found.places[:limit], [row["sha256"] for row in certificates[:limit]])
    keys = [{name: row[name] for name in ("spki", "namespace", "host", "path")} for row in found.keys]
    result = {
        "figures": _figures(table, found),
        "call": _call(table),
        "certificates": certificates[:limit],
        "places": table[:limit],
        "private_keys": keys[:limit],
        "not_signed": [_certificate(row) for row in found.not_signed[:limit]],
        **graph.to_result(),
    }
    return result, graph


def _row(place: Place, found: Affected) -> Row:
    values = place.ownership.values
    own = {"namespace": place.namespace, "host": place.host, "path": place.path, "services": list(place.services)}
    certificate = found.certificates[place.certificate]
    purpose = {name: plain(values.get(name)) for name in (*_PURPOSE, "criticality")}
    return {"name": certificate["common_name"], "sha256": place.certificate, **own, **purpose, "contacts": plain(values.get("contacts")) or []}


def _certificate(row: t.Mapping[t.Any, t.Any]) -> Row:
    own = {name: row[name] for name in ("sha256", "spki", "is_ca")}
    return {"name": row["common_name"], **own, "not_after": iso_stored(row["not_after"])}


def _figures(table: t.Sequence[Row], found: Affected) -> Row:
    figures = {"certificates": len(found.certificates), "places": len(table)}
    figures["keys"] = len({row["spki"] for row in found.certificates.values()} - {None})
    figures["hosts"] = len({(row["namespace"], row["host"]) for row in table})
    figures["services"] = len({(row["namespace"], row["host"], service) for row in table for service in row["services"]})
    for name in ("application", "business_service", "owner"):
        figures[f"{name}s"] = len({row[name] for row in table} - {None})
    figures["places_without_owner"] = sum(row["owner"] is None for row in table)
    figures |= {"not_signed": len(found.not_signed), **{f"signatures_{name}": count for name, count in found.signatures.items()}}
    return figures


def _call(table: t.Sequence[Row]) -> list[Row]:
    """Each owner with whom to call and about how much, most first; what nobody owns comes last, with no owner."""
    by: dict[str | None, list[Row]] = {}
    for row in table:
        by.setdefault(row["owner"], []).append(row)
    told = []
    for owner, rows in by.items():
        lists = {name: sorted({item for row in rows for item in row[name]}) for name in ("contacts",)}
        hosts = sorted({row["host"] for row in rows})
        applications = sorted({row["application"] for row in rows} - {None})
        counts = {"places": len(rows), "certificates": len({row["sha256"] for row in rows}), "hosts": len(hosts)}
        told.append({"owner": owner, **lists, "applications": applications, **counts})
    return sorted(told, key=lambda row: (row["owner"] is None, -row["places"], row["owner"] or ""))


def _graph(found: Affected, places: t.Sequence[Place], certificates: t.Sequence[str]) -> Graph:
    labels: dict[Node, str] = {}
    edges: set[tuple[Node, Node]] = set()
    shown = {**dict.fromkeys(certificates), **dict.fromkeys(place.certificate for place in places)}
    for sha256 in shown:
        _add_above(found, sha256, labels, edges)
    for place in places:
        _chain(_of_place(place), labels, edges)
        for service in place.services:
            _chain(_of_place(place, service), labels, edges)
    ordered = sorted(labels, key=lambda node: (COLUMNS.index(node[0]), labels[node], node))
    return Graph({node: labels[node] for node in ordered}, tuple(sorted(edges)))


def _of_place(place: Place, service: str | None = None) -> list[tuple[Node, str]]:
    """The way from a certificate to its owner; what nobody knows is left out."""
    at = json.dumps([place.namespace, place.host])
    way: list[tuple[Node, str]] = [(("certificate", place.certificate), "")]
    way.append((("place", json.dumps([place.namespace, place.host, place.path])), place.path))
    if service is not None:
        way.append((("service", json.dumps([place.namespace, place.host, service])), service))
    elif place.services:
        return way
    way.append((("host", at), place.host))
    return way + [((name, str(place.ownership.values[name])), str(place.ownership.values[name])) for name in _PURPOSE if name in place.ownership.values]


def _chain(way: t.Sequence[tuple[Node, str]], labels: dict[Node, str], edges: set[tuple[Node, Node]]) -> None:
    for node, label in way:
        labels.setdefault(node, label)
    edges.update((one[0], other[0]) for one, other in itertools.pairwise(way))


def _add_above(found: Affected, sha256: str, labels: dict[Node, str], edges: set[tuple[Node, Node]]) -> None:
    """A certificate with its key and the CAs above it, up to their roots."""
    row = found.certificates[sha256]
    labels["certificate", sha256] = row["common_name"] or sha256[:16]
    if row["spki"]:
        labels["key", row["spki"]] = f"key {row['spki'][:16]}"
        edges.add((("key", row["spki"]), ("certificate", sha256)))
    waiting = [(sha256, ("certificate", sha256))]
    done = set()
    while waiting:
        below, node = waiting.pop()
        for authority in found.above.get(below, ()):
            own = _authority(found, authority)
            labels[own] = found.issuers[authority]["common_name"] or authority[:16]
            edges.add((own, node))
            if authority not in done:
                done.add(authority)
                waiting.append((authority, own))


def _authority(found: Affected, sha256: str) -> Node:
    return ("root" if found.issuers[sha256]["self_issued"] else "issuer"), sha256


def _id(node: Node) -> str:
    return f"{node[0]} {node[1]}"
