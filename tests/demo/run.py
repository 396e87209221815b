# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: a small estate on this machine is discovered, rotated through the internal CA, and proven by TLS handshakes.

run.py FOLDER    everything is kept below FOLDER; a second run changes nothing and says so
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import pathlib
import secrets
import sqlite3
import subprocess
import sys
import time
import typing as t

import estate

BIN = pathlib.Path(sys.executable).parent


class DemoError(ValueError):
    """What the demo wanted to show did not happen."""


def prepare(folder: pathlib.Path) -> None:
    """Estate, passphrase of the CA, and an inventory that a reader can look at."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    estate.build(folder, dt.datetime.now(dt.timezone.utc))
    passphrase = folder / "ca.passphrase"
    if not passphrase.exists():
        estate.private_file(passphrase, secrets.token_urlsafe(24).encode())
    hosts = {"all": {"hosts": {"demo": {}}, "vars": estate.variables(folder)}}
    estate.private_file(folder / "hosts.json", json.dumps(hosts, indent=2).encode())


def wait_for(condition: t.Callable[[], bool], what: str, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise DemoError(f"{what} within {seconds:g} seconds")
        time.sleep(0.05)


def served(service: estate.Service) -> str:
    """The SHA-256 fingerprint that a fresh handshake shows, or an empty text. By openssl, not by our own code."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{service.port}", "-servername", service.names[0], "-cipher", "ALL:@SECLEVEL=0"]
    shown = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False).stdout
    told = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256"], input=shown, capture_output=True, timeout=20, check=False)
    return told.stdout.decode().strip().rpartition("=")[2].replace(":", "").lower()


@contextlib.contextmanager
def running(folder: pathlib.Path) -> t.Iterator[None]:
    """The three services, stopped again whatever happens."""
    processes = []
    try:
        for service in estate.SERVICES:
            service.pid_file(folder).unlink(missing_ok=True)
            files = [str(service.certificate(folder)), str(service.key(folder))]
            command = [sys.executable, estate.SERVER, "serve", *files, str(service.port), str(service.pid_file(folder))]
            processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for service in estate.SERVICES:
            wait_for(lambda service=service: bool(served(service)), f"service {service.name!r} did not answer on port {service.port}")
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(10)


def play(folder: pathlib.Path, playbook: str) -> None:
    """One playbook of the collection, as a user runs it. The host's own state stays below the folder, too."""
    environment = {
        "ANSIBLE_STDOUT_CALLBACK": "certops.fleet.fleet",
        **os.environ,
        "ANSIBLE_NOCOWS": "1",
        "CERTOPS_STATE": str(folder / "state"),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "PYTHONUNBUFFERED": "1",
    }
    command = [str(BIN / "ansible-playbook"), "-i", str(folder / "hosts.json"), f"certops.fleet.{playbook}"]
    finished = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False)
    if finished.returncode:
        raise DemoError(f"the playbook certops.fleet.{playbook} ended with {finished.returncode}")


def prove(folder: pathlib.Path, service: estate.Service) -> str:
    """Who verifies with nothing but the new root: the name and the chain, by openssl."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{service.port}", "-servername", service.names[0]]
    command += ["-verify_hostname", service.names[0], "-CAfile", str(folder / "ca" / "root.pem"), "-no-CApath", "-verify_return_error"]
    finished = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
    if finished.returncode or b"Verify return code: 0 (ok)" not in finished.stdout:
        raise DemoError(f"service {service.name!r} does not serve a certificate that the demo's root verifies")
    end = subprocess.run(["openssl", "x509", "-noout", "-enddate"], input=finished.stdout, capture_output=True, timeout=20, check=True)
    return end.stdout.decode().strip().partition("=")[2]


def table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def rows_of_hosts(folder: pathlib.Path) -> list[str]:
    """What each host costs the inventory: the rows that are there because of it, by table."""
    with contextlib.closing(sqlite3.connect(folder / "inventory.db")) as inventory:
        tables = [name for (name,) in inventory.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        columns = {table: {row[1] for row in inventory.execute(f"PRAGMA table_info({table})")} for table in tables}
        counts: dict[str, dict[str, int]] = {}
        for table in (table for table in tables if {"host_id", "gone_at"} <= columns[table]):
            statement = f"SELECT hosts.name, count(*) FROM {table} JOIN hosts ON hosts.id = host_id WHERE gone_at IS NULL GROUP BY hosts.name"
            for host, count in inventory.execute(statement):
                counts.setdefault(host, {})[table] = count
    told = {host: ", ".join(f"{count} {table.replace('_', ' ')}" for table, count in own.items()) for host, own in counts.items()}
    return [f"{host} {sum(counts[host].values())} ({told[host]})" for host in sorted(counts)]


def main(folder: pathlib.Path) -> None:
    start = time.monotonic()
    prepare(folder)
    with running(folder):
        before = {service.name: served(service) for service in estate.SERVICES}
        for playbook in ("create_ca", "site"):
            play(folder, playbook)
        rows = [("service", "began as", "now", "valid until")]
        for service in estate.SERVICES:
            state = "rotated" if served(service) != before[service.name] else "unchanged"
            rows.append((f"{service.name} 127.0.0.1:{service.port}", service.fault, f"{state}, verified by a handshake", prove(folder, service)))
    rotated = sum("rotated" in row[2] for row in rows[1:])
    print(f"\n{table(rows)}\n")
    print(f"{rotated} certificates were rotated." if rotated else "Nothing was due: this run changed nothing.", f"{time.monotonic() - start:.0f} seconds.")
    print(f"inventory: {os.path.relpath(folder / 'inventory.db')}, rows of hosts: {'; '.join(rows_of_hosts(folder))}")
    print(f"report:    {os.path.relpath(folder / 'report' / 'index.html')}")


if __name__ == "__main__":
    try:
        main(pathlib.Path(sys.argv[1]).resolve())
    except DemoError as exc:
        sys.exit(f"demo: {exc}")
