# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nights of a fleet without the fleet: the answers of its hosts, made up, go through the code that records real ones.

    nights.py URL HOSTS

The inventory has so many hosts already (bulk.py makes them). Of each kind of night some hosts are recorded, one after the other: hosts that are new, hosts on
which nothing has changed, and hosts with a new certificate, each spread over the fleet. It prints the seconds of a host by the clock and of the processor, for
recording alone, and the greatest memory so far. Ten certificates with five places each are on every host, all different ones: 100,000 hosts have a million.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import resource
import sys
import time
import typing as t
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName, ScanRecord

CERTIFICATES, PLACES = 10, 5  # of a host, of a certificate
SAMPLE = 1000  # hosts that are recorded in each night, at most all
ISSUERS, DAYS = 8, 400  # of which the certificates are, and days over which their ends lie
FIRST = datetime(2026, 3, 1, 2, tzinfo=timezone.utc)
NIGHTS = ("new", "unchanged", "changed")
SERIAL = 0x4000000000000000
_MARK = "0000000000"


@functools.cache
def pattern() -> bytes:
    """A certificate of a server with two names and a serial of eight bytes, all of which can be replaced; every process makes the same one."""
    key, ca = ec.derive_private_key(SERIAL, ec.SECP256R1()), ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    subject = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Bench"), x509.NameAttribute(x509.NameOID.COMMON_NAME, f"s{_MARK}.bench.example")])
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Bench Issuing CA 0")])
    names = x509.SubjectAlternativeName([x509.DNSName(f"{first}{_MARK}.bench.example") for first in "sw"])
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), SERIAL, FIRST - timedelta(days=30), end(0))
    return builder.add_extension(names, critical=False).sign(ca, None).public_bytes(serialization.Encoding.DER)


def end(number: int) -> datetime:
    """When a certificate ends, from ten days ago on."""
    return FIRST + timedelta(days=number % DAYS - 10, seconds=number % 86400)


def certificate(made: bytes, number: int) -> bytes:
    """One of its own: other serial, names, issuer, end and key; the signature stays, which nothing here looks at."""
    der = made.replace(SERIAL.to_bytes(8, "big"), (SERIAL + number).to_bytes(8, "big"), 1)
    der = der.replace(_MARK.encode(), f"{number:010d}".encode())
    der = der.replace(b"Bench Issuing CA 0", f"Bench Issuing CA {number % ISSUERS}".encode())
    der = der.replace(utc_time(end(0)), utc_time(end(number)))
    key = der.index(b"\x03\x42\x00\x04") + 4  # the bits of a point on P-256
    return der[:key] + hashlib.sha256(str(number).encode()).digest() + der[key + 32 :]


def utc_time(time: datetime) -> bytes:
    """As a certificate has it (RFC 5280 section 4.1.2.5.1)."""
    return time.strftime("%y%m%d%H%M%SZ").encode()


def path(place: int, index: int) -> str:
    """Where the certificate of that number on a host lies."""
    return f"/etc/ssl/application{place}/{index}.pem"


def answer(made: bytes, host: int, *, changed: bool) -> dict[str, t.Any]:
    """What a host's program tells: every certificate whose bytes the inventory has not, and everything else."""
    numbers = [host * CERTIFICATES + index for index in range(CERTIFICATES)]
    if changed:
        numbers[0] += 1 << 32
    ders = {hashlib.sha256(der).hexdigest(): der for der in (certificate(made, number) for number in numbers)}
    places = [
        {"certificate": sha256, "path": path(place, index), "entry": 0, "format": "pem", "class": "installed", "owner": "root"}
        | {"group": "root", "mode": "0644", "size": 900, "mtime": 1770000000.25, "ctime": 1770000000.5, "hard_links": 1, "links": [], "services": []}
        for index, sha256 in enumerate(ders)
        for place in range(PLACES)
    ]
    done = {"done": ["/"], "complete": True, "privileged": True, "summary": {"files": 4000, "seconds": 1.5}}
    return {"certificates": {sha256: base64.b64encode(der).decode() for sha256, der in ders.items()}, "places": places, **done}


def scan(made: bytes, host: int, night: str) -> ScanRecord:
    """As the action plugin hands it over."""
    ended = FIRST + timedelta(days=NIGHTS.index(night))
    result = answer(made, host, changed=night == "changed")
    return ScanRecord(HostName("bench", name(host)), ended - timedelta(seconds=2), ended, result, evidence(host), partial=False)


def name(host: int) -> str:
    """What the Ansible inventory calls a host."""
    return f"host{host:06d}"


def evidence(host: int) -> dict[str, t.Any]:
    """By which a host is known again."""
    return {"machine_id": f"{host:032x}", "python": "3.11.2", "addresses": [f"10.{host >> 16 & 255}.{host >> 8 & 255}.{host & 255}"]}


def recorded_in(night: str, hosts: int) -> t.Sequence[int]:
    """The numbers of the hosts: new ones come after all others, of the others some from each part of the fleet."""
    count = min(hosts, SAMPLE)
    return range(hosts, hosts + count) if night == "new" else range(0, hosts, hosts // count)[:count]


def nights(url: str, hosts: int) -> t.Iterator[dict[str, t.Any]]:
    """Record them, and give the figures of each."""
    made = pattern()
    for night in NIGHTS:
        numbers, seconds, processor = recorded_in(night, hosts), 0.0, 0.0
        with open_inventory(url, now=lambda: FIRST, actor="bench") as inventory:
            for host in numbers:
                record = scan(made, host, night)
                began, used = time.perf_counter(), time.process_time()
                inventory.record_scan(record)
                seconds += time.perf_counter() - began
                processor += time.process_time() - used
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        yield {"night": night, "seconds": seconds / len(numbers), "processor": processor / len(numbers), "memory": memory}


def main(url: str, hosts: int) -> None:
    for figures in nights(url, hosts):
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    os.umask(0o077)
    main(sys.argv[1], int(sys.argv[2]))
