# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import pathlib
import subprocess
import typing as t

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.certops.fleet.plugins.module_utils._host.x509.der import encode, integer, object_identifier
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.profiles import PROFILES
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.request import RequestError, Wanted, checked_request, request_template, wanted
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.settings import AuthoritySettingsError
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.subject import SubjectError
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.der import BIT_STRING, SEQUENCE
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.names import canonical_names

ECDSA_SHA256 = encode(SEQUENCE, object_identifier("1.2.840.10045.4.3.2"))
OID = x509.NameOID
EKU = x509.ExtendedKeyUsageOID


def host_joins(folder: pathlib.Path, subject: bytes, attributes: bytes) -> bytes:
    """What a host does with the template: its own key, and openssl for the signature."""
    key = folder / "host.key"
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key], check=True, capture_output=True)
    public = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
    content = encode(SEQUENCE, integer(0), subject, public, attributes)
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=content, check=True, capture_output=True).stdout
    return encode(SEQUENCE, content, ECDSA_SHA256, encode(BIT_STRING, b"\0" + signature))


def test_a_host_joins_the_template_with_its_key(tmp_path: pathlib.Path, openssl: t.Callable[..., str]) -> None:
    """openssl reads and verifies the request, and it passes the check."""
    names, subject = canonical_names(["Web.Example.com", "192.0.2.7"]), {"O": "Example Ltd", "countryName": "GB"}
    template = request_template(names, subject, PROFILES["tls_peer"], key_kind="ec")
    csr = host_joins(tmp_path, template.subject, template.attributes)
    text = openssl("req", "-inform", "DER", "-in", "input.der", "-verify", "-noout", "-text", der=csr)
    assert "self-signature verify OK" in text
    assert "Subject: C = GB, O = Example Ltd, CN = web.example.com" in text
    assert "DNS:web.example.com, IP Address:192.0.2.7" in text
    assert "TLS Web Server Authentication, TLS Web Client Authentication" in text
    assert "Key Usage: critical\n                    Digital Signature\n" in text
    checked = checked_request(csr, wanted(names, subject.items(), PROFILES["tls_peer"]))
    assert checked.key_kind == "ec"


def test_an_empty_subject_makes_the_names_critical(tmp_path: pathlib.Path, openssl: t.Callable[..., str]) -> None:
    """RFC 5280 section 4.2.1.6; addresses and long names are no common name."""
    for names in (["192.0.2.7"], ["a" * 60 + ".example.com"]):
        template = request_template(canonical_names(names), {}, PROFILES["tls_server"])
        text = openssl("req", "-inform", "DER", "-in", "input.der", "-noout", "-text", der=host_joins(tmp_path, template.subject, template.attributes))
        assert "Subject: \n" in text
        assert "Subject Alternative Name: critical" in text


def test_the_common_name_is_the_first_that_fits(want: t.Callable[..., Wanted]) -> None:
    """At most 64 characters."""
    fits = "b" * 52 + ".example.com"
    assert len(fits) == 64
    assert want("192.0.2.7", "a" * 53 + ".example.com", fits, "c.example.com").subject == (("commonName", fits),)


def test_the_digest_names_what_is_asked_for() -> None:
    """The same for the same, another for other names, subject, profile or order."""
    first = canonical_names(["a.example", "b.example"])
    digest = request_template(first, {}, PROFILES["tls_server"]).digest
    assert digest == request_template(first, {}, PROFILES["tls_server"]).digest
    others = [(first[:1], {}, "tls_server"), (first[::-1], {}, "tls_server"), (first, {"O": "x"}, "tls_server"), (first, {}, "tls_client")]
    assert len({request_template(names, subject, PROFILES[profile]).digest for names, subject, profile in others} | {digest}) == 5


@pytest.mark.parametrize(
    "make", [lambda: ec.generate_private_key(ec.SECP521R1()), lambda: rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate]
)
def test_keys_that_profiles_allow_pass(make_csr: t.Callable[..., bytes], want: t.Callable[..., Wanted], make: t.Callable[[], t.Any]) -> None:
    """EC, RSA and Ed25519."""
    key = make()
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA384()
    assert checked_request(make_csr(signer=key, algorithm=algorithm), want()).public_key == key.public_key()


def test_what_the_profile_has_may_be_asked_for(make_csr: t.Callable[..., bytes], want: t.Callable[..., Wanted]) -> None:
    """All of it, or less."""
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    asked = [x509.BasicConstraints(ca=False, path_length=None), usage, x509.ExtendedKeyUsage([EKU.SERVER_AUTH])]
    assert checked_request(make_csr(extensions=asked), want())
    assert checked_request(make_csr(extensions=asked), want(profile="tls_peer"))


def test_names_are_compared_in_their_canonical_form(make_csr: t.Callable[..., bytes], want: t.Callable[..., Wanted]) -> None:
    """Order, case and the trailing dot do not matter; the certificate gets the declared form."""
    csr = make_csr(names=[x509.IPAddress(ipaddress.ip_address("192.0.2.7")), x509.DNSName("WEB.example.com.")])
    assert checked_request(csr, want("web.example.com", "192.0.2.7")).wanted.names == want("web.example.com", "192.0.2.7").names


