# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory of a fleet that is large and in part hostile, written by the project's own code, and its report."""

from __future__ import annotations

import base64
import functools
import hashlib
import pathlib
import typing as t
import warnings
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.assignments import Wanted
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName, ScanRecord
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.rules import rule_from
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import Rule
from ansible_collections.certops.fleet.plugins.plugin_utils._report.content import Report, build_report
from ansible_collections.certops.fleet.plugins.plugin_utils._report.files import write_report

PLACES_PER_HOST = 100
HOSTILE = (
    "<script>document.title='broken'</script>",
    "<img src=http://203.0.113.9/x onerror=document.title='broken'>",
    "{{ 7*7 }} {% raw %} ${7*7}",
    """"quotes' and `backticks` & &amp; </td>""",
    "Übermäßig größer naïve 証明書 сертификат شهادة",
    "paypal\u202egro.live\u202c.example",
    "zero\u200bwidth\ufeffjoin\u2028line\u0085next",
    '=HYPERLINK("http://203.0.113.9")',
    "__proto__",
    "very.long." + "label-of-some-length." * 60 + "example.com",
)
WORDS = ("shop", "mail", "api", "intranet", "wiki", "ldap", "metrics", "build", "vpn", "pay")
# Days until the end: most are fine, some are not.
ENDS = (*range(31, 390, 7), -40, -3, 2, 5, 12, 25, 29, 420, 800)
CLASSES = ("in_use", "in_use", "installed", "installed", "installed", "history", "trust_store", "trust_copy", "test_or_package", "backup")
SERVICES: dict[str, tuple[list[str], ...]] = {"in_use": (["nginx"], ["haproxy"], ["postgresql@15-main"], ["apache2", "nginx"])}


