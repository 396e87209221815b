# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and chains for the tests of endpoints."""

from __future__ import annotations

import functools
import ipaddress
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)


@functools.cache
def key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


@functools.cache
def certificate(
    name: str,
    issuer: str | None = None,
    *,
    ca: bool = False,
    begin: int = -1,
    days: int = 90,
    usages: tuple[str, ...] = (),
    path_length: int | None = None,
    names: tuple[str, ...] = (),
    signer: str | None = None,
) -> x509.Certificate:
    """A certificate that `issuer` signed (itself where there is none); `signer` has the key where that is to be another one's."""
    issuer = issuer or name
    start = NOW + timedelta(days=begin)
    builder = x509.CertificateBuilder(named(issuer), named(name), key(name).public_key(), 1000 + len(name), start, start + timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier(usage) for usage in usages]), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([general(each) for each in names]), critical=False)
    return builder.sign(key(signer or issuer), hashes.SHA256())


def general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def der(*certificates: x509.Certificate) -> list[bytes]:
    return [each.public_bytes(serialization.Encoding.DER) for each in certificates]


def response(leaf: x509.Certificate, issuer: x509.Certificate, *, status: str = "GOOD", days: int = 3, begin: int = -1) -> bytes:
    """An OCSP response of the issuer's."""
    start = NOW + timedelta(days=begin)
    revoked = {"revocation_time": start, "revocation_reason": x509.ReasonFlags.key_compromise} if status == "REVOKED" else {}
    added = {"revocation_time": None, "revocation_reason": None, **revoked}
    builder = ocsp.OCSPResponseBuilder().add_response(
        leaf,
        issuer,
        hashes.SHA256(),
        ocsp.OCSPCertStatus[status],
        start,
        start + timedelta(days=days),
        added["revocation_time"],
        added["revocation_reason"],
    )
    signed = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, issuer).sign(key(issuer.subject.rfc4514_string()[3:]), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


class Made:
    """What the tests build with, see the functions above."""

    NOW = NOW
    certificate = staticmethod(certificate)
    der = staticmethod(der)
    response = staticmethod(response)
    chain: t.Callable[[], list[x509.Certificate]] = staticmethod(
        lambda: [certificate("leaf", "middle", names=("www.example.com", "192.0.2.7")), certificate("middle", "root", ca=True), certificate("root", ca=True)]
    )


@pytest.fixture(name="made")
def _made() -> type[Made]:
    return Made
