# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import copy
import importlib
import json
import pathlib
import re
import subprocess
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.certops.fleet.plugins.module_utils._host.x509.der import encode, integer, object_identifier
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.der import SEQUENCE, Element, certificate_with, children, read
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import UNKNOWN, certificate_info, moment


def changed(der: bytes, **fields: bytes) -> bytes:
    """The certificate with other DER in some of its to-be-signed fields."""
    names = ("version", "serial", "algorithm", "issuer", "validity", "subject", "key", "extensions")
    outer = children(read(der).content)
    content = dict(zip(names, (field.raw for field in children(outer[0].content)), strict=False))
    return encode(SEQUENCE, encode(SEQUENCE, *(fields.get(name, raw) for name, raw in content.items())), outer[1].raw, outer[2].raw)


def extension_elements(der: bytes) -> list[Element]:
    tbs = children(children(read(der).content)[0].content)
    return children(read(tbs[7].content).content)


def with_extensions(der: bytes, raw: t.Iterable[bytes]) -> bytes:
    return changed(der, extensions=encode(0xA3, encode(SEQUENCE, *raw)))


def test_every_field_is_told_in_the_format_of_community_crypto(rich: bytes, now: datetime) -> None:
    """Names, formats and values of a certificate that has everything."""
    info = certificate_info(rich, now=now)
    expected = {
        "version": 3,
        "serial_number": 255,
        "signature_algorithm": "ecdsa-with-SHA256",
        "not_before": "20260301120000Z",
        "not_after": "20260530120000Z",
        "expired": False,
        "subject": {"countryName": "GB", "organizationalUnitName": "two", "commonName": "{{ lookup('pipe', 'id') }}"},
        "basic_constraints": ["CA:TRUE", "pathlen:3"],
        "basic_constraints_critical": True,
        "key_usage": ["Digital Signature", "Encipher Only", "Key Agreement"],
        "key_usage_critical": True,
        "extended_key_usage": ["1.2.3.6", "TLS Web Server Authentication"],
        "extended_key_usage_critical": False,
        "subject_alt_name_critical": True,
        "ocsp_must_staple": True,
        "subject_key_identifier": "aa:bb",
        "authority_key_identifier": "01:02",
        "authority_cert_issuer": ["DNS:issuer.example"],
        "authority_cert_serial_number": 77,
        "ocsp_uri": "http://o.example/",
        "issuer_uri": "http://i.example/ca.cer",
        "public_key_type": "ECC",
        "is_ca": True,
        "self_issued": True,
        "problem": None,
    }
    assert {name: info[name] for name in expected} == expected
    assert info["subject_ordered"][1:3] == [["organizationalUnitName", "one"], ["organizationalUnitName", "two"]]
    assert set(info) == {*UNKNOWN, "sha256", "fingerprints", "problem"}


def test_a_date_is_read_as_it_was_written() -> None:
    """The text of a date gives its moment, with its zone."""
    assert moment("20190413202428Z") == datetime(2019, 4, 13, 20, 24, 28, tzinfo=timezone.utc)


def test_every_kind_of_alternative_name_is_told(rich: bytes) -> None:
    """General names are written with the prefixes of community.crypto."""
    assert certificate_info(rich)["subject_alt_name"] == [
        "DNS:a.example",
        "IP:2001:db8::1",
        "email:x@a.example",
        "URI:https://a.example/p",
        "dirName:CN=\\#c\\ ,O=A\\, B",
        "RID:1.2.3.4",
        "otherName:1.2.3.5;0c:01:78",
    ]


def test_fingerprints_are_those_of_openssl(rich: bytes, tmp_path: pathlib.Path) -> None:
    """SHA-256 of the certificate and of its public key, computed by a second tool."""
    (tmp_path / "c.der").write_bytes(rich)
    shown = subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-in", tmp_path / "c.der", "-noout", "-fingerprint", "-sha256", "-pubkey"], capture_output=True, check=True
    )
    fingerprint = re.search(rb"=([0-9A-F:]+)", shown.stdout)
    key = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=shown.stdout, capture_output=True, check=True).stdout
    digest = subprocess.run(["openssl", "dgst", "-sha256", "-r"], input=key, capture_output=True, check=True).stdout.split()[0].decode()
    info = certificate_info(rich)
    assert fingerprint is not None
    assert info["fingerprints"]["sha256"] == fingerprint[1].decode().lower()
    assert info["sha256"] == info["fingerprints"]["sha256"].replace(":", "")
    assert info["spki"] == digest == info["public_key_fingerprints"]["sha256"].replace(":", "")


def test_expiry_is_told_for_the_given_time(rich: bytes, now: datetime) -> None:
    """The last second still counts."""
    end = now + timedelta(days=90)
    assert certificate_info(rich, now=end)["expired"] is False
    assert certificate_info(rich, now=end + timedelta(seconds=1))["expired"] is True


BROKEN = [
    ("a version that does not exist", {"version": encode(0xA0, integer(7))}, "certificate: 7 is not a valid X509 version", {"version": 8}),
    ("a negative serial", {"serial": integer(-5)}, None, {"serial_number": -5}),
    ("a serial that no JSON writer takes", {"serial": integer(1 << 16000)}, "serial_number: its 16001 bits", {"serial_number": None}),
    ("a validity that is no time", {"validity": encode(SEQUENCE, encode(0x17, b"x"), encode(0x17, b"y"))}, "validity: ", {"not_after": None, "expired": None}),
    (
        "a subject that is no UTF-8",
        {"subject": encode(SEQUENCE, encode(0x31, encode(SEQUENCE, object_identifier("2.5.4.3"), encode(0x0C, b"\xff"))))},
        "subject: ",
        {"subject": None},
    ),
    (
        "a key of an unknown kind",
        {"key": encode(SEQUENCE, encode(SEQUENCE, object_identifier("1.2.3")), encode(3, b"\0x"))},
        "public_key: ",
        {"public_key_type": None},
    ),
]