def usage(**asked: bool) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")
    return x509.KeyUsage(**{name: asked.get(name, False) for name in names}, encipher_only=False, decipher_only=False)


ASKS_TOO_MUCH: list[tuple[dict[str, t.Any], str]] = [
    ({"extensions": [x509.BasicConstraints(ca=True, path_length=None)]}, "it asks to be a CA, profile 'tls_server' issues none"),
    (
        {"extensions": [x509.ExtendedKeyUsage([EKU.CODE_SIGNING])]},
        "it asks for the extended key usage 'Code Signing', which profile 'tls_server' does not have",
    ),
    ({"extensions": [x509.ExtendedKeyUsage([EKU.SERVER_AUTH, EKU.CLIENT_AUTH])]}, "it asks for the extended key usage 'TLS Web Client Authentication'"),
    ({"extensions": [usage(key_cert_sign=True)]}, "it asks for the key usage 'key_cert_sign'"),
    (
        {"extensions": [usage(key_encipherment=True)]},
        "it asks for the key usage 'key_encipherment', which profile 'tls_server' does not have for a key of the kind 'ec'",
    ),
    ({"extensions": [x509.OCSPNoCheck()]}, "it asks for the extension 1.3.6.1.5.5.7.48.1.5"),
    ({"extensions": [x509.NameConstraints([x509.DNSName("x")], None)]}, "it asks for the extension 2.5.29.30"),
    ({"names": [x509.DNSName("web.example.com"), x509.DNSName("evil.example.com")]}, "it asks for the name 'evil.example.com', which is not declared"),
    ({"names": [x509.DNSName("web.example.com"), x509.DNSName("*.example.com")]}, "wildcards are not allowed here"),
    ({"names": [x509.DNSName("web.example.com"), x509.DNSName("192.0.2.1")]}, "it asks for the address '192.0.2.1' as a DNS name"),
    ({"names": [x509.DNSName("web.example.com"), x509.RFC822Name("a@b.c")]}, "it asks for a name of the kind RFC822Name"),
    ({"names": [x509.IPAddress(ipaddress.ip_network("192.0.2.0/24"))]}, "request: name '192.0.2.0/24'"),
    ({"names": [x509.DNSName("{{ x }}")]}, "may have only letters, digits and inner hyphens"),
    ({"names": []}, "it has no subject alternative name"),
    ({"subject": [(OID.COMMON_NAME, "other.example.com")]}, "its subject is 'commonName=other.example.com', it must be 'commonName=web.example.com'"),
    ({"subject": []}, "its subject is '(empty)', it must be 'commonName=web.example.com'"),
    (
        {"subject": [(OID.ORGANIZATION_NAME, "Bank"), (OID.COMMON_NAME, "web.example.com")]},
        "its subject is 'organizationName=Bank, commonName=web.example.com'",
    ),
]


@pytest.mark.parametrize(("asked", "message"), ASKS_TOO_MUCH, ids=[message[:45] for _asked, message in ASKS_TOO_MUCH])
def test_a_request_that_asks_for_more_is_refused(
    make_csr: t.Callable[..., bytes], want: t.Callable[..., Wanted], asked: dict[str, t.Any], message: str
) -> None:
    """With the reason."""
    with pytest.raises(RequestError) as caught:
        checked_request(make_csr(**asked), want())
    assert message in str(caught.value)
    assert str(caught.value).startswith("request: ")


def test_a_request_without_a_declared_name_is_refused(make_csr: t.Callable[..., bytes], want: t.Callable[..., Wanted]) -> None:
    """Its certificate would be due again at once."""
    with pytest.raises(RequestError, match=r"it does not ask for the declared name '192.0.2.7'"):
        checked_request(make_csr(), want("web.example.com", "192.0.2.7"))


BAD_KEYS: list[tuple[t.Callable[[], t.Any], str]] = [
    (lambda: rsa.generate_private_key(65537, 1024), "does not allow an RSA key of 1024 bits"),
    (lambda: rsa.generate_private_key(65537, 2052), "does not allow an RSA key of 2052 bits"),
    (lambda: rsa.generate_private_key(3, 2048), "the RSA exponent must be odd and at least 65537, got 3"),
    (lambda: ec.generate_private_key(ec.SECP256K1()), "does not allow the curve 'secp256k1'"),
    (lambda: ec.generate_private_key(ec.SECP224R1()), "does not allow the curve 'secp224r1'"),
    (lambda: dsa.generate_private_key(2048), "does not allow a key of the kind DSAPublicKey"),
    (ed448.Ed448PrivateKey.generate, "does not allow a key of the kind Ed448PublicKey"),
]