@functools.cache
def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def certificate(name: str, ends: datetime, serial: int, *, issuer_name: str | None = None) -> bytes:
    """DER, signed by one and the same key: its names are what matters here. With C(issuer_name) it is that of a CA."""
    subject = x509.Name([_common_name(name)])
    issuer = x509.Name([_common_name(issuer_name or f"Example Issuing CA {serial % 4}")])
    builder = x509.CertificateBuilder(issuer, subject, _key().public_key(), serial, ends - timedelta(days=398), ends)
    if name.endswith("example.com"):
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    if issuer_name:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(_key(), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _authorities(now: datetime) -> list[bytes]:
    """A root, and below it the CAs that the certificates are of."""
    ends = now + timedelta(days=3000)
    return [
        certificate(name, ends, 10**13 + index, issuer_name="Example Root CA")
        for index, name in enumerate(("Example Root CA", *(f"Example Issuing CA {number}" for number in range(4))))
    ]


def _common_name(text: str) -> x509.NameAttribute[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # longer than RFC 5280 allows, as some are
        return x509.NameAttribute(x509.NameOID.COMMON_NAME, text, _validate=False)


def _place(der: bytes, path: str, kind: str, number: int) -> dict[str, t.Any]:
    services = SERVICES.get(kind, ([],))
    own = {"entry": 0, "format": "pem", "links": [], "hard_links": 1, "owner": "root", "group": "root", "mode": "0644", "size": 900, "mtime": 1.5, "ctime": 2.5}
    return {"certificate": hashlib.sha256(der).hexdigest(), "path": path, **own, "class": kind, "services": services[number % len(services)], "key": None}


def _service(der: bytes, path: str, name: str) -> dict[str, t.Any]:
    """A service whose listener serves another certificate than its file holds."""
    listener = {"address": "127.0.0.1", "port": 443, "protocol": "tls"}
    look = {**listener, "name": name, "sha256": hashlib.sha256(der).hexdigest(), "not_after": 1700000000, "state": "not_loaded", "error": None}
    facts = {"name": name, "entry": None, "unit": None, "active": True, "configuration": None}
    return {**facts, "uses": [{"certificate": path, "listeners": [0]}], "listeners": [listener], "served": [look]}


def _locked(path: str) -> dict[str, t.Any]:
    own = {"owner": "root", "group": "root", "mode": "0600", "mtime": 1.5, "links": [], "class": "installed", "services": []}
    return {**own, "path": path, "format": "pkcs12", "state": "locked", "reason": "no password is given that opens it, see store_passwords"}


def _answer(ders: list[bytes], places: list[dict[str, t.Any]], **changes: t.Any) -> dict[str, t.Any]:
    """What the verb C(scan) gives."""
    nothing: dict[str, t.Any] = {name: [] for name in ("keys", "bundles", "services", "problems", "skipped", "left_over")}
    found = {"certificates": {hashlib.sha256(der).hexdigest(): base64.b64encode(der).decode() for der in ders}, "places": places}
    return {**nothing, **found, "summary": {"files": len(places)}, "done": ["/"], "complete": True, "privileged": True, **changes}


def _record(inventory: Inventory, name: HostName, now: datetime, answer: dict[str, t.Any], machine: str) -> None:
    inventory.record_scan(ScanRecord(name, now - timedelta(seconds=2), now, answer, {"machine_id": machine}))


def _host(inventory: Inventory, number: int, now: datetime, shared: list[bytes], own: int) -> None:
    """One host with C(PLACES_PER_HOST) places: certificates of its own first, then those that all hosts have."""
    name = f"{WORDS[number % len(WORDS)]}{number}.example.com"
    ders = [_own(name, index, number * 1000 + index, now) for index in range(own)]
    places = []
    for index in range(PLACES_PER_HOST):
        der = ders[index] if index < own else shared[(number + index) % len(shared)]
        places.append(_place(der, f"/etc/{WORDS[index % len(WORDS)]}/tls/{index}/fullchain.pem", CLASSES[index % len(CLASSES)], number + index))
    incomplete = {"complete": False, "problems": [{"path": "/root", "reason": "permission denied"}], "privileged": False} if number % 25 == 7 else {}
    _record(inventory, HostName("production" if number % 3 else "staging", name), now, _answer([*ders, *shared], places, **incomplete), f"{number:032x}")


def _own(host: str, index: int, serial: int, now: datetime) -> bytes:
    name = host if index == 0 else f"{WORDS[index % len(WORDS)]}-{index}.{host}"
    return certificate(name, now + timedelta(days=ENDS[serial * 7 % len(ENDS)], hours=5), serial + 1)


def _hostile_host(inventory: Inventory, now: datetime, number: int) -> None:
    """Every text that a report shows may be somebody else's."""
    ders = [certificate(text, now + timedelta(days=-400 - index), 10**9 + index) for index, text in enumerate(HOSTILE)]
    ders.append(b"\x30\x82 not a certificate")
    places = [_place(der, f"/srv/{HOSTILE[index % len(HOSTILE)]}", "installed", 0) for index, der in enumerate(ders)]
    places = [{**place, "services": [HOSTILE[index % len(HOSTILE)]]} for index, place in enumerate(places)]
    stale = [_service(ders[index + 1], places[index]["path"], text) for index, text in enumerate(HOSTILE)]
    closed = {"services": stale, "locked": [_locked(f"/srv/{text}.p12") for text in HOSTILE]}
    reason = {**closed, "complete": False, "problems": [{"path": "/srv", "reason": HOSTILE[0]}], "left_over": ["/var"]}
    _record(inventory, HostName("staging", f"{HOSTILE[0]}{number}"), now, _answer(ders, places, **reason), "0" * 31 + "7")


def _teams() -> tuple[Rule, ...]:
    """Half of the hosts have an owner, one of a hostile name among them."""
    owners = [*(f"Team {word}" for word in WORDS[:5]), HOSTILE[0]]
    matches = [*({"host": f"{word}*"} for word in WORDS[:5]), {"host": f"{WORDS[5]}*"}]
    given = [{"owner": owner, "contacts": f"{number}@example.com"} for number, owner in enumerate(owners)]
    return tuple(rule_from(match, values, source="rules", origin="teams", where="rule") for match, values in zip(matches, given, strict=True))


def build(folder: pathlib.Path, *, hosts: int = 200, own: int = 10, hostile: bool = True, now: datetime | None = None) -> Report:
    """Makes the inventory C(inventory.db) and the report below C(folder): C(hosts) times a hundred places."""
    now = now or datetime.now(timezone.utc).replace(microsecond=0)
    shared = [certificate(f"Example Root {index}", now + timedelta(days=3000 + index), 10**12 + index) for index in range(40)]
    authorities = _authorities(now)
    anchors = [_place(der, f"/etc/ssl/ca/{index}.pem", "trust_store", 0) for index, der in enumerate(authorities)]
    with open_inventory(f"sqlite:///{folder}/inventory.db", now=lambda: now, actor="tests") as inventory:
        for number in range(hosts):
            _host(inventory, number, now, shared, own)
        _record(inventory, HostName("production", "ca.example.com"), now, _answer(authorities, anchors), "c" * 32)
        inventory.assign(Wanted("rules", "teams", _teams()))
        if hostile:
            _hostile_host(inventory, now, 1)
        inventory.record_silent_host(HostName("production", "dead1.example.com"), reason="Failed to connect to the host via ssh: no route to host")
        hosts_and_more = (inventory.documents(kind) for kind in ("hosts", "certificates", "places"))
        report = build_report(*hosts_and_more, now, inventory.documents("services"), chains=inventory.chains())
    write_report(str(folder / "report"), report)
    return report
