# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates made for a test: whole ones, and broken ones put together from DER."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)


def rich_builder(key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    """A certificate that has every extension that is told."""
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "GB"),
            x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "one"),
            x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "two"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, "{{ lookup('pipe', 'id') }}"),
        ]
    )
    access = [
        x509.AccessDescription(x509.AuthorityInformationAccessOID.OCSP, x509.DNSName("not.a.uri")),
        x509.AccessDescription(x509.AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://o.example/")),
        x509.AccessDescription(x509.AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://i.example/ca.cer")),
    ]
    names = [
        x509.DNSName("a.example"),
        x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
        x509.RFC822Name("x@a.example"),
        x509.UniformResourceIdentifier("https://a.example/p"),
        x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "A, B"), x509.NameAttribute(x509.NameOID.COMMON_NAME, "#c ")])),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4")),
        x509.OtherName(x509.ObjectIdentifier("1.2.3.5"), b"\x0c\x01x"),
    ]
    usage = x509.KeyUsage(True, False, False, False, True, False, False, True, False)
    aki = x509.AuthorityKeyIdentifier(b"\x01\x02", [x509.DNSName("issuer.example")], 77)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=True, path_length=3), True),
        (usage, True),
        (x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ObjectIdentifier("1.2.3.6")]), False),
        (x509.SubjectAlternativeName(names), True),
        (x509.SubjectKeyIdentifier(b"\xaa\xbb"), False),
        (aki, False),
        (x509.AuthorityInformationAccess(access), False),
        (x509.TLSFeature([x509.TLSFeatureType.status_request]), False),
    ]
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(255)
    builder = builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=90))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder


@pytest.fixture(scope="session")
def rich() -> bytes:
    """DER of a certificate that has every extension that is told."""
    key = ec.generate_private_key(ec.SECP256R1())
    return rich_builder(key).sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@pytest.fixture
def now() -> datetime:
    return NOW
