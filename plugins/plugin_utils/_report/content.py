# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of a report: one row a place, one row a host, and the figures above them. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.signers import Chains
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.told import listeners_at, looks, uses
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import ALARMED, iso, iso_stored

Document = t.Mapping[str, t.Any]
Row = dict[str, t.Any]
Held = dict[tuple[t.Any, ...], tuple[int, Row]]  # by namespace, host and path: the number of the certificate in its file, and its row

COLUMNS = (
    "status",
    "days_remaining",
    "not_after",
    "name",
    "names",
    "namespace",
    "host",
    "path",
    "services",
    "class",
    "key",
    "issuer",
    "serial",
    "sha256",
    "problem",
    "owner",
    "contacts",
)


@dataclass(frozen=True, slots=True)
class Report:
    """What is written: C(generated) as C(2026-11-23T12:00:00Z), figures, and rows of plain values. C(documents) are name and title of those beside it.

    C(authority) of a place is the number of the CA that signed its certificate.
    """

    generated: str
    figures: Row
    places: tuple[Row, ...]
    hosts: tuple[Row, ...]
    not_loaded: tuple[Row, ...] = ()
    locked: tuple[Row, ...] = ()
    documents: tuple[tuple[str, str], ...] = ()
    authorities: tuple[Row, ...] = ()

    def to_json(self) -> Row:
        rows = {"places": self.places, "hosts": self.hosts, "not_loaded": self.not_loaded, "locked": self.locked, "authorities": self.authorities}
        return {"generated": self.generated, "figures": self.figures, **{name: list(own) for name, own in rows.items()}}


def _common_name(pairs: t.Sequence[t.Sequence[str]] | None) -> str:
    return next((str(value) for key, value in pairs or () if key == "commonName"), "")


def _distinguished_name(pairs: t.Sequence[t.Sequence[str]] | None) -> str:
    return ", ".join(f"{key}={value}" for key, value in pairs or ())


def _key(certificate: Document) -> str:
    data = certificate.get("public_key_data") or {}
    return f"{certificate.get('public_key_type') or '?'} {data.get('size') or data.get('exponent_size') or ''}".strip()


def certificate_facts(certificate: Document) -> Row:
    names = [str(name) for name in certificate.get("subject_alt_name") or ()]
    first = names[0].partition(":")[2] if names else ""
    return {
        "name": _common_name(certificate.get("subject_ordered")) or first or _distinguished_name(certificate.get("subject_ordered")),
        "names": names,
        "key": _key(certificate),
        "issuer": _common_name(certificate.get("issuer_ordered")) or _distinguished_name(certificate.get("issuer_ordered")),
        "serial": certificate.get("serial"),
        "problem": certificate.get("problem"),
    }


def place_row(place: Document, facts: Row, chains: Chains) -> Row:
    own = {column: place.get(column) for column in ("status", "days_remaining", "not_after", "namespace", "host", "path", "class", "sha256")}
    ownership = place.get("ownership") or {}
    answers = {"owner": ownership.get("owner"), "contacts": list(ownership.get("contacts") or ())}
    return {**own, **facts, "services": list(place.get("services") or ()), **answers, "authority": chains.signed_by.get(place["sha256"])}


def host_row(host: Document) -> Row:
    """One host; a host that gave nothing says why, one that was scanned in part says what is missing."""
    scan = host.get("last_scan") or {}
    return {
        "namespace": host.get("namespace"),
        "host": host.get("host"),
        "last_seen": host.get("last_seen"),
        "scanned": scan.get("ended"),
        "complete": bool(scan.get("complete")),
        "privileged": scan.get("privileged"),
        "reason": scan.get("reason") or ("" if scan else "never scanned as a whole"),
        "problems": len(scan.get("problems") or ()),
        "skipped": len(scan.get("skipped") or ()),
        "left_over": len(scan.get("left_over") or ()),
        "same_machine_as": [str(other.get("host")) for other in host.get("equal_evidence") or ()],
    }


