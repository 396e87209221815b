# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much of each namespace the inventory has seen: what is known with its denominator, and what lacks with its reason."""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import endpoint_place

Document = dict[str, t.Any]
NEVER = "it was never scanned as a whole"
UNPRIVILEGED = "it was scanned without root"
INCOMPLETE = "the scan did not see everything it was to see"
SILENT = "it gave nothing"


def coverage(hosts: t.Iterable[Document], endpoints: t.Iterable[Document]) -> t.Iterator[Document]:
    """One document for each namespace, from the documents of hosts and endpoints."""
    known, seen, owned = collections.defaultdict(list), collections.defaultdict(set), collections.defaultdict(set)
    for host in hosts:
        known[host["namespace"]].append(host)
    for endpoint in endpoints:
        if endpoint["sha256"] is not None and endpoint["gone_at"] is None:
            address = endpoint_place(endpoint["address"] or endpoint["target"], endpoint["port"], "")
            seen[endpoint["namespace"]].add(address)
            if endpoint["linked"]:
                owned[endpoint["namespace"]].add(address)
    for namespace in sorted({*known, *seen}):
        yield _of_namespace(namespace, known[namespace], seen[namespace], owned[namespace])


def _of_namespace(namespace: str, hosts: t.Sequence[Document], seen: set[str], owned: set[str]) -> Document:
    lacking = [{"host": host["host"], "reason": reason, "privileged": _privileged(host)} for host in hosts for reason in [lack(host)] if reason]
    scans = [host["last_scan"]["ended"] for host in hosts if host["last_scan"]]
    return {
        "namespace": namespace,
        "hosts_known": len(hosts),
        "hosts_answered": sum(host["last_seen"] is not None for host in hosts),
        "hosts_complete": len(hosts) - len(lacking),
        "hosts_unprivileged": sum(_privileged(host) is False for host in hosts),
        "hosts_silent": sum(bool(host["last_scan"] and host["last_scan"]["reason"]) for host in hosts),
        "hosts_lacking": lacking,
        "addresses_seen": len(seen),
        "addresses_without_host": sorted(seen - owned),
        "oldest_scan": min(scans, default=None),
        "newest_scan": max(scans, default=None),
    }


def _privileged(host: Document) -> bool | None:
    """Whether the last scan was as root; None where there is none that told."""
    return t.cast("bool | None", host["last_scan"]["privileged"]) if host["last_scan"] else None


def lack(host: Document) -> str | None:
    """Why a host does not count as scanned completely; None where it does."""
    scan = host["last_scan"]
    if scan is None:
        return NEVER
    if scan["reason"]:
        return f"{SILENT}: {scan['reason']}"
    if not scan["complete"]:
        return INCOMPLETE
    return None if scan["privileged"] else UNPRIVILEGED
