# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory holds as plain dictionaries, for ``inventory_info`` and the report.

Times are ``2026-11-23T09:43:04Z`` or None, except that certificates keep community.crypto's formats. A host is named by ``namespace`` and ``host``.
"""

from __future__ import annotations

import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.covered import coverage
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.document_parts import Document, rows_of
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.documents_hosts import host_rows, hosts, scans
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.documents_places import (
    certificate_sources,
    certificates,
    endpoint_document,
    endpoint_source,
    endpoint_sources,
    endpoints,
    place_sources,
    places,
)
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.documents_said import (
    assignments,
    event_sources,
    events,
    imported_documents,
    issuance_documents,
    issuance_sources,
    issuers,
)
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.documents_things import (
    bundles,
    crls,
    key_sources,
    keys,
    renewers,
    requests,
    service_sources,
    services,
    trust_stores,
)
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.mismatches import mismatches
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.pages import Asked, Source, count
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.runs import runs
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.select_sql import Selection
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import InventoryError
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.findings import ownership_findings


def documents(connection: sa.Connection, kind: str, asked: Asked) -> t.Iterator[Document]:
    """The documents of a kind, in a stable order. Those that an expression does not select, in ``asked``, may be missing; it is not applied here."""
    if kind in NARROWED:
        return NARROWED[kind](connection, asked)
    if kind not in OTHERS:
        raise InventoryError(f"documents of the kind {kind!r} do not exist, there are {', '.join(KINDS)}")
    return OTHERS[kind](connection, asked.selection.now)


def pages(kind: str, selection: Selection) -> bool:
    """Whether the database can tell which documents are on a page: the expression makes one element of each document that it selects."""
    return kind in SOURCES and all(selection.one_each(source.fields) for source in SOURCES[kind](selection.namespace, None))


def counted(connection: sa.Connection, kind: str, selection: Selection) -> int | None:
    """How many documents are selected; None where the database cannot tell."""
    return count(connection, selection, SOURCES[kind](selection.namespace, None)) if kind in SOURCES else None


def _ownership_findings(connection: sa.Connection, now: int) -> t.Iterator[Document]:
    return ownership_findings(hosts(connection, now), certificates(connection, Asked(Selection.of(None, now=now))))


def _coverage(connection: sa.Connection, now: int) -> t.Iterator[Document]:
    hosts = (document for _number, document in host_rows(connection))
    return coverage(hosts, (endpoint_document(row, now) for row in rows_of(connection, endpoint_source())))


_Documents = t.Callable[["sa.Connection", Asked], t.Iterator[Document]]
# Those of which the database reads only what an expression may select, or a page, or their number.
NARROWED: dict[str, _Documents] = {
    "certificates": certificates,
    "places": places,
    "endpoints": endpoints,
    "keys": keys,
    "services": services,
    "issuances": issuance_documents,
    "events": events,
}
SOURCES: dict[str, t.Callable[[str | None, str | None], tuple[Source, ...]]] = {
    "certificates": certificate_sources,
    "places": place_sources,
    "endpoints": endpoint_sources,
    "keys": key_sources,
    "services": service_sources,
    "issuances": issuance_sources,
    "events": event_sources,
}
OTHERS: dict[str, t.Callable[[sa.Connection, int], t.Iterator[Document]]] = {
    "hosts": hosts,
    "coverage": _coverage,
    "bundles": bundles,
    "trust_stores": trust_stores,
    "crls": crls,
    "requests": requests,
    "renewers": renewers,
    "assignments": assignments,
    "ownership_findings": _ownership_findings,
    "mismatches": mismatches,
    "imported": imported_documents,
    "scans": scans,
    "runs": runs,
    "issuers": issuers,
}
# In the order in which the documentation has them.
KINDS = (
    *("hosts", "coverage", "certificates", "places", "endpoints", "bundles", "keys", "trust_stores", "crls", "requests", "services", "renewers"),
    *("assignments", "ownership_findings", "mismatches", "imported", "scans", "runs", "issuances", "issuers", "events"),
)
SORTS = {"certificates": ("not_after",)}
