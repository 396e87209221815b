# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's parsers beside cryptography, on its own real and odd files: what it reads is found, and nothing ends a scan."""

from __future__ import annotations

import functools
import hashlib
import pathlib
import time
import typing as t

import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7, pkcs12

from ansible_collections.certops.fleet.plugins.module_utils._host.run import run
from ansible_collections.certops.fleet.plugins.module_utils._host.scan import mounts, scan

vectors = pytest.importorskip("cryptography_vectors", reason="the package cryptography_vectors is not installed")
FOLDER = pathlib.Path(vectors.__file__).parent
PASSWORDS = ("cryptography", "password", "a password of nobody's")
Answer = dict[str, t.Any]


@functools.cache
def scanned(name: str, *passwords: str) -> Answer:
    """The answer for one folder of the vectors."""
    args = {"paths": [str(FOLDER / name)], "exclude": [], "max_file_size": 1 << 21, "max_seconds": None, "known_bundles": [], "home": False}
    args.update(store_passwords=list(passwords), cache_days=0)
    looking = scan.Scan(scan.Options.from_args(args), mounts.Mounts({}, {}), [], run)
    looking.folders()
    looking.links()
    return looking.answer(())


def held(answer: Answer, path: pathlib.Path) -> set[str]:
    """The certificates of a file, by themselves, in the bundle that it is, or in that of its folder."""
    places = {row["certificate"] for row in answer["places"] if path.samefile(row["path"])}
    bundles = [bundle for bundle in answer["bundles"] if any(path.samefile(place["path"]) or path.parent.samefile(place["path"]) for place in bundle["places"])]
    return places | {digest for bundle in bundles for digest in bundle["certificates"]}


def digests(certificates: t.Iterable[x509.Certificate | None]) -> set[str]:
    return {hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest() for one in certificates if one is not None}


def files(folder: str, *endings: str) -> list[pathlib.Path]:
    return sorted(path for path in (FOLDER / folder).rglob("*") if path.suffix in endings)


@pytest.mark.parametrize("path", files("pkcs12", ".p12"), ids=lambda path: path.name)
def test_stores(path: pathlib.Path) -> None:
    """Each store has the certificates and as many keys as cryptography finds in it."""
    for password in (None, *PASSWORDS):
        try:
            store = pkcs12.load_pkcs12(path.read_bytes(), password.encode() if password else None)
            break
        except ValueError:
            continue
    else:
        pytest.fail(f"cryptography opens {path.name} with none of the passwords")
    answer = scanned("pkcs12", *PASSWORDS)
    more = [one.certificate for one in store.additional_certs]
    assert held(answer, path) == digests([store.cert and store.cert.certificate, *more])
    assert len([row for row in answer["keys"] if row["path"] == str(path)]) == (store.key is not None)


@pytest.mark.parametrize("path", files("pkcs7", ".p7b", ".pem", ".der"), ids=lambda path: path.name)
def test_messages(path: pathlib.Path) -> None:
    """Each message has the certificates that cryptography finds in it."""
    content = path.read_bytes()
    try:
        load = pkcs7.load_pem_pkcs7_certificates if b"-----BEGIN PKCS7" in content else pkcs7.load_der_pkcs7_certificates
        expected = digests(load(content))
    except (ValueError, UnsupportedAlgorithm):
        expected = digests(_pem(content))
    assert held(scanned("pkcs7"), path) == expected


@pytest.mark.parametrize(("kind", "load"), [("crls", "x509_crl"), ("requests", "x509_csr")])
def test_lists_and_requests(kind: str, load: str) -> None:
    """Every list and request that cryptography reads is found with the same fingerprint."""
    found = {row["sha256"] for row in scanned("x509")[kind]}
    missing = []
    for path in files("x509", ".pem", ".der"):
        one = _loaded(load, path)
        if one is not None and hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest() not in found:
            missing.append(path.name)
    assert missing == []
    assert found


def test_certificates() -> None:
    """Every certificate that cryptography reads is found."""
    answer = scanned("x509")
    missing = [path.name for path in files("x509", ".pem", ".der", ".crt", ".cer") if digests([_loaded("x509_certificate", path)]) - held(answer, path)]
    assert missing == []


def test_all_of_it() -> None:
    """The whole of the vectors, thousands of files of everything, is scanned in bounded time, and each problem has a reason."""
    started = time.monotonic()
    answer = scanned(".")
    assert time.monotonic() - started < 120
    assert answer["complete"]
    assert all(row["reason"] for row in answer["problems"])


def _pem(content: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        return []


def _loaded(kind: str, path: pathlib.Path) -> t.Any:
    try:
        return getattr(x509, f"load_{'pem' if path.suffix != '.der' else 'der'}_{kind}")(path.read_bytes())
    except (ValueError, TypeError, x509.InvalidVersion):
        return None
