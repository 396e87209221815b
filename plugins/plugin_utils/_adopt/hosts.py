# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Adoption of what was found on hosts: declarations are made, files written, and everything that was not is told."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ansible_collections.certops.fleet.plugins.plugin_utils._adopt.declare import Adoption, adopt
from ansible_collections.certops.fleet.plugins.plugin_utils._adopt.write import DeclarationFileError, Target, Written, read_items, with_items, write
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.seen import Seen
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName, seconds

Item = Mapping[str, t.Any]


@dataclass(frozen=True, slots=True)
class Host:
    """A host of the play: what is declared for it, the folder of the inventory that it comes from, and why its variables cannot be used."""

    name: HostName
    declared: tuple[Item, ...]
    inventory_folder: str | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was done for one host. C(kept) says why its file was not written, although there is something to declare."""

    host: str
    adoption: Adoption
    written: Written | None = None
    kept: str | None = None
    missing: str | None = None  # why nothing can be said of it


def adopted(host: Host, seen_on: Callable[[HostName], Seen | None], *, now: datetime, folder: str | None, takeover: bool, writes: bool) -> Adopted:
    """Make the declarations of one host and write them; what is wrong with one host does not end the others."""
    seen = None if host.problem else seen_on(host.name)
    if seen is None:
        return Adopted(host.name.name, Adoption(), missing=host.problem or "the inventory knows nothing of it: discover it first")
    try:
        target = Target.of(host.name.name, folder=folder, inventory_folder=host.inventory_folder)
        there = read_items(target)
    except DeclarationFileError as exc:
        adoption = adopt(seen, host.declared, now=seconds(now), takeover=takeover)
        return Adopted(host.name.name, adoption, kept=str(exc) if adoption.declarations else None)
    adoption = adopt(seen, [*host.declared, *there], now=seconds(now), takeover=takeover)
    done = Adopted(host.name.name, adoption)
    return done if not adoption.declarations else _put(done, target, host, writes=writes)


def _put(done: Adopted, target: Target, host: Host, *, writes: bool) -> Adopted:
    try:
        written = with_items(target, done.adoption.declarations, known=[str(item.get("name")) for item in host.declared])
        if writes:
            write(written)
    except DeclarationFileError as exc:
        return replace(done, kept=str(exc))
    return replace(done, written=written)


def result(hosts: Sequence[Adopted], *, diff: bool) -> dict[str, t.Any]:
    """The result of the task."""
    written = [done.written for done in hosts if done.written]
    told: dict[str, t.Any] = {
        "changed": bool(written),
        "files": [one.path for one in written],
        "adopted": [_named(done, item) for done in hosts if done.written for item in done.adoption.declarations],
        "not_adopted": [{"host": done.host, "path": one.path, "reason": one.reason} for done in hosts for one in done.adoption.not_adopted],
        "not_written": [{"host": done.host, "reason": done.kept, "declarations": done.adoption.declarations} for done in hosts if done.kept],
        "not_discovered": [{"host": done.host, "reason": done.missing} for done in hosts if done.missing],
    }
    told["lines"] = list(_lines(told))
    if diff:
        told["diff"] = [{"before_header": one.path, "after_header": one.path, "before": one.before or "", "after": one.after} for one in written]
    return told


def _named(done: Adopted, item: Item) -> dict[str, t.Any]:
    return {"host": done.host, "name": item["name"], "certificate_path": item["certificate_path"], "takeover": item.get("takeover", False)}


def _lines(told: Mapping[str, t.Any]) -> t.Iterator[str]:
    """What a person reads: one line for each certificate, then the hosts of which nothing was written."""
    for item in told["adopted"]:
        yield f"{item['host']} {item['certificate_path']}: declared as {item['name']!r}, managed: false"
    for item in told["not_adopted"]:
        yield f"{item['host']} {item['path']}: not adopted: {item['reason']}"
    for item in told["not_written"]:
        yield f"{item['host']}: {len(item['declarations'])} declarations were not written: {item['reason']}"
    for item in told["not_discovered"]:
        yield f"{item['host']}: {item['reason']}"
