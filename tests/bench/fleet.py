# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet of the bench: containers with systemd and nginx, reached by ssh, and the inventory of hosts for them."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import os
import pathlib
import secrets
import subprocess
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from measure import ROOT, STATE, BenchError

IMAGE = os.environ.get("IMAGE", "localhost/certops-fleet-bench:bookworm")
RUNTIME = os.environ.get("RUNTIME", "runc")
LABEL = f"certops.fleet.bench={os.getpid()}"
FILES = "/etc/nginx/tls"
GROUPS = pathlib.Path("/sys/fs/cgroup")
SERVER = """server {{
    listen 443 ssl;
    server_name {name};
    ssl_certificate {files}/site.pem;
    ssl_certificate_key {files}/site.key;
    return 200 "nginx\\n";
}}
"""
# Takes the name, the certificate and the key; leaves the host as before anybody rotated anything.
SET_BACK = """set -eu
rm -rf {files} /var/lib/certops
mkdir -p {files}
umask 077
printf %s "$2" >{files}/site.pem
printf %s "$3" >{files}/site.key
printf %s "$1" >/etc/nginx/conf.d/site.conf
systemctl reload-or-restart nginx
"""
Pair = tuple[str, str]


def podman(*argv: str, data: bytes | None = None) -> str:
    """Run podman; what it printed."""
    done = subprocess.run(["podman", *argv], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=180)
    if done.returncode:
        raise BenchError(f"podman {' '.join(argv[:3])} ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace").strip()


def certificate(name: str, *, days: int, authority: bool = False) -> Pair:
    """A self-signed certificate of which so many days are left, and its key, in PEM."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.timezone.utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=90)).not_valid_after(now + dt.timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    signed = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False).sign(key, hashes.SHA256())
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return signed.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


class Host:
    """One container."""

    def __init__(self, number: int) -> None:
        self.name = f"bench-{number:02}.example"
        self.container = f"certops-bench-{os.getpid()}-{number:02}"
        self.address = ""
        self.host_key = ""

    def start(self, public_key: str) -> None:
        """Start it and let the ssh key in."""
        limits = ["--ulimit=nofile=4096:4096", "--ulimit=nproc=8192:8192", "--systemd=always", "--cap-add=SYS_ADMIN", f"--runtime={RUNTIME}"]
        podman("run", "--detach", f"--name={self.container}", f"--hostname={self.name}", f"--label={LABEL}", *limits, IMAGE, "/sbin/init")
        self._wait_for_ssh()
        admit = (ROOT / "extensions/molecule/default/files/admit").read_bytes()
        podman("exec", "--interactive", self.container, "sh", "-s", "root", "none", public_key, data=admit)
        self.address = podman("inspect", "--format", "{{.NetworkSettings.IPAddress}}", self.container)
        self.host_key = podman("exec", self.container, "cut", "--delimiter", " ", "--fields", "1-2", "/etc/ssh/ssh_host_ed25519_key.pub")

    def _wait_for_ssh(self) -> None:
        end = time.monotonic() + 60
        while True:
            try:
                podman("exec", self.container, "systemctl", "is-active", "--quiet", "ssh")
                return
            except BenchError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.3)

    def processor(self) -> float:
        """Seconds of processor that everything in the container has used, by its control group."""
        group = podman("inspect", "--format", "{{.State.CgroupPath}}", self.container).lstrip("/")
        first = GROUPS / "cpuacct" / group / "cpuacct.usage"
        if first.exists():
            return int(first.read_text()) / 1e9
        second = dict(line.split() for line in (GROUPS / group / "cpu.stat").read_text().splitlines())
        return int(second["usage_usec"]) / 1e6

    def set_back(self, *, with_pair: bool) -> None:
        """Let nginx serve a certificate that is about to expire, as before anything was rotated. `with_pair` False: its files are gone."""
        script = SET_BACK.format(files=FILES) + ("" if with_pair else f"rm {FILES}/site.*\n")
        server = SERVER.format(name=self.name, files=FILES)
        podman("exec", "--interactive", self.container, "sh", "-s", server, *certificate(self.name, days=1), data=script.encode())


class Fleet:
    """Containers, and what the controller must know of them, below one folder."""

    def __init__(self, number: int) -> None:
        self.folder = STATE / "fleet"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.passphrase = secrets.token_urlsafe(24)
        self.hosts = [Host(one) for one in range(number)]
        key = self.folder / "ssh_key"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "certops-bench", "-f", str(key)], check=True)

    def start(self) -> None:
        """Start every container, and note its key."""
        public_key = (self.folder / "ssh_key.pub").read_text()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda host: host.start(public_key), self.hosts))
        known = "".join(f"{host.address} {host.host_key}\n" for host in self.hosts)
        (self.folder / "known_hosts").write_text(known)

    def processor(self) -> float:
        """Seconds of processor that all containers have used."""
        return sum(host.processor() for host in self.hosts)

    def set_back(self, *, with_pair: bool = True) -> None:
        """Set every host back, and forget the inventory of certificates."""
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda host: host.set_back(with_pair=with_pair), self.hosts))
        self.forget()

    def forget(self) -> None:
        """Remove the inventory of certificates."""
        for path in self.folder.glob("inventory.db*"):
            path.unlink()

    def inventory(self, names: int) -> pathlib.Path:
        """The file of hosts for Ansible: so many names for the containers, each of which has several where there are more names."""
        path = self.folder / f"hosts-{names}.json"
        hosts = {f"host-{number:03}": self._variables(host) for number, host in zip(range(names), itertools.cycle(self.hosts), strict=False)}
        issuer = {"name": "internal", "type": "embedded", "directory": str(self.folder / "ca"), "passphrase": self.passphrase}
        shared = {
            "ansible_user": "root",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": str(self.folder / "ssh_key"),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self.folder / 'known_hosts'} -o IdentitiesOnly=yes",
            "certops_inventory": f"sqlite:///{self.folder / 'inventory.db'}",
            "certops_issuers": [issuer],
            "certificate_force": True,
            "bench_ca": str(self.folder / "peer_ca"),
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps({"all": {"hosts": hosts, "vars": shared}}, indent=1))
        return path

    @staticmethod
    def _variables(host: Host) -> dict[str, t.Any]:
        declared = {"name": "site", "names": [host.name], "certificate_path": f"{FILES}/site.pem", "key_path": f"{FILES}/site.key"}
        return {"ansible_host": host.address, "bench_name": host.name, "certops_certificates": [declared]}

    def make_peer_ca(self) -> None:
        """The CA that the peer signs with."""
        folder = self.folder / "peer_ca"
        folder.mkdir(mode=0o700, exist_ok=True)
        for name, text in zip(("ca.pem", "ca.key"), certificate("Peer CA", days=3650, authority=True), strict=True):
            (folder / name).write_text(text)

    def remove(self) -> None:
        """Remove the containers of this process."""
        mine = podman("ps", "--all", "--quiet", "--filter", f"label={LABEL}").split()
        if mine:
            podman("rm", "--force", "--ignore", "--time", "0", *mine)
