# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the services of a certificate were like before anything was touched; an undo leads back to exactly that."""

import os
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.services import services, units
from ansible_collections.certops.fleet.plugins.module_utils._host.services.look import look_service
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_bytes
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.declared import Declared
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.files import real_path
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.found import Found, facts_or_none

Watched = t.Dict[str, t.Any]  # {"service", "uses", "active": bool, "validation": null or {"ok", "text"}, "served": [look]}, as the journal keeps it


def services_here(entries: t.Sequence[t.Dict[str, t.Any]]) -> t.List[t.Dict[str, t.Any]]:
    """Return every service of this host that the table with the user's entries knows."""
    return services.services_here(entries)[0]


def watched(declared: Declared, found: t.Sequence[t.Dict[str, t.Any]]) -> t.Tuple[t.List[Watched], t.List[str]]:
    """Return the services of a certificate, and sentences for those declared that this host does not have and for those that read the key elsewhere.

    They are those that are declared, else every service that names one of the files.
    """
    taken, elsewhere = [], []
    for service in found:
        uses = [use for use in service["uses"] if _names_a_file(use, declared)]
        if uses if declared.services is None else {service["name"], service["entry"]} & set(declared.services):
            taken.append(_watched(service, uses))
            elsewhere += [_key_elsewhere(service["name"], use) for use in uses if _reads_another_key(use, declared)]
    here = {name for service in found for name in (service["name"], service["entry"])}
    absent = [
        f"service {name!r} was not found on this host; found: {', '.join(sorted(here)) or 'none'}" for name in sorted(set(declared.services or ()) - here)
    ]
    return taken, [f"certificate {declared.name!r}: {sentence}" for sentence in absent + elsewhere]


def validation(service: t.Dict[str, t.Any]) -> t.Optional[t.Dict[str, t.Any]]:
    """Return what the service's validation says of its configuration, None when it has none."""
    if not service["validate"] or service["validates"] == "nothing":
        return None
    outcome = units.validate(service)
    return {"ok": outcome.ok, "text": outcome.text}


def served(declared: Declared, item: Watched, key_types: t.Sequence[str], times: int = 3) -> t.List[t.Dict[str, t.Any]]:
    """Return the handshakes with every listener of the certificate, none where there is nothing to look at."""
    if not item["active"] or not item["uses"] or declared.verify == "none" or not declared.listens:
        return []
    return look_service(item["service"], item["uses"], key_types, times, declared.names)


def key_types(*kinds: t.Optional[str]) -> t.List[str]:
    """Return the kinds of key to ask for: any, and each of these; a server may hold several certificates for one name."""
    return ["any", *sorted({kind for kind in kinds if kind in ("rsa", "ec", "ed25519")})]


def check_valid(declared: Declared, baseline: t.Sequence[Watched]) -> None:
    """Raise HostError when a validation fails already, before anything was changed."""
    for item in baseline:
        if item["validation"] is not None and not item["validation"]["ok"]:
            raise HostError(f"certificate {declared.name!r}: nothing was changed, because already now {item['validation']['text']}")


def check_key(declared: Declared, baseline: t.Sequence[Watched]) -> None:
    """Raise HostError when a service uses the key with another certificate, too: a new key would part the two."""
    mine = {os.path.realpath(role.path) for role in declared.roles if role.name != "key"}
    keys = {os.path.realpath(role.path) for role in declared.roles if role.secret}
    for item in baseline:
        for use in item["uses"]:
            if use["certificate"] is None or use["key"] is None or _real(use["certificate"]) in mine:
                continue
            if _real(use["key"]) in keys:
                told = f"service {item['service']['name']!r} uses its key with {use['certificate']!r}, too"
                raise HostError(f"certificate {declared.name!r}: {told}; give it a key_path of its own, or set reuse_key")


def usable(found: Found, now: float) -> bool:
    """Would it help to put the old files back: are they a pair that is still valid?"""
    if found.leaf is None or found.pair is not True:
        return False
    not_after = facts_or_none(found.leaf, "not_after")
    return not_after is not None and not_after > now


def _reads_another_key(use: t.Dict[str, t.Any], declared: Declared) -> bool:
    """Does it name the certificate's file, and with it another file for the key than the declared one?"""
    main, key = declared.role("combined", "certificate"), declared.role("combined", "key")
    if main is None or key is None or use["certificate"] is None or use["key"] is None:
        return False
    return _real(use["certificate"]) == os.path.realpath(main.path) and _real(use["key"]) != os.path.realpath(key.path)


def _key_elsewhere(service: str, use: t.Dict[str, t.Any]) -> str:
    return f"service {service!r} reads the key of {use['certificate']!r} from {use['key']!r}; correct key_path, or leave it out"


def _real(path: str) -> bytes:
    return os.path.realpath(path_bytes(path))


def _watched(service: t.Dict[str, t.Any], uses: t.List[t.Dict[str, t.Any]]) -> Watched:
    if not uses and not service["uses"] and service["listeners"]:  # an entry of the user's that has only listeners
        uses = [{"certificate": None, "key": None, "chain": None, "folder": None, "names": [], "listeners": list(range(len(service["listeners"])))}]
    active = bool(service["pids"]) if service["active"] is None else service["active"]
    return {"service": service, "uses": uses, "active": active, "validation": None, "served": []}


def _names_a_file(use: t.Dict[str, t.Any], declared: Declared) -> bool:
    mine = {path for role in declared.roles for path in (real_path(role.path), os.path.realpath(role.path))}
    for option in ("certificate", "key", "chain"):
        if use[option] is not None:
            path = path_bytes(use[option])
            if real_path(path) in mine or os.path.realpath(path) in mine:
                return True
    return use["folder"] is not None and _real(use["folder"]) in {os.path.dirname(path) for path in mine}