@pytest.mark.parametrize(("make", "message"), BAD_KEYS, ids=[message for _make, message in BAD_KEYS])
def test_a_weak_or_foreign_key_is_refused(make_csr: t.Callable[..., bytes], want: t.Callable[..., Wanted], make: t.Callable[[], t.Any], message: str) -> None:
    """With what is allowed."""
    key = make()
    with pytest.raises(RequestError) as caught:
        checked_request(make_csr(signer=key, algorithm=None if isinstance(key, ed448.Ed448PrivateKey) else hashes.SHA256()), want())
    assert message in str(caught.value)


def test_sha_1_is_refused(tmp_path: pathlib.Path, openssl: t.Callable[..., str], want: t.Callable[..., Wanted]) -> None:
    """Signed by openssl, because cryptography makes none."""
    options = ["-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=web.example.com", "-addext", "subjectAltName=DNS:web.example.com"]
    openssl("req", "-new", "-sha1", *options, "-outform", "DER", "-out", "sha1.csr")
    with pytest.raises(RequestError, match="it is signed with sha1, accepted are sha256, sha384, sha512"):
        checked_request((tmp_path / "sha1.csr").read_bytes(), want())


def test_a_challenge_password_is_refused(tmp_path: pathlib.Path, openssl: t.Callable[..., str], want: t.Callable[..., Wanted]) -> None:
    """Only an extension request is an attribute that means something here."""
    (tmp_path / "c.cnf").write_text("[req]\nprompt=no\ndistinguished_name=d\nattributes=a\n[d]\nCN=web.example.com\n[a]\nchallengePassword=secret\n")
    openssl("req", "-new", "-config", "c.cnf", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-outform", "DER", "-out", "c.csr")
    with pytest.raises(RequestError, match=r"it has the attribute '1.2.840.113549.1.9.7'") as caught:
        checked_request((tmp_path / "c.csr").read_bytes(), want())
    assert "secret" not in str(caught.value)


def test_a_signature_of_another_key_is_refused(make_csr: t.Callable[..., bytes], want: t.Callable[..., Wanted]) -> None:
    """Who asks must hold the key."""
    csr = bytearray(make_csr())
    csr[-1] ^= 1
    with pytest.raises(RequestError, match="its signature was not made with its key"):
        checked_request(bytes(csr), want())


def test_a_signature_with_unused_bits_is_refused(make_csr: t.Callable[..., bytes], want: t.Callable[..., Wanted]) -> None:
    """Nobody writes one so; a library that passes over it would take one request in two forms."""
    csr = bytearray(make_csr(signer=ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)), algorithm=None))
    assert csr[-65] == 0
    csr[-65] = 1
    with pytest.raises(RequestError, match="its signature has unused bits"):
        checked_request(bytes(csr), want())


@pytest.mark.parametrize("csr", [b"", b"garbage", b"\x30\x00", bytes(70_000)], ids=["nothing", "garbage", "empty", "too long"])
def test_what_is_no_request_is_refused(want: t.Callable[..., Wanted], csr: bytes) -> None:
    """One sentence."""
    with pytest.raises(RequestError, match=r"^request: it "):
        checked_request(csr, want())


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_damaged_request_is_refused(make_csr: t.Callable[..., bytes], want: t.Callable[..., Wanted], data: st.DataObject) -> None:
    """Any byte changed: a RequestError and nothing else."""
    csr = bytearray(make_csr(signer=ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)), algorithm=None))
    position = data.draw(st.integers(0, len(csr) - 1))
    csr[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(RequestError):
        checked_request(bytes(csr), want())


@pytest.mark.parametrize(
    ("names", "subject", "error", "message"),
    [
        ([], {}, RequestError, "names: a certificate needs at least one DNS name or address"),
        ([f"n{index}.example" for index in range(101)], {}, RequestError, "names: profile 'tls_server' allows 100 names, got 101"),
        (["*.example.com"], {}, RequestError, "names: profile 'tls_server' does not allow the wildcard '*.example.com'"),
        (["a.example"], {"CN": "x"}, SubjectError, "the common name is taken from the certificate's names"),
        (["a.example"], {"emailAddress": "x"}, SubjectError, "profile 'tls_server' does not allow the attribute 'emailAddress'"),
        (["a.example"], {"O": "x", "organizationName": "y"}, SubjectError, "the attribute 'organizationName' is given twice"),
        (["a.example"], {"C": "gb"}, SubjectError, "the country is two capital letters (ISO 3166), got 'gb'"),
        (["a.example"], {"O": "x" * 65}, AuthoritySettingsError, "subject.O must be 1 to 64 characters"),
        (["a.example"], {"O": "a\nb"}, AuthoritySettingsError, "subject.O may not have control characters or line breaks, got 'a\\nb'"),
        (["a.example"], {"O": " "}, AuthoritySettingsError, "subject.O must be 1 to 64 characters without spaces at its ends"),
    ],
)
def test_what_a_profile_does_not_have_cannot_be_wanted(names: list[str], subject: dict[str, str], error: type[ValueError], message: str) -> None:
    """Before any host is asked."""
    with pytest.raises(error) as caught:
        wanted(canonical_names(names, wildcard=True), subject.items(), PROFILES["tls_server"])
    assert message in str(caught.value)
