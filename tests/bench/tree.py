# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree that discoveries are measured on: copies of this machine's folders, 1,000 files of certificates of five kinds, 50,000 of anything else."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import pathlib
import random
import shutil
import struct
import subprocess
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CERTIFICATES = 1000
OTHERS = 50000
SYSTEM = (("/etc", "etc"), ("/usr/share/ca-certificates", "usr/share/ca-certificates"), ("/usr/lib/python3", "usr/lib/python3"))
FOLDERS = (
    *(f"etc/ssl/{name}" for name in ("certs", "private", "site", "web/a", "web/b")),
    *(f"opt/app{number}/conf{below}" for number in range(30) for below in ("", "/tls")),
    *(f"srv/s{number}/data/tls" for number in range(40)),
    *("etc/pki/tls/certs", "etc/haproxy/certs", "etc/nginx/ssl"),
)
# Of a hundred certificates so many are stored as this kind, with one of these endings.
KINDS = ((60, "pem", ("pem", "crt", "cert")), (15, "bundle", ("pem", "bundle")), (15, "der", ("der", "cer")), (8, "pkcs12", ("p12",)), (2, "jks", ("jks",)))
PASSWORD = "changeit"
TEXT, BINARY = ("txt", "log", "conf", "js", "html", "yml"), ("bin", "png", "so", "gz")
GREATEST = 4 << 20

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Authority(t.NamedTuple):
    """A CA of the tree."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def build(folder: pathlib.Path) -> None:
    """Build the tree and beside it the list of its certificate files; a whole one that is there stays."""
    listed = folder / "certificates.txt"
    if listed.exists():
        return
    tree = folder / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(mode=0o700, parents=True)  # copies of /etc hold what others may not read
    for source, target in SYSTEM:
        if os.path.exists(source):
            (tree / target).parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "--archive", source, str(tree / target)], check=True)
    chance = random.Random(7)
    paths = certificates(tree, chance)
    others(tree, chance)
    listed.write_text("".join(f"{path}\n" for path in paths))


def certificates(tree: pathlib.Path, chance: random.Random) -> list[pathlib.Path]:
    """Write the files of certificates; the kinds alternate over both kinds of key."""
    root = _authority("Bench Root", None)
    issuing = _authority("Bench Issuing", root)
    paths = []
    for number in range(CERTIFICATES):
        key: Key = rsa.generate_private_key(65537, 2048) if number % 2 else ec.generate_private_key(ec.SECP256R1())
        kind, endings = kind_of(number // 2 % 100)
        path = tree / chance.choice(FOLDERS) / f"service{number:04}.{chance.choice(endings)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(kind, _leaf(number, key, issuing), key, (issuing.certificate, root.certificate)))
        paths.append(path)
    return paths


def kind_of(share: int) -> tuple[str, tuple[str, ...]]:
    """The kind of the certificate with this number among a hundred."""
    for count, kind, endings in KINDS:
        if share < count:
            return kind, endings
        share -= count
    raise ValueError(f"a share of a hundred must be below 100, got {share + 100!r}")


def content(kind: str, leaf: x509.Certificate, key: Key, chain: tuple[x509.Certificate, ...]) -> bytes:
    """What a file of this kind holds."""
    if kind == "pkcs12":
        return pkcs12.serialize_key_and_certificates(b"a", key, leaf, chain, serialization.BestAvailableEncryption(PASSWORD.encode()))
    if kind == "der":
        return leaf.public_bytes(serialization.Encoding.DER)
    if kind == "jks":
        return keystore(leaf.public_bytes(serialization.Encoding.DER))
    pem = leaf.public_bytes(serialization.Encoding.PEM)
    if kind == "pem":
        return pem
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private + pem + b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)


def keystore(der: bytes) -> bytes:
    """A keystore of Java's first kind with one trusted certificate: magic, version 2, entries, and a SHA-1 keyed by the password."""

    def text(value: str) -> bytes:
        return struct.pack(">H", len(value)) + value.encode()

    stored = struct.pack(">III", 0xFEEDFEED, 2, 1) + struct.pack(">I", 2) + text("a") + struct.pack(">Q", 0) + text("X.509") + struct.pack(">I", len(der)) + der
    return stored + hashlib.sha1(PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + stored).digest()


def others(tree: pathlib.Path, chance: random.Random) -> None:
    """Write files that hold no certificate: sizes around 4 KiB with a long tail, seven of ten are text, a hundred in a folder."""
    words = [bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 10))) for _number in range(5000)]
    text = b"\n".join(b" ".join(chance.choices(words, k=chance.randint(3, 14))) for _number in range(120000))
    binary = os.urandom(8 << 20)
    for number in range(OTHERS):
        size = min(int(4096 * chance.lognormvariate(0, 1.8)), GREATEST)
        source, endings = (text, TEXT) if chance.random() < 0.7 else (binary, BINARY)
        begin, group = chance.randrange(max(1, len(source) - size)), number // 100
        folder = tree / (f"srv/data/{group % 25}/{group}" if group % 2 else f"opt/app{group % 30}/share/{group}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}.{chance.choice(endings)}").write_bytes(source[begin : begin + size])


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Bench"), x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: Key, days: tuple[int, int]) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(days=days[0])).not_valid_after(now + dt.timedelta(days=days[1]))
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _authority(common_name: str, above: Authority | None) -> Authority:
    key, subject = ec.generate_private_key(ec.SECP384R1()), _name(common_name)
    builder = _builder(subject, above.certificate.subject if above else subject, key, (1000, 3650))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return Authority(builder.sign(above.key if above else key, hashes.SHA256()), key)


def _leaf(number: int, key: Key, issuing: Authority) -> x509.Certificate:
    name = f"service{number:04}.bench.example"
    builder = _builder(_name(name), issuing.certificate.subject, key, (30 + number % 300, number * 7 % 397 - 20))
    names = [x509.DNSName(name), x509.DNSName(name.split(".", 1)[0]), x509.DNSName(f"www.{name}")]
    usages = dict.fromkeys(("content_commitment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
    usage = x509.KeyUsage(digital_signature=True, key_encipherment=bool(number % 2), **usages)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False).add_extension(usage, critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuing.key.public_key()), critical=False)
    return builder.sign(issuing.key, hashes.SHA256())
