# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory a scan of very many certificates takes, on the host and on the controller. memory.py [CERTIFICATES]

It needs root, because nobody else leaves anything for the second scan, and no containers.
"""

from __future__ import annotations

import base64
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import typing as t
from datetime import datetime, timezone

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tree import _authority, _leaf

from ansible_collections.certops.fleet.plugins.action.host_scan_info import ARGUMENT_SPEC, scan
from ansible_collections.certops.fleet.plugins.plugin_utils._action.arguments import checked_arguments
from ansible_collections.certops.fleet.plugins.plugin_utils._host.bundle import program_digest, program_text
from ansible_collections.certops.fleet.plugins.plugin_utils._host.exchange import _framed, _result
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName

CERTIFICATES = 100_000
MOST = 300  # MB, of the host program
IN_A_FILE, IN_A_FOLDER = 100, 1000
# What the system says of a child that has ended counts the memory of its parent from before it was another program.
TELL = "\nimport sys; sys.stderr.write(open('/proc/self/status').read())\n"
LAYOUTS = ("many in a file", "one in a file")


class Task:
    """A task that asks this machine, as the action plugin's own does through a connection."""

    check_mode = False
    host = HostName("", "bench")

    def __init__(self, tree: pathlib.Path, folder: pathlib.Path) -> None:
        self.args = checked_arguments({"paths": [str(tree)], "probe": "none"}, ARGUMENT_SPEC)
        self.exchanges = 0
        self.greatest = 0  # MB of the host program
        self._folder = folder

    def stated(self) -> tuple[None, list[str]]:
        """Nothing: there is no Ansible inventory."""
        return None, []

    def inventory(self) -> t.Any:
        return open_inventory(str(self._folder / "inventory.db"), now=lambda: datetime.now(timezone.utc))

    def exchange(self, verb: str, args: dict[str, t.Any]) -> dict[str, t.Any]:
        self.exchanges += 1
        request = {"verb": verb, "nonce": "0" * 32, "transaction": None, "actor": "bench", "args": args, "program": program_digest(verb)}
        environment = {**os.environ, "CERTOPS_STATE": str(self._folder / "state")}
        command = [sys.executable, "-I", "-S", "-"]
        done = subprocess.run(command, input=program_text(verb, request) + TELL, capture_output=True, check=True, text=True, env=environment)
        self.greatest = max(self.greatest, int(done.stderr.split("VmHWM:")[1].split()[0]) // 1024)
        answer = _framed({"stdout": done.stdout, "stderr": done.stderr, "rc": 0}, str(request["nonce"]), sys.executable)
        return _result(None, t.cast(dict[str, t.Any], answer))


def certificates(number: int) -> t.Iterator[bytes]:
    """PEM of certificates of 900 bytes with serials and keys of their own, and a signature that is not theirs: a scan does not mind."""
    key = rsa.generate_private_key(65537, 2048)
    der = _leaf(1, key, _authority("Bench Root", None)).public_bytes(serialization.Encoding.DER)
    public = key.public_key().public_numbers().n.to_bytes(256, "big")
    for count in range(number):
        own = count.to_bytes(4, "big")
        changed = der[:20] + own + der[24:].replace(public[4:8], own, 1)
        yield b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(changed) + b"-----END CERTIFICATE-----\n"


def build(tree: pathlib.Path, number: int, layout: str) -> None:
    """Write the tree."""
    for count, pem in enumerate(certificates(number)):
        file = count // IN_A_FILE if layout == LAYOUTS[0] else count
        path = tree / str(file // IN_A_FOLDER) / f"{file}.pem"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as stream:
            stream.write(pem)


def peak() -> int:
    """The greatest memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def worker(tree: str, folder: str) -> None:
    """One task: scan and record."""
    before = peak()
    task = Task(pathlib.Path(tree), pathlib.Path(folder))
    result = scan(t.cast(t.Any, task))
    after = peak()
    with task.inventory() as inventory:
        stored = sum(1 for _document in inventory.documents("certificates"))
    print(f"{result['summary']['seconds']} s; host program {task.greatest} MB; worker {before} to {after} MB in {task.exchanges} exchanges;", end=" ")
    print(f"{stored} certificates stored, complete {result['complete']}, {len(repr(result))} bytes return to the play")


def main(number: int) -> int:
    greatest = 0
    for layout in LAYOUTS:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            build(folder / "tree", number, layout)
            for run in ("first", "again"):
                line = subprocess.run([sys.executable, __file__, "worker", str(folder / "tree"), name], check=True, capture_output=True, text=True).stdout
                print(f"{number} certificates, {layout}, {run}: {line.strip()}", flush=True)
                greatest = max(greatest, *map(int, re.findall(r"host program (\d+)", line)))
            shutil.rmtree(folder / "tree")
    return int(greatest > MOST)


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(*sys.argv[2:])
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else CERTIFICATES))
