# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scan of a host: what is asked, what is recorded, and what goes back to the play."""

from __future__ import annotations

import base64
import typing as t
from datetime import datetime, timezone

from ansible_collections.certops.fleet.plugins.module_utils._host.scan.findings import KNOWN_DIGITS
from ansible_collections.certops.fleet.plugins.module_utils._host.scan.scan import Options
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import TIME_FORMAT, certificate_info

RETURNED_LINES = 50
MAX_FILE_SIZE = 2 << 20
NICE = 10
MAX_PROCESSES = 2


def scan_request(
    args: t.Mapping[str, t.Any], known_bundles: t.Sequence[str], *, known_certificates: t.Iterable[str] = (), keep: bool = False, rows: str = "all"
) -> dict[str, t.Any]:
    """The arguments of the verb C(scan) from the options of the module, checked here already: a mistake in them is no silence of the host.

    Of the bundles and certificates that are known the host tells everything but the bytes. C(keep) lets the host leave what it found for the next scan.
    C(rows) says how what was found is told: C(all) at once, in C(parts) that are asked for (rest.py), or C(none) of it.
    """
    request = {
        "paths": list(args["paths"]) or None,
        "exclude": list(args.get("exclude") or ()),
        "home": bool(args.get("home")),
        "max_file_size": args.get("max_file_size", MAX_FILE_SIZE),
        "max_seconds": args.get("max_seconds") or None,
        "nice": args.get("nice", NICE),
        "max_processes": args.get("max_processes", MAX_PROCESSES),
        "services": list(args.get("services") or ()),
        "probe": args.get("probe") or "none",
        "known_bundles": list(known_bundles),
        "known_certificates": "".join(digest[:KNOWN_DIGITS] for digest in known_certificates),
        "store_passwords": list(args.get("store_passwords") or ()),
        "cache_days": args.get("cache_days") or 0,
        "full": bool(args.get("full")),
        "keep": keep,
        "rows": rows,
    }
    Options.from_args(request)
    return request


def found_certificates(answer: t.Mapping[str, t.Any], now: datetime) -> list[dict[str, t.Any]]:
    """Every certificate of an answer once, with its places; what cannot be parsed has a C(problem) and is there all the same."""
    places: dict[str, list[dict[str, t.Any]]] = {}
    for place in answer["places"]:
        places.setdefault(place["certificate"], []).append({key: value for key, value in place.items() if key != "certificate"})
    found = (certificate_info(base64.b64decode(der), now=now) for der in answer["certificates"].values())
    return [{**info, "places": places.get(info["sha256"], [])} for info in found]


def _dated(crls: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Revocation lists with their times as certificates have them."""
    return [{**crl, **{name: _asn1_time(crl[name]) for name in ("this_update", "next_update")}} for crl in crls]


def _asn1_time(seconds: int | None) -> str | None:
    """C(20261123094304Z); None for what cannot be a time."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc).strftime(TIME_FORMAT)
    except (OverflowError, OSError, ValueError):
        return None


def not_loaded(answer: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """The listeners that serve another certificate than the one in the files of their service: renewed, but never reloaded."""
    looks = ((service["name"], look) for service in answer.get("services") or () for look in service.get("served") or ())
    return [{"service": name, **{key: look[key] for key in ("address", "port", "sha256")}} for name, look in looks if look["state"] == "not_loaded"]


def scan_result(answer: t.Mapping[str, t.Any], *, everything: bool, now: datetime) -> dict[str, t.Any]:
    """What a play gets: a summary, or everything. Thousands of values in a result cost more than finding them."""
    result = {
        "summary": answer["summary"],
        "problems": answer["problems"] if everything else answer["problems"][:RETURNED_LINES],
        "passed_over": answer["skipped"] if everything else answer["skipped"][:RETURNED_LINES],  # Ansible takes a key named skipped for its own
        "left_over": answer["left_over"],
        "complete": answer["complete"],
        "privileged": answer["privileged"],
        "not_loaded": not_loaded(answer)[:RETURNED_LINES],
    }
    if everything:
        result.update(certificates=found_certificates(answer, now), services=answer["services"], private_keys=answer["keys"], bundles=answer["bundles"])
        result.update(locked=answer["locked"], crls=_dated(answer["crls"]), requests=answer["requests"])
        result.update(trust_stores=answer.get("trust", []))
    return result
