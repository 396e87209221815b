# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answer of a scan as rows: no database here."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.scan.parts import NAMES
from ansible_collections.certops.fleet.plugins.module_utils._host.scan.paths_table import OUR_REASON
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.certificates import checked_certificates
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.coverage import Coverage
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.fields import Fields
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import LIST_LIMIT, canonical_json, clean_value, digest_of
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.trust import trust_store
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName, Run, ScanRecord, seconds

Row = dict[str, t.Any]
# What differs between two scans of a host on which nothing happened.
_FLEETING = {"bundles": ("certificates",), "services": ("pids",), "skipped": ("count", "path")}
_SCOPE = ("done", "left_over", "problems", "skipped")
_SERVICE_COLUMNS = ("name", "entry", "unit", "active", "configuration", "pids")
# Evidence that is worth telling when two hosts share it; addresses are used again all the time.
COMPARED = ("machine_id", "product_uuid", "ssh_host_key")
# Equal values of these mean one machine or a clone of it. Containers and the machine that they run on have one product UUID.
IDENTIFYING = ("machine_id", "ssh_host_key")


@dataclasses.dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle and, unless the host knew that we have them, its certificates in order."""

    sha256: str
    count: int
    members: tuple[str, ...] | None


@dataclasses.dataclass(frozen=True, slots=True)
class Things:
    """What a scan saw. Rows lack the host, the scan and the times."""

    coverage: Coverage
    bundles: tuple[Bundle, ...]
    tables: t.Mapping[str, tuple[Row, ...]]  # places, bundle_places, keys, services, locked_stores, records, renewers, trust_stores
    whole: tuple[str, ...]  # tables of which the host told everything, so that what it did not tell is gone


@dataclasses.dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that one scan brings. Its things are taken apart when they are asked for: who has seen the same result before never asks."""

    host: HostName
    scan: Row
    certificates: t.Mapping[str, bytes]
    evidence: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]
    run: Run | None
    things: t.Callable[[], Things]
    more: t.Callable[[], t.Iterator[Things]]  # of the rows that one answer has no room for, part by part
    stored: int  # certificates that were stored before


def prepare(record: ScanRecord) -> Prepared:
    """Checks and bounds the answer. Raises InventoryError, as its things do, for one that is not of the agreed shape."""
    result = Fields(dict(record.result), "result")
    certificates, problems = _certificates(result)
    evidence = tuple(_evidence(Fields(dict(record.evidence), "host")))
    return Prepared(
        host=record.host,
        scan=_scan_row(record, result, evidence),
        certificates=certificates,
        evidence=evidence,
        problems=problems,
        run=record.run,
        things=functools.cache(functools.partial(_things, result)),
        more=functools.partial(_more, record),
        stored=record.stored,
    )


def _more(record: ScanRecord) -> t.Iterator[Things]:
    return (_things(Fields(dict(part), "result")) for part in record.more)


def _things(result: Fields) -> Things:
    return Things(
        coverage=Coverage.from_result(result),
        bundles=tuple(_bundle(item) for item in result.objects("bundles")),
        tables={
            "places": _unique((_place(item) for item in result.objects("places")), "path", "certificate", "alias"),
            "bundle_places": _unique(_bundle_places(result), "path", "bundle"),
            "keys": _unique((_key(item) for item in result.objects("keys")), "path", "identity"),
            "services": _unique((_service(item) for item in result.objects("services")), "name"),
            "locked_stores": _unique((_locked(item) for item in result.objects("locked")), "path"),
            "records": _unique(_records(result), "path", "sha256"),
            "trust_stores": _unique((trust_store(item) for item in result.objects("trust")), "path"),
            "renewers": _unique((_renewer(item) for item in result.objects("renewers")), "kind", "name", "configuration"),
        },
        whole=("services", *(["renewers"] if result.value.get("renewers") is not None else [])),
    )


def result_digest(result: Fields, evidence: t.Sequence[tuple[str, str]]) -> str:
    """SHA-256 of what a scan found, the same whatever the order and the duration. Certificates count by the fingerprints in their places.

    What is ours does not count: the first scan leaves it behind, and the second would differ for that alone.
    """
    parts: dict[str, t.Any] = {name: result.flag(name) for name in ("complete", "privileged")}
    for name in ("places", "keys", "bundles", "services", "locked", "crls", "requests", "renewers", "trust", *_SCOPE):
        parts[name] = sorted({_lasting(item, _FLEETING.get(name, ())) for item in result.items(name) if not _is_ours(item)})
    return digest_of({**parts, "evidence": sorted(evidence)})


def _whole_digest(record: ScanRecord, result: Fields, evidence: t.Sequence[tuple[str, str]]) -> str:
    """The digest of a result, and where it came in parts of all of them; hosts tell what lies in files in an order of its own."""
    digest = result_digest(result, evidence)
    if not record.more:
        return digest
    whole = hashlib.sha256(digest.encode())
    for part in record.more:
        rows = Fields(dict(part), "result")
        for name in NAMES:
            for item in rows.items(name):
                whole.update(f"{name} {_lasting(item, _FLEETING.get(name, ()))}\n".encode())
    return whole.hexdigest()


def _is_ours(item: t.Any) -> bool:
    return isinstance(item, dict) and item.get("reason") == OUR_REASON


def _lasting(item: t.Any, fleeting: t.Collection[str]) -> str:
    if fleeting and isinstance(item, dict):
        item = {name: value for name, value in item.items() if name not in fleeting}
    try:
        return canonical_json(item)
    except ValueError:  # NaN and infinity have no canonical form
        return canonical_json(clean_value(item))


