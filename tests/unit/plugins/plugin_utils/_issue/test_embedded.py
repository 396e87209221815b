# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import typing as t
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ansible_collections.certops.fleet.plugins.plugin_utils._issue.embedded import EmbeddedIssuer
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.lint import Expected, lint
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.provider import IssuerError
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.request import CheckedRequest, Wanted, checked_request
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import certificate_info

SERIAL = (1 << 150) + 7


@pytest.fixture
def ask(make_csr: t.Callable[..., bytes], want: t.Callable[..., Wanted]) -> t.Callable[..., CheckedRequest]:
    """A function that gives a checked request for these names."""

    def make(*names: str, profile: str = "tls_server", signer: t.Any = None) -> CheckedRequest:
        wished = want(*names, profile=profile)
        asked = list(wished.general_names())
        subject = [(x509.NameOID.COMMON_NAME, value) for _name, value in wished.subject]
        return checked_request(make_csr(names=asked, subject=subject, **({"signer": signer} if signer else {})), wished)

    return make


@pytest.mark.parametrize(("profile", "purposes"), [("tls_server", ["sslserver"]), ("tls_client", ["sslclient"]), ("tls_peer", ["sslserver", "sslclient"])])
def test_openssl_accepts_what_is_issued(
    *,
    make_ca: t.Callable[..., EmbeddedIssuer],
    ask: t.Callable[..., CheckedRequest],
    verify: t.Callable[..., str],
    now: datetime,
    profile: str,
    purposes: list[str],
) -> None:
    """Strictly, for the purposes of the profile and for no other."""
    issuer = make_ca()
    issued = issuer.issue(ask(profile=profile), serial=SERIAL, now=now)
    for purpose in ("sslserver", "sslclient"):
        assert ("OK" in verify(issuer, issued.der, purpose, code=0 if purpose in purposes else 2)) == (purpose in purposes)


def test_certtool_accepts_the_chain(
    make_ca: t.Callable[..., EmbeddedIssuer], ask: t.Callable[..., CheckedRequest], certtool: t.Callable[..., str], now: datetime
) -> None:
    """A second implementation of PKIX, also with name constraints and an RSA issuer."""
    for name, options in {"plain": {}, "constrained": {"permitted_names": ["example.com"]}, "rsa": {"issuing_key_type": "rsa_3072"}}.items():
        issuer = make_ca(name, **options)
        issued = issuer.issue(ask(), serial=SERIAL, now=now)
        root = pathlib.Path(issuer.settings.directory) / "root.pem"
        chain = b"".join(x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM) for der in (issued.der, *issued.chain))
        assert "Chain verification output: Verified. The certificate is trusted." in certtool(chain + root.read_bytes(), str(root))


def test_a_certificate_has_what_its_profile_says(
    make_ca: t.Callable[..., EmbeddedIssuer], ask: t.Callable[..., CheckedRequest], openssl: t.Callable[..., str], now: datetime
) -> None:
    """As openssl prints it: subject, names, usages, identifiers, URLs, times."""
    issuer = make_ca(crl_urls=["http://p.example/i.crl"], aia_urls=["http://p.example/i.cer"], ocsp_urls=["http://o.example/"])
    issued = issuer.issue(ask("web.example.com", "2001:db8::1"), serial=SERIAL, now=now)
    text = openssl("x509", "-inform", "DER", "-in", "input.der", "-noout", "-text", der=issued.der)
    assert "Subject: CN = web.example.com\n" in text
    assert "Basic Constraints: critical\n                CA:FALSE\n" in text
    assert "Key Usage: critical\n                Digital Signature\n" in text
    assert "Extended Key Usage: \n                TLS Web Server Authentication\n" in text
    assert "Subject Alternative Name: \n                DNS:web.example.com, IP Address:2001:DB8:0:0:0:0:0:1\n" in text
    assert "URI:http://p.example/i.crl" in text
    assert "OCSP - URI:http://o.example/" in text
    assert "CA Issuers - URI:http://p.example/i.cer" in text
    info, ca = certificate_info(issued.der, now=now), certificate_info(issuer.certificate, now=now)
    assert info["authority_key_identifier"] == ca["subject_key_identifier"]
    assert info["serial_number"] == SERIAL
    assert info["not_before"] == f"{now - timedelta(minutes=5):%Y%m%d%H%M%SZ}"
    assert info["not_after"] == f"{now + timedelta(days=90, minutes=-5, seconds=-1):%Y%m%d%H%M%SZ}"


def test_an_rsa_key_may_encipher_keys(make_ca: t.Callable[..., EmbeddedIssuer], ask: t.Callable[..., CheckedRequest], now: datetime) -> None:
    """And no other key may."""
    request = ask(signer=rsa.generate_private_key(65537, 2048))
    assert certificate_info(make_ca().issue(request, serial=SERIAL, now=now).der)["key_usage"] == ["Digital Signature", "Key Encipherment"]


