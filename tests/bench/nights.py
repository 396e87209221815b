# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nights of a fleet without the fleet: the answers of its hosts, made up, go through the code that records real ones.

    nights.py URL HOSTS

A first night, one on which nothing has changed, and one on which a host in a hundred has a new certificate. Of each: seconds by the clock and of the processor
for recording alone, and the greatest memory so far. Ten certificates with five places each on every host, all different ones: 100,000 hosts have a million.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pathlib
import resource
import sys
import time
import typing as t
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName, ScanRecord

CERTIFICATES, PLACES = 10, 5  # of a host, of a certificate
CHANGED = 100  # one host in so many
FIRST = datetime(2026, 3, 1, 2, tzinfo=timezone.utc)
NIGHTS = ("first", "unchanged", "some changed")
_SERIAL = 0x4000000000000000
_MARK = "0000000000"


def pattern() -> bytes:
    """A certificate of a server with two names and a serial of eight bytes, all of which can be replaced."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Bench"), x509.NameAttribute(x509.NameOID.COMMON_NAME, f"s{_MARK}.bench.example")])
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Bench Issuing CA")])
    names = x509.SubjectAlternativeName([x509.DNSName(f"{first}{_MARK}.bench.example") for first in "sw"])
    builder = x509.CertificateBuilder(issuer, name, key.public_key(), _SERIAL, FIRST - timedelta(days=30), FIRST + timedelta(days=60))
    return builder.add_extension(names, critical=False).sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def certificate(made: bytes, number: int) -> bytes:
    """One of its own: other serial, names and key; the signature stays, which nothing here looks at."""
    der = made.replace(_SERIAL.to_bytes(8, "big"), (_SERIAL + number).to_bytes(8, "big"), 1)
    der = der.replace(_MARK.encode(), f"{number:010d}".encode())
    key = der.index(b"\x03\x42\x00\x04") + 4  # the bits of a point on P-256
    return der[:key] + hashlib.sha256(str(number).encode()).digest() + der[key + 32 :]


def answer(made: bytes, host: int, *, changed: bool) -> dict[str, t.Any]:
    """What a host's program tells: every certificate whose bytes the inventory has not, and everything else."""
    numbers = [host * CERTIFICATES + index for index in range(CERTIFICATES)]
    if changed:
        numbers[0] += 1 << 32
    ders = {hashlib.sha256(der).hexdigest(): der for der in (certificate(made, number) for number in numbers)}
    places = [
        {"certificate": sha256, "path": f"/etc/ssl/application{place}/{index}.pem", "entry": 0, "format": "pem", "class": "installed", "owner": "root"}
        | {"group": "root", "mode": "0644", "size": 900, "mtime": 1770000000.25, "ctime": 1770000000.5, "hard_links": 1, "links": [], "services": []}
        for index, sha256 in enumerate(ders)
        for place in range(PLACES)
    ]
    done = {"done": ["/"], "complete": True, "privileged": True, "summary": {"files": 4000, "seconds": 1.5}}
    return {"certificates": {sha256: base64.b64encode(der).decode() for sha256, der in ders.items()}, "places": places, **done}


def scan(made: bytes, host: int, night: int) -> ScanRecord:
    """As the action plugin hands it over."""
    ended = FIRST + timedelta(days=night)
    evidence = {"machine_id": f"{host:032x}", "python": "3.11.2", "addresses": [f"10.{host >> 16 & 255}.{host >> 8 & 255}.{host & 255}"]}
    result = answer(made, host, changed=NIGHTS[night] == "some changed" and host % CHANGED == 0)
    return ScanRecord(HostName("bench", f"host{host:06d}"), ended - timedelta(seconds=2), ended, result, evidence, partial=False)


def nights(url: str, hosts: int) -> t.Iterator[dict[str, t.Any]]:
    """Record them, and give the figures of each."""
    made = pattern()
    for night, name in enumerate(NIGHTS):
        seconds = processor = 0.0
        with open_inventory(url, now=lambda: FIRST, actor="bench") as inventory:
            for host in range(hosts):
                record = scan(made, host, night)
                began, used = time.perf_counter(), time.process_time()
                inventory.record_scan(record)
                seconds += time.perf_counter() - began
                processor += time.process_time() - used
        yield {"night": name, "seconds": seconds, "processor": processor, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main(url: str, hosts: int) -> None:
    for figures in nights(url, hosts):
        print(json.dumps(figures), flush=True)
    path = pathlib.Path(url)
    if path.is_file():
        size = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
        print(json.dumps({"night": "size", "bytes": size, "certificates": hosts * CERTIFICATES}), flush=True)


if __name__ == "__main__":
    os.umask(0o077)
    main(sys.argv[1], int(sys.argv[2]))
