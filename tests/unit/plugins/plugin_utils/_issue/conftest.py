# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CA in a temporary folder, requests as a host makes them, and the openssl and certtool that look at the results."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.certops.fleet.plugins.plugin_utils._issue.create import ensure_authority
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.embedded import EmbeddedIssuer
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.profiles import PROFILES
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.provider import IssuerSettings
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.request import Wanted, wanted
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.settings import authority_settings
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.names import canonical_names

PASSPHRASE = b"correct horse battery"
NOW = datetime.now(timezone.utc).replace(microsecond=0)
OPTIONS: dict[str, t.Any] = {
    "common_name": "Test",
    "organization": "Example Ltd",
    "root_key_type": "ecdsa_p384",
    "issuing_key_type": "ecdsa_p256",
    "root_lifetime_days": 3650,
    "issuing_lifetime_days": 1825,
}


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def passphrase() -> bytes:
    return PASSPHRASE


@pytest.fixture
def make_ca(tmp_path: pathlib.Path) -> t.Callable[..., EmbeddedIssuer]:
    """A function that makes a CA with other options than the usual ones, in a folder of that name."""

    def make(name: str = "internal", made: datetime = NOW, **options: t.Any) -> EmbeddedIssuer:
        directory = str(tmp_path / name)
        ensure_authority(authority_settings({**OPTIONS, **options}, directory), PASSPHRASE, now=made)
        return EmbeddedIssuer(IssuerSettings(name, "embedded", directory, PASSPHRASE))

    return make


@pytest.fixture(scope="session")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def want() -> t.Callable[..., Wanted]:
    """A function that gives what is wanted of a certificate."""

    def make(*names: str, profile: str = "tls_server", **subject: str) -> Wanted:
        return wanted(canonical_names(names or ("web.example.com",), wildcard=True), subject.items(), PROFILES[profile])

    return make


@pytest.fixture
def make_csr(key: ec.EllipticCurvePrivateKey) -> t.Callable[..., bytes]:
    """A function that signs a request (DER) with these extensions and attributes of the subject."""

    def make(
        names: t.Sequence[x509.GeneralName] = (x509.DNSName("web.example.com"),),
        subject: t.Sequence[tuple[x509.ObjectIdentifier, str]] = ((x509.NameOID.COMMON_NAME, "web.example.com"),),
        extensions: t.Sequence[x509.ExtensionType] = (),
        signer: t.Any = key,
        algorithm: t.Any = hashes.SHA256(),  # noqa: B008
    ) -> bytes:
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([x509.NameAttribute(oid, value) for oid, value in subject]))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not subject)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(signer, algorithm).public_bytes(serialization.Encoding.DER)

    return make


@pytest.fixture
def openssl(tmp_path: pathlib.Path) -> t.Callable[..., str]:
    """A function that runs openssl and gives what it prints; DER that it is given lies in `input.der`."""

    def run(*arguments: str, der: bytes = b"", code: int = 0) -> str:
        (tmp_path / "input.der").write_bytes(der)
        finished = subprocess.run(["openssl", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert finished.returncode == code, finished.stderr
        return finished.stdout + finished.stderr

    return run


@pytest.fixture
def verify(openssl: t.Callable[..., str], tmp_path: pathlib.Path) -> t.Callable[..., str]:
    """A function that has openssl verify a certificate (DER) against a CA's folder, strictly and at a time."""

    def run(issuer: EmbeddedIssuer, der: bytes, purpose: str = "sslserver", at: datetime = NOW + timedelta(minutes=1), code: int = 0) -> str:
        pem = tmp_path / "leaf.pem"
        pem.write_bytes(x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM))
        folder = issuer.settings.directory
        options = ["-x509_strict", "-check_ss_sig", "-purpose", purpose, "-attime", str(int(at.timestamp()))]
        return openssl("verify", *options, "-CAfile", f"{folder}/root.pem", "-untrusted", f"{folder}/issuing.pem", str(pem), code=code)

    return run


@pytest.fixture
def certtool() -> t.Callable[..., str]:
    """A function that has GnuTLS verify a PEM chain against a root."""
    program = shutil.which("certtool")
    if program is None:
        pytest.skip("certtool (Debian: gnutls-bin) is not installed")

    def run(chain: bytes, root: str) -> str:
        finished = subprocess.run(
            [program, "--verify", "--verify-profile", "medium", "--load-ca-certificate", root], input=chain, capture_output=True, check=False
        )
        return finished.stdout.decode()

    return run
