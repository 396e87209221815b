# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hundred listeners, and two ways to see what they show: each prints the seconds that it took, without its start.

listeners.py floor TARGETS ROUNDS    the bare loop of asyncio: connect, handshake, parse the certificate
listeners.py ours TARGETS ROUNDS     what endpoint_scan_info does before it records: the whole chain, judged
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import pathlib
import shutil
import ssl
import subprocess
import sys
import time
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

LISTENERS, PORT, AT_ONCE = 200, 19443, 100
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def certificate(name: str, key: Key, issuer: str, signer: ec.EllipticCurvePrivateKey, *, ca: bool = False) -> x509.Certificate:
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in (issuer, name)]
    now = dt.datetime.now(dt.timezone.utc)
    builder = x509.CertificateBuilder(*names, key.public_key(), x509.random_serial_number(), now - dt.timedelta(1), now + dt.timedelta(90))
    builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
    return builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(f"{name}.example.com")]), critical=False).sign(signer, hashes.SHA256())


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def write(folder: pathlib.Path) -> None:
    """Pairs (P-256 and RSA-2048 in turn, each with its intermediate), the configuration of nginx, and the list of targets."""
    root, middle = (ec.generate_private_key(ec.SECP256R1()) for _number in range(2))
    above = certificate("middle", middle, "root", root, ca=True)
    (folder / "root.pem").write_bytes(pem(certificate("root", root, "root", root, ca=True)))
    servers = []
    for number in range(1, LISTENERS + 1):
        key: Key = ec.generate_private_key(ec.SECP256R1()) if number % 2 else rsa.generate_private_key(65537, 2048)
        own = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / f"{number}.pem").write_bytes(pem(certificate(f"s{number}", key, "middle", middle), above) + own)
        files = f"ssl_certificate {folder}/{number}.pem; ssl_certificate_key {folder}/{number}.pem;"
        servers.append(f"server {{ listen 127.0.1.{number}:{PORT} ssl; {files} return 200 ok; }}")
    temporary = " ".join(f"{what}_temp_path {folder}/{what};" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    http = f"http {{ access_log off; ssl_session_cache off; ssl_session_tickets off; {temporary}\n{chr(10).join(servers)}\n}}"
    head = f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1; events {{ worker_connections 4096; }}"
    (folder / "nginx.conf").write_text(f"{head}\n{http}\n")
    (folder / "targets").write_text("".join(f"127.0.1.{number}:{PORT}\n" for number in range(1, LISTENERS + 1)))


@contextlib.contextmanager
def listening(folder: pathlib.Path) -> t.Iterator[pathlib.Path]:
    """Listeners of nginx while the block runs; gives the list of targets."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    write(folder)
    process = subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf")], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None and not (folder / "nginx.pid").exists():
            time.sleep(0.02)
        yield folder / "targets"
    finally:
        process.terminate()
        process.wait()


async def floor(targets: t.Sequence[tuple[str, int]], context: ssl.SSLContext) -> None:
    semaphore = asyncio.Semaphore(AT_ONCE)

    async def one(host: str, port: int) -> int:
        async with semaphore:
            _reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port, ssl=context, server_hostname=host), 10)
            der = writer.get_extra_info("ssl_object").getpeercert(True)
            writer.transport.abort()
            parsed = x509.load_der_x509_certificate(der)
            return len(parsed.subject.rfc4514_string() + str(parsed.not_valid_after_utc)) + len(parsed.fingerprint(hashes.SHA256()))

    await asyncio.gather(*(one(host, port) for host, port in targets))


def run_floor(file: pathlib.Path, rounds: int) -> float:
    targets = [(host, int(port)) for host, _colon, port in (line.partition(":") for line in file.read_text().split())]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    began = time.perf_counter()
    for _round in range(rounds):
        asyncio.run(floor(targets, context))
    return time.perf_counter() - began


def run_ours(file: pathlib.Path, rounds: int) -> float:
    """Each round with nothing known of the one before."""
    from ansible_collections.certops.fleet.plugins.module_utils._host.endpoint.engine import Settings, look_at
    from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint import scan, targets, trust

    now = dt.datetime.now(dt.timezone.utc)
    wanted = targets.Wanted(ports=(), names=(), starttls="auto", limit=LISTENERS)
    began = time.perf_counter()
    for _round in range(rounds):
        scan.leaf_facts.cache_clear()
        findings = scan.Findings(trust.Trust(trust.read_roots([str(file.parent / "root.pem")]), now=now), now)
        asked = list(targets.expand(file.read_text().split(), (), wanted).items())
        rows, _certificates = findings.add(asked, look_at([scan.probe(target) for target, _origin in asked], Settings(concurrency=AT_ONCE), findings.foresee))
        if sum(bool(row["verified"]) for row in rows) != LISTENERS:
            raise SystemExit(f"{LISTENERS} listeners must be seen and verify: {findings.problems()[:3]}")
    return time.perf_counter() - began


def main(side: str, file: str, rounds: str) -> None:
    print({"floor": run_floor, "ours": run_ours}[side](pathlib.Path(file), int(rounds)))


if __name__ == "__main__":
    main(*sys.argv[1:])