def test_without_a_common_name_the_names_are_critical(make_ca: t.Callable[..., EmbeddedIssuer], ask: t.Callable[..., CheckedRequest], now: datetime) -> None:
    """An address is no common name."""
    info = certificate_info(make_ca().issue(ask("192.0.2.7"), serial=SERIAL, now=now).der)
    assert (info["subject"], info["subject_alt_name"], info["subject_alt_name_critical"]) == ({}, ["IP:192.0.2.7"], True)


@pytest.mark.parametrize(
    ("key_type", "signature"),
    [("ecdsa_p256", "ecdsa-with-SHA256"), ("ecdsa_p384", "ecdsa-with-SHA384"), ("ecdsa_p521", "ecdsa-with-SHA512"), ("rsa_3072", "sha256WithRSAEncryption")],
)
def test_the_hash_fits_the_issuer_s_key(
    *,
    make_ca: t.Callable[..., EmbeddedIssuer],
    ask: t.Callable[..., CheckedRequest],
    verify: t.Callable[..., str],
    now: datetime,
    key_type: str,
    signature: str,
) -> None:
    """Not weaker than the key."""
    issuer = make_ca(issuing_key_type=key_type)
    issued = issuer.issue(ask(), serial=SERIAL, now=now)
    assert certificate_info(issued.der)["signature_algorithm"] == signature
    assert "OK" in verify(issuer, issued.der)


def test_a_certificate_ends_with_its_issuer(
    make_ca: t.Callable[..., EmbeddedIssuer], ask: t.Callable[..., CheckedRequest], verify: t.Callable[..., str], now: datetime
) -> None:
    """The lifetime is cut, and the chain is valid to the last second."""
    issuer = make_ca(issuing_lifetime_days=30)
    issued = issuer.issue(ask(), serial=SERIAL, now=now)
    end = issuer.status(now).not_after
    assert end is not None
    assert certificate_info(issued.der)["not_after"] == f"{end:%Y%m%d%H%M%SZ}"
    # For openssl the last second is over when it begins.
    assert "OK" in verify(issuer, issued.der, at=end - timedelta(seconds=1))


def test_an_issuer_that_is_about_to_end_issues_nothing(make_ca: t.Callable[..., EmbeddedIssuer], ask: t.Callable[..., CheckedRequest], now: datetime) -> None:
    """Less than a day left: refused with both dates."""
    issuer = make_ca(issuing_lifetime_days=2)
    late = now + timedelta(days=1)
    with pytest.raises(IssuerError) as caught:
        issuer.issue(ask(), serial=SERIAL, now=late)
    assert f"{late:%Y-%m-%dT%H:%M:%SZ}" in str(caught.value)
    assert f"{now + timedelta(days=2, minutes=-5, seconds=-1):%Y-%m-%dT%H:%M:%SZ}" in str(caught.value)
    assert issuer.status(late).reason == str(caught.value)
    assert issuer.status(now).usable


def test_a_clock_before_the_issuer_began_is_told(make_ca: t.Callable[..., EmbeddedIssuer], ask: t.Callable[..., CheckedRequest], now: datetime) -> None:
    """Nothing is issued before the issuing CA is valid; within the five minutes its own beginning counts."""
    issuer = make_ca()
    with pytest.raises(IssuerError, match="is not valid before"):
        issuer.issue(ask(), serial=SERIAL, now=now - timedelta(minutes=6))
    assert "is not valid before" in str(issuer.status(now - timedelta(minutes=6)).reason)
    info = certificate_info(issuer.issue(ask(), serial=SERIAL, now=now - timedelta(minutes=3)).der)
    assert info["not_before"] == certificate_info(issuer.certificate)["not_before"]


@pytest.mark.parametrize(
    ("permitted", "excluded", "name"),
    [
        (["example.com"], [], "web.example.net"),
        (["192.0.2.0/24"], [], "web.example.com"),
        ([], ["example.com"], "web.example.com"),
        (["example.com"], [], "192.0.2.7"),
    ],
)
def test_name_constraints_are_kept_before_signing(
    *, make_ca: t.Callable[..., EmbeddedIssuer], ask: t.Callable[..., CheckedRequest], now: datetime, permitted: list[str], excluded: list[str], name: str
) -> None:
    """What clients would not accept is not issued."""
    with pytest.raises(IssuerError, match=f"its name constraints do not allow '{name}'"):
        make_ca(permitted_names=permitted, excluded_names=excluded).issue(ask(name), serial=SERIAL, now=now)