def _scan_row(record: ScanRecord, result: Fields, evidence: t.Sequence[tuple[str, str]]) -> Row:
    complete = bool(result.flag("complete"))
    return {
        "started": seconds(record.started),
        "ended": seconds(record.ended),
        "duration": max(0.0, (record.ended - record.started).total_seconds()),
        "complete": complete,
        "partial": record.partial,
        "privileged": bool(result.flag("privileged")),
        "digest": _whole_digest(record, result, evidence),
        "reason": None,
        "summary_json": result.json("summary"),
        "scope_json": canonical_json({name: clean_value(result.items(name)[:LIST_LIMIT]) for name in _SCOPE}),
    }


def _certificates(result: Fields) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The certificates of an answer, and a problem for each that is not what it is called."""
    found, refused = checked_certificates(result.value.get("certificates"))
    return found, tuple(f"certificate {sha256[:64]!r} of the host's answer does not have that SHA-256 and was not stored" for sha256 in refused)


def _place(item: Fields) -> Row:
    return {
        "path": item.path("path"),
        "certificate": item.identity("certificate"),
        "alias": item.text("alias") or "",
        "entry": item.integer("entry"),
        **_used_file(item),
        "size": item.integer("size", bits=63),
        "ctime": item.number("ctime"),
        "hard_links": item.integer("hard_links"),
        "key_json": item.json("key"),
    }


def _locked(item: Fields) -> Row:
    return {"path": item.path("path"), "reason": item.text("reason"), **_used_file(item)}


def _records(result: Fields) -> t.Iterator[Row]:
    """Revocation lists and requests: the times of the former, the key of the latter."""
    for kind, name, items in (("crl", "issuer", "crls"), ("request", "subject", "requests")):
        for item in result.objects(items):
            yield {
                "path": item.path("path"),
                "sha256": item.identity("sha256"),
                "kind": kind,
                "entry": item.integer("entry"),
                "name": item.text(name),
                "this_update": item.integer("this_update", bits=63),
                "next_update": item.integer("next_update", bits=63),
                "entries": item.integer("entries"),
                "key_type": item.text("key_type"),
                "spki": item.sha256("spki"),
                **_used_file(item),
            }


def _bundle(item: Fields) -> Bundle:
    members = item.texts("certificates") if item.value.get("certificates") is not None else None
    return Bundle(sha256=item.identity("sha256"), count=item.integer("count") or 0, members=None if members is None else tuple(members))


def _bundle_places(result: Fields) -> t.Iterator[Row]:
    for bundle in result.objects("bundles"):
        for item in bundle.objects("places"):
            yield {
                "path": item.path("path"),
                "bundle": bundle.identity("sha256"),
                "class": item.text("class"),
                **_file(item),
                "mtime": item.number("mtime"),
                "links_json": item.json("links") or "[]",
            }


def _key(item: Fields) -> Row:
    return {
        "path": item.path("path"),
        "identity": item.sha256("spki") or f"entry {item.integer('entry')}",
        "entry": item.integer("entry"),
        "alias": item.text("alias"),
        "kind": item.text("kind"),
        "format": item.text("format"),
        "encrypted": item.flag("encrypted"),
        "size": item.integer("size"),
        "spki": item.sha256("spki"),
        **_file(item),
        "mtime": item.number("mtime"),
        "links_json": item.json("links") or "[]",
        "readers_json": canonical_json(item.texts("readers")[:LIST_LIMIT]) if item.value.get("readers") is not None else None,
        "readers_count": item.integer("readers_count"),
        "everyone": item.flag("everyone"),
    }


def _service(item: Fields) -> Row:
    rest = {name: value for name, value in item.value.items() if name not in _SERVICE_COLUMNS}
    return {
        "name": item.path("name"),
        "entry": item.text("entry"),
        "unit": item.text("unit"),
        "active": item.flag("active"),
        "configuration": item.text("configuration"),
        "facts_json": canonical_json(clean_value(rest)),
    }


def _renewer(item: Fields) -> Row:
    return {
        "kind": item.path("kind"),
        "name": item.path("name"),
        "configuration": item.path("configuration"),
        "alias": item.text("alias"),
        **{f"{name}_json": canonical_json(item.texts(name)[:LIST_LIMIT]) for name in ("paths", "runs")},
        "facts_json": item.json("facts") or "{}",
    }


def _file(item: Fields) -> Row:
    return {"owner": item.text("owner"), "group": item.text("group"), "mode": item.text("mode")}


def _used_file(item: Fields) -> Row:
    """What everything that lies in a file has in common, except for bundles and keys."""
    return {
        "format": item.text("format"),
        "class": item.text("class"),
        **_file(item),
        "mtime": item.number("mtime"),
        "links_json": item.json("links") or "[]",
        "services_json": item.json("services") or "[]",
    }


def _unique(rows: t.Iterable[Row], *names: str) -> tuple[Row, ...]:
    """The first row of each identity: a file may hold a certificate twice."""
    found: dict[tuple[t.Any, ...], Row] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), row)
    return tuple(found.values())


def _evidence(host: Fields) -> t.Iterator[tuple[str, str]]:
    for kind in ("machine_id", "product_uuid", "python"):
        value = host.text(kind)
        if value:
            yield kind, value
    for name, kind in (("ssh_host_keys", "ssh_host_key"), ("addresses", "address")):
        for value in sorted(set(host.texts(name)))[:LIST_LIMIT]:
            yield kind, value
