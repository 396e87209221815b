# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers with systemd, ssh and a hand inside, and what they serve, seen from outside."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import pathlib
import socket
import ssl
import subprocess
import time
import typing as t

HERE = pathlib.Path(__file__).resolve().parent
IMAGE = os.environ.get("IMAGE", "localhost/certops-fleet:bookworm")
RUNTIME = os.environ.get("RUNTIME", "runc")
PREFIX = "certops-torture-"
INSIDE = "/opt/torture"
LABEL = f"certops.fleet.torture={os.getpid()}"
_NUMBERS = itertools.count(1)
WRAPPER = INSIDE + "/python3"


class TortureError(Exception):
    """The harness itself could not do what it wanted; the text says what."""


def podman(*argv: str, data: bytes | None = None) -> str:
    """Run podman; what it printed."""
    done = subprocess.run(["podman", *argv], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=180)
    if done.returncode:
        raise TortureError(f"podman {' '.join(argv[:3])} ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace").strip()


class Container:
    """One container; `order` lets the agent in it do something."""

    def __init__(self, name: str, options: t.Sequence[str] = ()) -> None:
        self.name = name
        self.container = f"{PREFIX}{name}-{os.getpid()}-{next(_NUMBERS)}"
        self.options = options
        self.address = ""
        self.host_key = ""
        self._agent: subprocess.Popen[bytes] | None = None

    def start(self, public_key: str) -> None:
        """Start it, let the ssh key in for root and for `deploy` (sudo with a terminal of its own), start the agent."""
        limits = ["--ulimit", "nofile=4096:4096", "--ulimit", "nproc=8192:8192"]
        options = ["--name", self.container, "--label", LABEL, "--hostname", self.name, "--runtime", RUNTIME, *limits, "--systemd=always", *self.options]
        podman("run", "--detach", *options, IMAGE, "/sbin/init")
        admit = (HERE.parent.parent / "extensions/molecule/default/files/admit").read_bytes()
        self._wait_for_ssh()
        for user, sudo in (("root", "none"), ("deploy", "free")):
            podman("exec", "--interactive", self.container, "sh", "-s", user, sudo, public_key, data=admit)
        self.address = podman("inspect", "--format", "{{.NetworkSettings.IPAddress}}", self.container)
        self.host_key = podman("exec", self.container, "cut", "--delimiter", " ", "--fields", "1-2", "/etc/ssh/ssh_host_ed25519_key.pub")
        podman("exec", self.container, "mkdir", "-p", INSIDE)
        podman("cp", str(HERE / "wrapper"), f"{self.container}:{WRAPPER}")
        podman("cp", str(HERE / "agent.py"), f"{self.container}:{INSIDE}/agent.py")

    def _wait_for_ssh(self) -> None:
        end = time.monotonic() + 40
        while True:
            try:
                podman("exec", self.container, "systemctl", "is-active", "--quiet", "ssh")
                return
            except TortureError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.3)

    def order(self, order: str, **arguments: t.Any) -> t.Any:
        """Let the agent do something and return its answer."""
        if self._agent is None or self._agent.poll() is not None:
            argv = ["podman", "exec", "--interactive", self.container, "python3", "-u", f"{INSIDE}/agent.py"]
            self._agent = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        agent = self._agent
        if agent.stdin is None or agent.stdout is None:
            raise TortureError(f"{self.name}: the agent has no pipes")
        agent.stdin.write(json.dumps({"order": order, "with": arguments}).encode() + b"\n")
        agent.stdin.flush()
        line = agent.stdout.readline()
        answer = json.loads(line) if line else {"wrong": "the agent has ended"}
        if "wrong" in answer:
            raise TortureError(f"{self.name}: {order} {sorted(arguments)}: {answer['wrong']}")
        return answer["answer"]

    def sh(self, script: str, *, check: bool = True, seconds: int = 120) -> str:
        """Run a shell script in the container; what it printed."""
        done = self.order("run", argv=["sh", "-c", script], seconds=seconds)
        if check and done["code"]:
            raise TortureError(f"{self.name}: {script!r} ended with {done['code']}: {done['output'][-500:]} {done['error'][-500:]}")
        return str(done["output"])

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file in the container."""
        self.order("write", path=path, text=text, mode=mode)

    def read(self, path: str) -> str | None:
        """The text of a file of the container."""
        return t.cast("str | None", self.order("read", path=path))

    def served(self, name: str, port: int = 443, ciphers: str | None = None) -> str | None:
        """SHA-256 of the certificate that a handshake from outside shows, None when there is none."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if ciphers:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(ciphers)
        try:
            with socket.create_connection((self.address, port), 5) as plain, context.wrap_socket(plain, server_hostname=name) as secure:
                return hashlib.sha256(secure.getpeercert(binary_form=True) or b"").hexdigest()
        except OSError:
            return None

    def remove(self) -> None:
        """End the agent and remove the container."""
        if self._agent is not None:
            self._agent.kill()
            self._agent.wait()
        subprocess.run(["podman", "rm", "--force", "--time", "0", self.container], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def remove_all() -> None:
    """Remove every container of this process."""
    mine = podman("ps", "--all", "--quiet", "--filter", f"label={LABEL}").split()
    if mine:
        podman("rm", "--force", "--ignore", "--time", "0", *mine)


def fingerprint(pem: str | None) -> str | None:
    """SHA-256 of the first certificate of a PEM text."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    if pem is None or begin not in pem:
        return None
    block = begin + pem.split(begin, 1)[1].split(end, 1)[0] + end + "\n"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(block)).hexdigest()
