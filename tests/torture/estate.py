# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services, how their files lie, and the controller's side: an inventory of the harness's own and the playbooks as a user runs them."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import pathlib
import re
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import typing as t
from dataclasses import dataclass, field

from container import WRAPPER, Container, TortureError, fingerprint
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

ROOT = pathlib.Path(__file__).resolve().parents[2]
STATE = ROOT / ".build" / "torture"
BIN = pathlib.Path(sys.executable).parent

UNITS = {"nginx": "nginx", "apache": "apache2", "haproxy": "haproxy"}
NGINX = """server {{
    listen 443 ssl;
    server_name {name} *.{name};
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    return 200 "nginx\\n";
}}
"""
APACHE = """<VirtualHost *:443>
    ServerName {name}
    SSLEngine on
    SSLCertificateFile {certificate}
    SSLCertificateKeyFile {key}
</VirtualHost>
"""
HAPROXY = """global
    user haproxy
    group haproxy
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend site
    bind :443 ssl crt {folder}/
    http-request return status 200 content-type text/plain string haproxy
"""
CONFIGURATION = {
    "nginx": ("/etc/nginx/conf.d/site.conf", NGINX),
    "apache": ("/etc/apache2/sites-enabled/site.conf", APACHE),
    "haproxy": ("/etc/haproxy/haproxy.cfg", HAPROXY),
}


@dataclass(frozen=True)
class Scenario:
    """A service and how its files lie. `atomic`: key and certificate change in one step, so that they match at every instant."""

    service: str
    kind: str
    certificate: str
    key: str
    layout: str = "auto"  # of the installation that is tortured
    first: str = "auto"  # of the one before
    atomic: bool = False

    @property
    def host(self) -> str:
        return re.sub("[^a-z]+", "-", f"{self.service}-{self.kind}")

    @property
    def name(self) -> str:
        return f"{self.host}.torture.example"

    @property
    def unit(self) -> str:
        return UNITS[self.service]

    @property
    def folders(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(os.path.dirname(path) for path in (self.certificate, self.key)))

    @property
    def declared(self) -> dict[str, t.Any]:
        return {"name": "site", "names": [self.name], "certificate_path": self.certificate, "key_path": self.key}


def scenarios() -> tuple[Scenario, ...]:
    """Every service with every layout that applies to it."""
    found = []
    for service, folder in (("nginx", "/etc/nginx/tls"), ("apache", "/etc/apache2/tls")):
        one = (f"{folder}/site.pem", f"{folder}/site.key")
        found += [
            Scenario(service, "in place, two folders", f"{folder}/site.pem", f"{folder}-private/site.key"),
            Scenario(service, "in place, one folder", *one),
            Scenario(service, "combined", f"{folder}/site.pem", f"{folder}/site.pem", atomic=True),
            Scenario(service, "link", *one, layout="link", first="link", atomic=True),
            Scenario(service, "plain to link", *one, layout="link"),
            Scenario(service, "exchange", *one, layout="exchange", atomic=True),
        ]
    pem = "/etc/haproxy/certs/site.pem"
    found += [
        Scenario("haproxy", "in place, one folder", pem, pem + ".key"),
        Scenario("haproxy", "combined", pem, pem, atomic=True),
        Scenario("haproxy", "link", pem, pem, layout="link", first="link", atomic=True),
        Scenario("haproxy", "exchange", pem, pem, layout="exchange", atomic=True),
    ]
    return tuple(found)


def pair(name: str, *, key_type: str = "ec", days: int = 1, serial: int | None = None) -> tuple[str, str]:
    """A self-made certificate of 90 days of which so many are left, and its key, both in PEM."""
    key = rsa.generate_private_key(65537, 2048) if key_type == "rsa" else ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.timezone.utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(serial or x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(days=90 - days)).not_valid_after(now + dt.timedelta(days=days))
    certificate = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False).sign(key, hashes.SHA256())
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), text.decode()


