# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The estate of the demo: three TLS services with certificates that somebody has forgotten, and the inventory that declares them."""

from __future__ import annotations

import datetime as dt
import os
import pathlib
import sys
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

HERE = pathlib.Path(__file__).resolve().parent
SERVER = str(HERE / "server.py")
PEM = serialization.Encoding.PEM


class Service(t.NamedTuple):
    """One service of the estate; C(days) is what is left of its first certificate."""

    name: str
    port: int
    names: tuple[str, ...]
    days: int
    rsa_bits: int | None
    combined: bool
    fault: str

    def certificate(self, folder: pathlib.Path) -> pathlib.Path:
        return folder / "estate" / self.name / ("combined.pem" if self.combined else "tls.pem")

    def key(self, folder: pathlib.Path) -> pathlib.Path:
        return self.certificate(folder) if self.combined else folder / "estate" / self.name / "tls.key"

    def pid_file(self, folder: pathlib.Path) -> pathlib.Path:
        return folder / "estate" / self.name / "pid"


SERVICES = (
    Service("shop", 18443, ("shop.demo.internal",), -3, None, False, "expired 3 days ago"),
    Service("mail", 18993, ("mail.demo.internal", "imap.demo.internal"), 4, None, False, "expires in 4 days"),
    Service("legacy", 18636, ("legacy.demo.internal",), 200, 1024, True, "RSA key of 1024 bits"),
)


def private_file(path: pathlib.Path, content: bytes) -> None:
    """A file that was 0600 before it had content."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(content)


def forgotten_pair(service: Service, now: dt.datetime) -> tuple[bytes, bytes]:
    """A self-signed certificate and its key as PEM, with the fault that the service has."""
    key = rsa.generate_private_key(65537, service.rsa_bits) if service.rsa_bits else ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, service.names[0])])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(days=361)).not_valid_after(now + dt.timedelta(days=service.days))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in service.names]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    key_pem = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(PEM), key_pem


def build(folder: pathlib.Path, now: dt.datetime) -> None:
    """The first time only: what a rotation has put there stays."""
    for service in SERVICES:
        certificate_path, key_path = service.certificate(folder), service.key(folder)
        if certificate_path.exists():
            continue
        certificate, key = forgotten_pair(service, now)
        if service.combined:
            private_file(certificate_path, key + certificate)
        else:
            private_file(key_path, key)
            private_file(certificate_path, certificate)


def _entry(service: Service, folder: pathlib.Path) -> dict[str, t.Any]:
    """The service entry, in the schema that users write for their own services."""
    files = [str(service.certificate(folder)), str(service.key(folder))]
    return {
        "name": service.name,
        "syntax": "declared",
        "pid_file": str(service.pid_file(folder)),
        "validate": [sys.executable, SERVER, "check", *files],
        "validates": "pair",
        "reload": "keeps_old_on_error",
        "reload_command": ["kill", "-HUP", "{pid}"],
        "uses": [{"certificate": files[0], "key": files[1], "names": list(service.names), "listeners": [0]}],
        "listeners": [{"address": "127.0.0.1", "port": service.port, "names": list(service.names), "protocol": "tls"}],
    }


def _declared(service: Service, folder: pathlib.Path) -> dict[str, t.Any]:
    return {"name": service.name, "names": list(service.names), "certificate_path": str(service.certificate(folder)), "key_path": str(service.key(folder))}


def variables(folder: pathlib.Path) -> dict[str, t.Any]:
    """The variables of the demo's only host."""
    passphrase = f"{{{{ lookup('ansible.builtin.file', '{folder}/ca.passphrase') }}}}"
    return {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "certops_environment": "demo",
        "certops_inventory": f"sqlite:///{folder}/inventory.db",
        "certops_issuers": [{"name": "internal", "type": "embedded", "directory": f"{folder}/ca", "passphrase": passphrase}],
        "certops_services": [_entry(service, folder) for service in SERVICES],
        "certops_certificates": [_declared(service, folder) for service in SERVICES],
        "ca_directory": f"{folder}/ca",
        "ca_passphrase": passphrase,
        "ca_common_name": "Demo",
        "report_path": f"{folder}/report",
    }
