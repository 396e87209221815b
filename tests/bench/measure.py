# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running something and seeing what it took."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t

from figures import Sample

ROOT = pathlib.Path(__file__).resolve().parents[2]
STATE = ROOT / ".build" / "bench"
# Without a suffix: what they call is no matter of this collection, and the linter does not know it.
PLAYS = pathlib.Path(__file__).resolve().parent / "plays"
PEER = STATE / "peer"
_PLAYBOOK = str(pathlib.Path(sys.executable).parent / "ansible-playbook")


class BenchError(Exception):
    """Something did not do what was to be measured; the text says what."""


def measured(argv: t.Sequence[str], *, environment: t.Mapping[str, str] | None = None, data: bytes = b"") -> Sample:
    """Run a command to its end; its children that it waited for count with it."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output:
        given.write(data)
        given.seek(0)
        began = time.monotonic()
        process = subprocess.Popen(argv, stdin=given, stdout=output, stderr=subprocess.STDOUT, env=environment)
        _process, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            last = output.read().decode(errors="replace")[-3000:]
            raise BenchError(f"{' '.join(argv[:4])} ended with {process.returncode}:\n{last}")
    return Sample(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


class Controller:
    """ansible-playbook with Ansible's defaults, the settings of this user left out."""

    def __init__(self) -> None:
        self.sockets = tempfile.mkdtemp(prefix="certops-bench-")  # a path of a socket must be short
        configuration = STATE / "ansible.cfg"
        configuration.touch()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "CERTOPS_", "PYTHON"))}
        own = {"ANSIBLE_CONFIG": str(configuration), "ANSIBLE_HOME": str(STATE / "ansible"), "ANSIBLE_SSH_CONTROL_PATH_DIR": self.sockets}
        self.environment = {**kept, **own, "LC_ALL": "C.UTF-8"}

    def play(self, playbook: str, hosts: pathlib.Path, *, variables: t.Mapping[str, t.Any] | None = None, pipelining: bool = False) -> Sample:
        """Run a playbook of the collection, or a play of a peer, whose name begins with `peer_`."""
        environment = {**self.environment, **({"ANSIBLE_PIPELINING": "true"} if pipelining else {})}
        name = f"certops.fleet.{playbook}"
        if playbook.startswith("peer_"):
            environment["ANSIBLE_COLLECTIONS_PATH"] = str(PEER)
            name = str(PLAYS / playbook)
        return measured([_PLAYBOOK, "--inventory", str(hosts), "--extra-vars", json.dumps(variables or {}), name], environment=environment)

    def close(self) -> None:
        """The connections end by themselves when nobody has used them for a minute."""
        shutil.rmtree(self.sockets, ignore_errors=True)
