# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declarations made of the rows of an inventory."""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import typing as t

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.certops.fleet.plugins.plugin_utils._adopt.declare import Adoption, adopt
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.certificates import certificate_rows, sha256_of
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.seen import Seen

NOW = 1780000000
START = dt.datetime.fromtimestamp(NOW, dt.timezone.utc) - dt.timedelta(days=10)
CN = x509.NameOID.COMMON_NAME
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
Row = dict[str, t.Any]


@functools.cache
def _der(*names: t.Any, subject: str = "www", issuer: str = "CA", usages: tuple[t.Any, ...] = (SERVER,), bits: int = 0, days: int = 90) -> bytes:
    key = rsa.generate_private_key(65537, bits) if bits else ec.generate_private_key(ec.SECP384R1())
    name, by = (x509.Name([x509.NameAttribute(CN, text)]) for text in (subject, issuer))
    builder = x509.CertificateBuilder(by, name, key.public_key(), x509.random_serial_number(), START, START + dt.timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _dns(*names: str) -> tuple[t.Any, ...]:
    return tuple(map(x509.DNSName, names))


WEB = _der(*_dns("www.example.com"))
CA = _der(subject="CA")
SELF_SIGNED = _der(*_dns("s.example.com"), subject="CA")
OLD = _der(*_dns("o.example.com"), days=1)
WILDCARD = _der(*_dns("*.example.com"))
MAIL = _der(x509.RFC822Name("a@example.com"))
UNDERSCORE = _der(*_dns("a_b.example.com"))
SIGNING = _der(*_dns("c.example.com"), usages=(ExtendedKeyUsageOID.CODE_SIGNING,))


def place(der: bytes, path: str = "/etc/tls/web.pem", **other: t.Any) -> Row:
    row, _names = certificate_rows(sha256_of(der), der)
    file = {"path": path, "entry": 0, "alias": "", "format": "pem", "class": "in_use", "owner": "root", "group": "root", "mode": "0644", "hard_links": 1}
    return {**row, "certificate": row["sha256"], **file, "links": [], "services": [], "key": None, "kept": None, **other}


def key(der: bytes, path: str = "/etc/tls/web.key", **other: t.Any) -> Row:
    facts = {"path": path, "links": [], "encrypted": False, "format": "pkcs8", "owner": "root", "group": "root", "mode": "0600", "kept": None}
    return {**facts, "spki": certificate_rows(sha256_of(der), der)[0]["spki"], **other}


def adopted(*rows: Row, declared: t.Sequence[Row] = (), uses: t.Sequence[Row] = (), takeover: bool = False) -> Adoption:
    """Places have a certificate or a reason, the others are keys."""
    places = tuple(row for row in rows if "class" in row)
    return adopt(Seen(places, tuple(row for row in rows if "class" not in row), tuple(uses)), declared, now=NOW, takeover=takeover)


def one(*rows: Row, **other: t.Any) -> Row:
    adoption = adopted(*rows, **other)
    assert adoption.not_adopted == []
    (item,) = adoption.declarations
    return item


def reason(*rows: Row, **other: t.Any) -> str:
    adoption = adopted(*rows, **other)
    assert adoption.declarations == []
    (told,) = adoption.not_adopted
    return told.reason


def test_a_pair() -> None:
    """Everything of it, not managed."""
    assert one(place(WEB, services=["nginx"]), key(WEB, group="ssl-cert", mode="0640")) == {
        "name": "www.example.com",
        "names": ["www.example.com"],
        "profile": "tls_server",
        "key_type": "ec",
        "key_size": 384,
        "certificate_path": "/etc/tls/web.pem",
        "key_path": "/etc/tls/web.key",
        "owner": "root",
        "mode": "0644",
        "key_mode": "0640",
        "services": ["nginx"],
        "managed": False,
    }


@pytest.mark.parametrize(
    ("usages", "services", "profile"),
    [
        ((SERVER,), [], "tls_server"),
        ((CLIENT,), ["nginx"], "tls_client"),
        ((CLIENT, SERVER), [], "tls_peer"),
        ((), ["nginx"], "tls_server"),
        ((), [], "tls_peer"),
    ],
)
def test_the_profile_follows_from_the_usages(usages: tuple[t.Any, ...], services: list[str], profile: str) -> None:
    """Without any the certificate may be used for all."""
    der = _der(*_dns("a.example.com"), usages=usages)
    assert one(place(der, services=services), key(der))["profile"] == profile


def test_names_and_key() -> None:
    """Canonical names, that of the subject first; a size that no profile allows is left out."""
    der = _der(*_dns("B.example.com", "a.example.com"), x509.IPAddress(ipaddress.ip_address("2001:db8::1")), subject="a.example.com", bits=1024)
    item = one(place(der), key(der))
    assert (item["names"], item["key_type"], "key_size" in item) == (["a.example.com", "b.example.com", "2001:db8::1"], "rsa", False)


def test_files_of_one_certificate() -> None:
    """One file of all; certificate and fullchain; a chain that a service names for it alone; the key that the service names."""
    both = one(place(WEB, "/etc/h/a.pem"), key(WEB, "/etc/h/a.pem", mode="0400"))
    assert (both["certificate_path"], both["key_path"], both["key_mode"], "mode" in both) == ("/etc/h/a.pem", "/etc/h/a.pem", "0400", False)
    full = [place(WEB, "/etc/tls/full.pem", mode="0600"), place(CA, "/etc/tls/full.pem", entry=1, mode="0600")]
    pair = one(place(WEB), *full, key(WEB))
    assert (pair["certificate_path"], pair["fullchain_path"], "mode" in pair) == ("/etc/tls/web.pem", "/etc/tls/full.pem", False)
    use = {"certificate": "/etc/web.pem", "chain": "/etc/chain.pem", "key": "/k/own.key"}
    rows = (place(WEB, links=["/etc/web.pem"]), place(CA, "/etc/chain.pem"), key(WEB), key(WEB, "/k/own.key"))
    item = one(*rows, uses=[use])
    assert (item["chain_path"], item["key_path"]) == ("/etc/chain.pem", "/k/own.key")
    shared = one(*rows, uses=[use, {"certificate": "/etc/other.pem", "chain": "/etc/chain.pem"}])
    assert "chain_path" not in shared


def test_names_of_declarations_are_unique() -> None:
    """Also beside those that there are."""
    ders = [_der(*_dns("www.example.com"), subject=str(number)) for number in range(3)]
    files = [row for number, der in enumerate(ders) for row in (place(der, f"/t/{number}/x.pem"), key(der, f"/t/{number}/x.key"))]
    adoption = adopted(*files, declared=[{"name": "www.example.com"}])
    assert [item["name"] for item in adoption.declarations] == ["www.example.com-x", "www.example.com-x-2", "www.example.com-x-3"]


def test_what_is_declared_is_left() -> None:
    """By its path or that of a link to it; another with the same key is told."""
    rows = (place(WEB, links=["/etc/link.pem"]), key(WEB))
    for path in ("/etc/tls/web.pem", "/etc/link.pem"):
        assert adopted(*rows, declared=[{"name": "x", "certificate_path": path}]) == Adoption()
    copy = place(WEB, "/opt/copy.pem", **{"class": "installed"})
    assert "belongs to '/etc/tls/web.pem' already" in reason(*rows, copy, declared=[{"name": "x", "certificate_path": "/etc/tls/web.pem"}])
    adoption = adopted(*rows, copy)
    assert [told.reason for told in adoption.not_adopted] == ["it is a copy of /etc/tls/web.pem, which is declared as 'www.example.com'"]


def test_other_renewers() -> None:
    """Only with takeover; of certbot the link is declared, because it makes a new file each time."""
    live = ["/etc/letsencrypt/live/w/cert.pem"]
    rows = (
        place(WEB, "/etc/letsencrypt/archive/w/cert1.pem", links=live, kept=("certbot", "w")),
        key(WEB, "/etc/letsencrypt/archive/w/privkey1.pem", links=["/etc/letsencrypt/live/w/privkey.pem"]),
    )
    assert reason(*rows) == "it is renewed by certbot (w): end that, and adopt it with takeover"
    item = one(*rows, takeover=True)
    assert (item["certificate_path"], item["key_path"], item["takeover"]) == (live[0], "/etc/letsencrypt/live/w/privkey.pem", True)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((place(WEB),), "no private key that fits it was found on the host"),
        ((place(WEB), key(WEB, encrypted=True)), "its private key in /etc/tls/web.key is encrypted"),
        ((place(WEB), key(WEB, format="pkcs12")), "its private key in /etc/tls/web.key is in the format 'pkcs12'"),
        ((place(WEB, format="jks"), key(WEB)), "its format is 'jks', and only PEM files are renewed in place"),
        (
            ({**dict.fromkeys(("services", "key", "kept")), "path": "/s", "links": [], "class": "in_use", "format": "jks", "reason": "no password"},),
            "it is a locked store of the format 'jks': no password",
        ),
        ((place(WEB, hard_links=2), key(WEB)), "its file has 2 names (hard links), of which a renewal would reach one"),
        ((place(WEB, "/t/.certops-web/current/web.pem"), key(WEB)), "it was put there by certops, and its declaration is gone: declare it under its old name"),
        ((place(WEB), place(_der(*_dns("b.example.com")), entry=1), key(WEB)), "its file holds 2 certificates that are not of CAs, and one is renewed"),
        ((place(CA), place(WEB, entry=1), key(CA)), "the certificate of a CA stands before its own in the file"),
        ((place(CA), key(CA)), "it is the certificate of a CA"),
        ((place(SELF_SIGNED), key(SELF_SIGNED)), "it is self-signed: who trusts it would not trust its successor"),
        ((place(OLD), key(OLD)), "it has expired"),
        (
            (place(WILDCARD), key(WILDCARD)),
            "its declaration.names[0] must not be a wildcard: profile 'tls_server' allows none, got '*.example.com'",
        ),
        ((place(MAIL), key(MAIL)), "it holds the name 'email:a@example.com', and only DNS names and addresses are issued"),
        ((place(UNDERSCORE), key(UNDERSCORE)), "name 'a_b.example.com': the label 'a_b' may have only letters, digits and inner hyphens"),
        (
            (place(SIGNING), key(SIGNING)),
            "no profile issues its extended key usage Code Signing",
        ),
        ((place(WEB, services=["{{ lookup('pipe', 'id') }}"]), key(WEB)), "\"{{ lookup('pipe', 'id') }}\" looks like a template to Ansible"),
        ((place(WEB, "/etc/{% x %}/a.pem"), key(WEB)), "'/etc/{% x %}/a.pem' looks like a template to Ansible"),
        (
            (place(WEB, "/etc/a\nb.pem"), key(WEB)),
            "its declaration.certificate_path must be an absolute path of a file, without '.', '..', '//' and line breaks, got '/etc/a\\nb.pem'",
        ),
        ((place(WEB[:200] + b"\0" * 50),), "the certificate cannot be read; no private key that fits it was found on the host"),
    ],
)
def test_reasons(rows: tuple[Row, ...], expected: str) -> None:
    """One sentence each."""
    assert reason(*rows) == expected


def test_trust_is_none_of_its_business() -> None:
    """Certificates of CAs without a key."""
    assert adopted(place(CA), place(CA, "/etc/ca2.pem")) == Adoption()