@pytest.mark.parametrize(("fields", "problem", "told"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_broken_part_does_not_hide_the_others(rich: bytes, fields: dict[str, bytes], problem: str | None, told: dict[str, t.Any]) -> None:
    """What a parser rejects is told part by part, with the problem."""
    info = certificate_info(changed(rich, **fields))
    assert {name: info[name] for name in told} == told
    assert (info["problem"] is None) if problem is None else (problem in info["problem"])
    assert info["subject_alt_name"][0] == "DNS:a.example"
    assert info["issuer"]["countryName"] == "GB"
    json.dumps(info)


def test_a_broken_extension_does_not_hide_the_others(rich: bytes) -> None:
    """Only the alternative name is lost, and it is told."""
    raw = [element.raw for element in extension_elements(rich)]
    broken = encode(SEQUENCE, object_identifier("2.5.29.17"), encode(4, b"\x30\x03\x82\x05a"))
    info = certificate_info(with_extensions(rich, [*(each for each in raw if object_identifier("2.5.29.17") not in each), broken]))
    assert info["subject_alt_name"] is None
    assert "extension subject_alt_name: " in info["problem"]
    assert info["is_ca"] is True
    assert info["key_usage"] == ["Digital Signature", "Encipher Only", "Key Agreement"]


def test_an_extension_that_is_there_twice_is_told(rich: bytes) -> None:
    """The first one counts."""
    raw = [element.raw for element in extension_elements(rich)]
    info = certificate_info(with_extensions(rich, [*raw, encode(SEQUENCE, object_identifier("2.5.29.19"), encode(4, encode(SEQUENCE)))]))
    assert info["problem"] == "extension basic_constraints: it occurs more than once"
    assert info["is_ca"] is True


def test_a_self_issued_version_1_certificate_counts_as_a_ca(rich: bytes) -> None:
    """Old roots have no extension that could say so."""
    tbs = [field.raw for field in children(children(read(rich).content)[0].content)]
    outer = children(read(rich).content)
    old = encode(SEQUENCE, encode(SEQUENCE, *tbs[1:7]), outer[1].raw, outer[2].raw)
    info = certificate_info(old)
    assert (info["version"], info["is_ca"], info["basic_constraints"]) == (1, True, None)


def test_a_large_modulus_is_left_out_and_its_size_is_told() -> None:
    """json.dumps() refuses integers of more than 4300 digits."""
    numbers = rsa.RSAPublicNumbers(65537, (1 << 15999) + 1)
    key = numbers.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    info = certificate_info(certificate_with(public_key_info=key))
    assert info["public_key_data"] == {"size": 16000, "modulus": None, "exponent": 65537}
    json.dumps(info)


@pytest.mark.parametrize("der", [b"", b"0", b"0\x80", b"\x30\x00", b"garbage", b"\x30\x84\xff\xff\xff\xff", bytes(1000)], ids=repr)
def test_what_is_no_certificate_has_a_digest_and_a_problem(der: bytes) -> None:
    """Every field is there, None but for the digest and the problem."""
    info = certificate_info(der)
    assert info["problem"].startswith("certificate: ")
    assert {name: info[name] for name in UNKNOWN} == UNKNOWN
    assert len(info["sha256"]) == 64


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_no_damage_makes_it_raise(rich: bytes, data: st.DataObject) -> None:
    """Bytes changed, cut off or inserted anywhere: an answer that JSON and UTF-8 take."""
    der = bytearray(copy.copy(rich))
    for _round in range(data.draw(st.integers(1, 6))):
        position = data.draw(st.integers(0, len(der) - 1))
        der[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not der:
            break
    info = certificate_info(bytes(der))
    json.dumps(info, ensure_ascii=False).encode()
    assert set(info) == {*UNKNOWN, "sha256", "fingerprints", "problem"}


def vectors() -> t.Iterator[tuple[str, bytes]]:
    """The certificates among cryptography's test vectors."""
    root = pathlib.Path(str(importlib.import_module("cryptography_vectors").__file__)).parent
    for path in sorted(path for path in (root / "x509").rglob("*") if path.is_file()):
        content = path.read_bytes()
        if content.startswith(b"0"):
            yield path.name, content
        for match in re.finditer(rb"-----BEGIN CERTIFICATE-----(.*?)-----END", content, re.DOTALL):
            yield path.name, base64.b64decode(match[1])


@pytest.mark.filterwarnings("ignore")
def test_it_is_equal_to_community_crypto_on_the_test_vectors() -> None:
    """Every field that both return is the same, on every certificate that community.crypto reads."""
    pytest.importorskip("cryptography_vectors", reason="the package cryptography-vectors is not installed")
    backend = pytest.importorskip(
        "ansible_collections.community.crypto.plugins.module_utils._crypto.module_backends.certificate_info", reason="community.crypto is not installed"
    )

    class Module:
        params: t.ClassVar[dict[str, str]] = {"name_encoding": "ignore"}

    compared = 0
    for name, der in vectors():
        ours = certificate_info(der)
        try:
            pem = x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)
            theirs = backend.get_certificate_info(module=Module, content=pem, prefer_one_fingerprint=True)
        except Exception:  # noqa: BLE001 - whatever it does not read is not compared
            continue
        # They give a bit string's bytes as lone surrogates, which no encoder takes.
        different = {key for key in ours.keys() & theirs.keys() if ours[key] != theirs[key] and "\\udc" not in ascii(theirs[key])}
        assert not different, (name, different)
        compared += 1
    assert compared > 200