@dataclass
class Host:
    """A scenario in its container."""

    scenario: Scenario
    container: Container
    variables: dict[str, t.Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.scenario.host

    def on_disk(self) -> str | None:
        """SHA-256 of the certificate that lies in place."""
        return fingerprint(self.container.read(self.scenario.certificate))

    def served(self) -> str | None:
        """SHA-256 of the certificate that is served to the outside."""
        return self.container.served(self.scenario.name)

    def put_pair(self, certificate: str, key: str) -> None:
        """Put a pair in place."""
        scenario = self.scenario
        if scenario.certificate == scenario.key:
            self.container.write(scenario.key, certificate + key, 0o600)
        else:
            self.container.write(scenario.certificate, certificate)
            self.container.write(scenario.key, key, 0o600)

    def set_up(self) -> None:
        """Configure the service, with an old pair of its own, and start it."""
        scenario = self.scenario
        self.put_pair(*pair(scenario.name))
        path, text = CONFIGURATION[scenario.service]
        folder = os.path.dirname(scenario.certificate)
        self.container.write(path, text.format(name=scenario.name, certificate=scenario.certificate, key=scenario.key, folder=folder))
        if scenario.service == "apache":
            self.container.sh("a2enmod --quiet ssl")
        self.container.sh(f"systemctl start {scenario.unit}")


class Estate:
    """Hosts, and the controller's files for them below one folder."""

    def __init__(self, label: str) -> None:
        self.folder = STATE / label
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700, parents=True)
        self.sockets = tempfile.mkdtemp(prefix="certops-torture-")
        self.hosts: dict[str, Host] = {}
        self.passphrase = secrets.token_urlsafe(24)
        self.variables: dict[str, t.Any] = {"certificate_force": True}
        (self.folder / "ansible.cfg").touch()
        key = self.folder / "ssh_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "certops-torture", "-f", str(key)], check=True)

    @property
    def database(self) -> pathlib.Path:
        return self.folder / "inventory.db"

    def add(self, scenario: Scenario, options: t.Sequence[str] = ("--cap-add", "SYS_ADMIN")) -> Host:
        """Start a container for a scenario and set it up."""
        host = Host(scenario, Container(scenario.host, options))
        self.hosts[host.name] = host
        host.container.start((self.folder / "ssh_key.pub").read_text().strip())
        host.set_up()
        return host

    def close(self) -> None:
        """Remove the containers."""
        for host in self.hosts.values():
            host.container.remove()
        for socket in pathlib.Path(self.sockets).glob("*"):
            subprocess.run(["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "torture"], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.sockets, ignore_errors=True)

    def write_inventory(self) -> pathlib.Path:
        """Write inventory and known hosts as they are now."""
        hosts = {
            host.name: {"ansible_host": host.container.address, "certops_certificates": [host.scenario.declared], **host.variables}
            for host in self.hosts.values()
        }
        known = "".join(f"{host.container.address} {host.container.host_key}\n" for host in self.hosts.values())
        (self.folder / "known_hosts").write_text(known)
        path = self.folder / "hosts.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({"torture": {"hosts": hosts, "vars": self._common()}}, indent=2))
        return path

    def _common(self) -> dict[str, t.Any]:
        ca = str(self.folder / "ca")
        options = f"-o UserKnownHostsFile={self.folder / 'known_hosts'} -o IdentitiesOnly=yes -o ConnectTimeout=10"
        return {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.folder / "ssh_key"),
            "ansible_ssh_common_args": options,
            "ansible_python_interpreter": WRAPPER,
            "certops_environment": "torture",
            "certops_inventory": f"sqlite:///{self.database}",
            "certops_issuers": [{"name": "internal", "type": "embedded", "directory": ca, "passphrase": self.passphrase}],
            **self.variables,
        }

    def command(self, playbook: str, *arguments: str) -> list[str]:
        """The command of a playbook."""
        return [str(BIN / "ansible-playbook"), "-i", str(self.write_inventory()), f"certops.fleet.{playbook}", *arguments]

    def environment(self) -> dict[str, str]:
        """What it runs with: no settings of the user's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        own = {"ANSIBLE_HOME": str(self.folder / "ansible"), "ANSIBLE_SSH_CONTROL_PATH_DIR": self.sockets, "ANSIBLE_FORKS": "4", "ANSIBLE_NOCOLOR": "1"}
        return {**kept, **own, "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"), "ANSIBLE_NOCOWS": "1", "LC_ALL": "C.UTF-8"}

    def play(self, playbook: str, *arguments: str, seconds: int = 900) -> Played:
        """Run a playbook as a user does."""
        command = self.command(playbook, *arguments)
        done = subprocess.run(command, env=self.environment(), cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
        played = Played(done.returncode, done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace"))
        if "PRIVATE KEY" in played.output:
            raise TortureError(f"{playbook} printed a private key")
        return played

    def create_ca(self) -> None:
        """Make the internal CA."""
        ca = {"ca_directory": str(self.folder / "ca"), "ca_passphrase": self.passphrase}
        path = self.folder / "ca.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({**ca, "certops_inventory": f"sqlite:///{self.database}"}))
        played = self.play("create_ca", "--extra-vars", f"@{path}")
        if played.code:
            raise TortureError(f"create_ca ended with {played.code}:\n{played.output}")

    def sign_again(self, text: str) -> str:
        """The first certificate of a PEM text with another serial number and all else the same, its size included; what follows it stays."""
        old = x509.load_pem_x509_certificate(text.encode())
        key = serialization.load_pem_private_key((self.folder / "ca" / "issuing.key").read_bytes(), self.passphrase.encode())
        head, end, rest = text.partition("-----END CERTIFICATE-----\n")
        length = old.serial_number.bit_length()
        builder = x509.CertificateBuilder().subject_name(old.subject).issuer_name(old.issuer).public_key(old.public_key())
        builder = builder.not_valid_before(old.not_valid_before_utc).not_valid_after(old.not_valid_after_utc)
        for extension in old.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        while True:  # an ECDSA signature has one of several sizes
            serial = secrets.randbits(length - 1) | 1 << (length - 1)
            new = builder.serial_number(serial).sign(t.cast("ec.EllipticCurvePrivateKey", key), old.signature_hash_algorithm)
            pem = new.public_bytes(serialization.Encoding.PEM).decode()
            if len(pem) == len(head + end):
                return pem + rest

    def rows(self, sql: str, *values: t.Any) -> list[tuple[t.Any, ...]]:
        """What the inventory says."""
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            return database.execute(sql, values).fetchall()

    def issuances(self, host: str) -> list[tuple[str, str | None, str | None]]:
        """State, certificate and transaction of every issuance of a host, the oldest first."""
        sql = 'select i.state, i.certificate, i."transaction" from issuances i join hosts h on h.id = i.host_id where h.name = ? order by i.id'
        return t.cast("list[tuple[str, str | None, str | None]]", self.rows(sql, host))

    def keep_inventory(self, label: str) -> None:
        """Copy the inventory aside."""
        with contextlib.closing(sqlite3.connect(self.database)) as database, contextlib.closing(sqlite3.connect(self.folder / f"{label}.db")) as copy:
            database.backup(copy)

    def put_inventory_back(self, label: str) -> None:
        """Make it what it was."""
        with contextlib.closing(sqlite3.connect(self.folder / f"{label}.db")) as copy, contextlib.closing(sqlite3.connect(self.database)) as database:
            copy.backup(database)


@dataclass(frozen=True)
class Played:
    """What a playbook said."""

    code: int
    output: str

    def recap(self, host: str) -> dict[str, int]:
        """The numbers of a host's line at the end, empty when there is none."""
        match = re.search(rf"(?m)^{re.escape(host)} +: (.*)$", self.output)
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", match[1])} if match else {}

    def failed(self, host: str) -> bool:
        """Did it fail, or was not reached?"""
        recap = self.recap(host)
        return not recap or bool(recap["failed"] or recap["unreachable"])
