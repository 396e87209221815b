# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An inventory in a temporary folder, a clock that stands still, certificates and answers of scans."""

from __future__ import annotations

import base64
import functools
import hashlib
import inspect
import os
import secrets
import sys
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName, Intent, Issuer, Recorded, ScanRecord

sys.path.append(str(Path(__file__).resolve().parents[5] / "tests/tools"))
import postgresql

START = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)


class Clock:
    """Gives the same time until it is moved."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def move(self, **duration: float) -> datetime:
        self.time += timedelta(**duration)
        return self.time


@functools.cache
def make_der(name: str, *, days: int = 90, names: int = 1, serial: int | None = None) -> bytes:
    """A self-signed certificate that begins at START."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    alternative = x509.SubjectAlternativeName([x509.DNSName(f"{index}.{name}.example" if index else f"{name}.example") for index in range(names)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), serial or x509.random_serial_number(), START, START + timedelta(days=days))
    return builder.add_extension(alternative, critical=False).sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def sha256(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()


def place(der: bytes, path: str, **other: t.Any) -> dict[str, t.Any]:
    """One place as the verb `scan` tells it."""
    attributes = {"entry": 0, "format": "pem", "links": [], "hard_links": 1, "owner": "root", "group": "root", "mode": "0644", "size": 900}
    attributes |= {"mtime": 1.5, "ctime": 2.5, "class": "installed", "services": [], "key": None}
    return {"certificate": sha256(der), "path": path, **attributes, **other}


def answer(*ders: bytes, **other: t.Any) -> dict[str, t.Any]:
    """A complete answer of the verb `scan`: each certificate in a file of its own below /etc/tls."""
    return {
        "certificates": {sha256(der): base64.b64encode(der).decode() for der in ders},
        "places": [place(der, f"/etc/tls/{index}.pem") for index, der in enumerate(ders)],
        "keys": [],
        "bundles": [],
        "services": [],
        "summary": {"files": len(ders), "seconds": 0.1},
        "problems": [],
        "skipped": [],
        "left_over": [],
        "done": ["/etc", "/opt"],
        "complete": True,
        "privileged": True,
        **other,
    }


class Tools:
    """What the tests build with, see the functions above."""

    START = START
    make_der = staticmethod(make_der)
    sha256 = staticmethod(sha256)
    place = staticmethod(place)
    answer = staticmethod(answer)
    web = HostName(namespace="lab", name="web1")
    issuer = Issuer(name="internal", kind="embedded")

    @staticmethod
    def intent(**other: t.Any) -> Intent:
        fields: dict[str, t.Any] = {"host": Tools.web, "name": "web", "issuer": "internal", "serial": 0xABC, "csr_digest": "c" * 64}
        return Intent(**{**fields, "profile": "tls_server", "requester": "job 7", "transaction": "1" * 32, **other})

    @staticmethod
    def record(
        inventory: Inventory, result: dict[str, t.Any], *, at: datetime, host: HostName | None = None, partial: bool = False, **evidence: t.Any
    ) -> Recorded:
        return inventory.record_scan(ScanRecord(host or Tools.web, at - timedelta(seconds=2), at, result, evidence, partial))


@pytest.fixture(name="tools")
def _tools() -> type[Tools]:
    return Tools


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="path")
def _path(tmp_path: os.PathLike[str]) -> str:
    return os.path.join(tmp_path, "data", "inventory.db")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests run on both kinds of database, except those that look at the file itself."""
    if "backend" in metafunc.fixturenames:
        own = inspect.signature(metafunc.function).parameters
        backends = ["sqlite"] if "path" in own else ["postgresql"] if "server" in own else ["sqlite", "postgresql"]
        metafunc.parametrize("backend", backends, scope="session")


@pytest.fixture(name="cluster", scope="session")
def _cluster() -> t.Iterator[t.Any]:
    try:
        cluster = postgresql.Cluster()
    except postgresql.MissingError as exc:
        if "CI" in os.environ:  # there it is to be tested
            raise
        pytest.skip(str(exc))
    with cluster:
        cluster.sql("CREATE DATABASE inventory")
        with open_inventory(cluster.url("inventory"), now=Clock()):
            pass
        yield cluster


@pytest.fixture(name="server")
def _server(cluster: t.Any) -> t.Iterator[str]:
    """The URL of a database of its own, with the tables in it."""
    name = f"t{secrets.token_hex(6)}"
    cluster.sql(f"CREATE DATABASE {name} TEMPLATE inventory")
    yield cluster.url(name)
    cluster.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(name="url")
def _url(request: pytest.FixtureRequest, backend: str) -> str:
    return str(request.getfixturevalue("path" if backend == "sqlite" else "server"))


@pytest.fixture(name="inventory")
def _inventory(url: str, clock: Clock) -> t.Iterator[Inventory]:
    with open_inventory(url, now=clock, actor="tester") as inventory:
        yield inventory