def test_a_missing_ca_and_a_wrong_passphrase_are_told(make_ca: t.Callable[..., EmbeddedIssuer], tmp_path: pathlib.Path, now: datetime) -> None:
    """The status says so before anything is asked for; it never raises."""
    issuer = make_ca()
    wrong = EmbeddedIssuer(replace(issuer.settings, passphrase=b"wrong passphrase"))
    none = EmbeddedIssuer(replace(issuer.settings, passphrase=None))
    missing = EmbeddedIssuer(replace(issuer.settings, directory=str(tmp_path / "nowhere")))
    assert "issuing.key' cannot be decrypted with the passphrase given" in str(wrong.status(now).reason)
    given = "give passphrase to its item of certops_issuers"
    assert none.status(now).reason == f"issuer 'internal': the CA needs a passphrase for its key files, got none: {given}"
    assert missing.status(now).reason == f"issuer 'internal': there is no CA in '{tmp_path}/nowhere', certops.fleet.create_ca makes one"
    assert "correct horse" not in repr(issuer.settings)


@pytest.fixture
def expected(make_ca: t.Callable[..., EmbeddedIssuer], ask: t.Callable[..., CheckedRequest], now: datetime) -> Expected:
    """What a certificate for web.example.com must say."""
    issuer = make_ca()
    return Expected(ask(), SERIAL, now, now + timedelta(days=9), issuer.certificate)


def drafted(
    expected: Expected, without: type[x509.ExtensionType] | None = None, serial: int = SERIAL, more: t.Sequence[x509.ExtensionType] = (), **other: t.Any
) -> bytes:
    """A certificate as expected but for what is given."""
    ca = x509.load_der_x509_certificate(expected.issuer)
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (other.get("basic", x509.BasicConstraints(False, None)), True),
        (other.get("usage", usage), True),
        (x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([x509.DNSName(other.get("name", "web.example.com"))]), False),
        (x509.SubjectKeyIdentifier.from_public_key(expected.request.public_key), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key()), False),  # type: ignore[arg-type]
        *((extension, False) for extension in more),
    ]
    builder = x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "web.example.com")]))
    builder = builder.issuer_name(other.get("issuer", ca.subject)).public_key(expected.request.public_key).serial_number(serial)
    builder = builder.not_valid_before(expected.not_before).not_valid_after(other.get("end", expected.not_after))
    for extension, critical in extensions:
        builder = builder if isinstance(extension, without or ()) else builder.add_extension(extension, critical)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_a_certificate_as_expected_has_no_problem(expected: Expected) -> None:
    """The draft that the other cases start from."""
    assert lint(drafted(expected), expected) == []


FLAWS: list[tuple[dict[str, t.Any], str]] = [
    ({"basic": x509.BasicConstraints(True, 0)}, "basic_constraints is ['CA:TRUE', 'pathlen:0'], expected ['CA:FALSE']"),
    ({"usage": x509.KeyUsage(True, True, False, False, False, False, False, False, False)}, "key_usage is ['Digital Signature', 'Non Repudiation']"),
    ({"name": "evil.example.com"}, "subject_alt_name is ['DNS:evil.example.com'], expected ['DNS:web.example.com']"),
    ({"serial": 5}, "the serial 5 is not one of 65 to 159 bits"),
    ({"issuer": x509.Name([])}, "issuer_ordered is []"),
    ({"without": x509.SubjectKeyIdentifier}, "the subject key identifier is missing"),
    ({"without": x509.AuthorityKeyIdentifier}, "authority_key_identifier is None"),
    ({"more": [x509.OCSPNoCheck()]}, "extension 1.3.6.1.5.5.7.48.1.5 does not belong there"),
]


@pytest.mark.parametrize(("flaw", "problem"), FLAWS, ids=[problem[:40] for _flaw, problem in FLAWS])
def test_every_flaw_is_found(expected: Expected, flaw: dict[str, t.Any], problem: str) -> None:
    """Each with a sentence."""
    assert any(problem in found for found in lint(drafted(expected, **flaw), expected))


def test_an_end_after_the_issuer_s_is_found(expected: Expected) -> None:
    """With both times."""
    end = expected.not_before + timedelta(days=9999)
    assert any("after its issuer at" in found for found in lint(drafted(expected, end=end), replace(expected, not_after=end)))


def test_a_flaw_stops_the_signature(make_ca: t.Callable[..., EmbeddedIssuer], ask: t.Callable[..., CheckedRequest], now: datetime) -> None:
    """A serial that is too short is the flaw that a caller can make."""
    with pytest.raises(IssuerError, match="the certificate would not be what its profile says: the serial 5 is not one of 65 to 159 bits"):
        make_ca().issue(ask(), serial=5, now=now)