def locked_row(place: Document) -> Row:
    """A store that could not be opened."""
    own = {column: place.get(column) for column in ("namespace", "host", "path", "format", "class", "reason")}
    return {**own, "services": list(place.get("services") or ())}


def not_loaded_rows(services: t.Iterable[Document], facts: t.Mapping[str, Row], held: Held) -> t.Iterator[Row]:
    """Listeners that serve another certificate than the files of their service hold: C(loaded) is what they serve, C(on_disk) what the files hold."""
    for service in services:
        for look in looks(service):
            if service.get("gone_at") is None and look["state"] == "not_loaded":
                own = {"namespace": service["namespace"], "host": service["host"], "service": service["name"], "port": look["port"], "asked": look["name"]}
                name = facts.get(look["sha256"], {}).get("name", "")
                loaded = {"sha256": look["sha256"], "name": name, "not_after": iso_stored(look["not_after"])}
                yield {**own, "loaded": loaded, "on_disk": _on_disk(service, look, held)}


def _on_disk(service: Document, look: Document, held: Held) -> list[Row]:
    """What the files hold that the service names for a listener."""
    here = listeners_at(service, look)
    named = [use for use in uses(service) if here.intersection(use["listeners"])]
    paths = dict.fromkeys(use[role] for use in named for role in ("certificate", "store") if use.get(role))
    files = [(path, held.get((service["namespace"], service["host"], path))) for path in paths]
    return [{"path": path, **{name: found[1][name] for name in ("sha256", "name", "not_after")}} for path, found in files if found]


def _hold(held: Held, place: Document, row: Row) -> None:
    """Keep what a service uses: of a file that holds more, the first certificate."""
    at, entry = (row["namespace"], row["host"], row["path"]), place.get("entry") or 0
    if row["services"] and (at not in held or entry < held[at][0]):
        held[at] = (entry, row)


def _figures(places: t.Sequence[Row], hosts: t.Sequence[Row]) -> Row:
    alarmed = [place for place in places if place["class"] in ALARMED]
    by_status = {status: len({place["sha256"] for place in alarmed if place["status"] == status}) for status in ("expired", "warning")}
    return {
        "hosts_complete": sum(host["complete"] for host in hosts),
        "hosts_known": len(hosts),
        "certificates": len({place["sha256"] for place in alarmed}),
        "places": len(alarmed),
        "places_all": len(places),
        **by_status,
        "unknown": len({place["sha256"] for place in alarmed if place["status"] is None}),
    }


def build_report(
    hosts: t.Iterable[Document],
    certificates: t.Iterable[Document],
    places: t.Iterable[Document],
    now: datetime,
    services: t.Iterable[Document] = (),
    *,
    chains: Chains | None = None,
) -> Report:
    """From the documents of the inventory; what is gone is left out. Stores that nobody could open stand apart from the places that were read."""
    facts = {certificate["sha256"]: certificate_facts(certificate) for certificate in certificates}
    rows: list[Row] = []
    locked: list[Row] = []
    held: Held = {}
    chains = chains or Chains()
    for place in places:
        if place.get("gone_at") is None and place.get("state") == "locked":
            locked.append(locked_row(place))
        elif place.get("gone_at") is None:
            rows.append(place_row(place, facts.get(place["sha256"], certificate_facts({})), chains))
            _hold(held, place, rows[-1])
    rows.sort(key=lambda row: (row["days_remaining"] is None, row["days_remaining"] or 0, str(row["host"]), str(row["path"])))
    host_rows, stale = tuple(map(host_row, hosts)), tuple(not_loaded_rows(services, facts, held))
    figures = {**_figures(rows, host_rows), "not_loaded": len(stale), "locked": len(locked)}
    return Report(iso(now), figures, tuple(rows), host_rows, stale, tuple(locked), authorities=chains.authorities)
