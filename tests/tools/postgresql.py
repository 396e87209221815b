# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private cluster of PostgreSQL for tests: a folder and a socket of its own, no port, gone at the end.

postgresql.py COMMAND [ARGUMENT ...]   runs the command with CERTOPS_TEST_POSTGRESQL as the URL of an empty database
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path
from urllib.parse import quote

BINARIES = Path("/usr/lib/postgresql")
OLDEST = 15
# Nothing of it is to outlive the tests. A fleet's workers are many.
SETTINGS = "listen_addresses='' fsync=off synchronous_commit=off full_page_writes=off max_connections=300 autovacuum=off log_min_messages=fatal"


class MissingError(Exception):
    """There is no PostgreSQL on this machine, or nobody whom it would run as."""


def find_binaries() -> Path:
    """The folder of initdb and pg_ctl, of the newest version that is there."""
    found = [path for path in BINARIES.glob("*/bin") if path.parent.name.isdecimal() and int(path.parent.name) >= OLDEST]
    on_path = shutil.which("initdb")
    if not found and not on_path:
        raise MissingError(f"there is no PostgreSQL {OLDEST} or later on this machine (Debian's package postgresql)")
    return max(found, key=lambda path: int(path.parent.name)) if found else Path(str(on_path)).parent


class Cluster:
    """A running server while the ``with`` lasts, in a folder of its own or in one that another process has made.

    It does not run as root: root has it run as Debian's user postgres.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.binaries = find_binaries()
        self.settings = SETTINGS.split()
        self.folder = folder or Path(tempfile.mkdtemp(prefix="certops-pg-", dir="/tmp"))
        self._prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        self.user = "postgres" if self._prefix else getpass.getuser()
        if self._prefix:
            shutil.chown(self.folder, "postgres", "postgres")
            self.folder.chmod(0o755)

    def run(self, *command: str | Path) -> str:
        """Run one of PostgreSQL's programs as the owner of the cluster."""
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(self.folder)}
        program = [*self._prefix, str(self.binaries / command[0]), *map(str, command[1:])]
        # Into a file: a server holds the pipe of who started it.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(program, env=env, cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False)
            output.seek(0)
            text = output.read().decode("utf-8", "replace")
        if done.returncode:
            raise RuntimeError(f"{command[0]} ended with status {done.returncode}: {text}")
        return text

    def __enter__(self) -> Cluster:
        self.run("initdb", "--pgdata", self.folder / "data", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        self.start()
        return self

    def start(self) -> None:
        options = " ".join(f"-c {each}" for each in (*self.settings, f"unix_socket_directories={self.folder}"))
        self.run("pg_ctl", "start", "--wait", "--silent", "--pgdata", self.folder / "data", "--log", self.folder / "log", "--options", options)

    def stop(self, mode: str = "fast") -> None:
        """End every connection and the server; C(start) begins with what is in it."""
        self.run("pg_ctl", "stop", f"--mode={mode}", "--pgdata", self.folder / "data")

    def __exit__(self, *_error: object) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str, *, user: str | None = None) -> str:
        """What certops_inventory would be."""
        return f"postgresql://{user or self.user}@/{database}?host={quote(str(self.folder), safe='')}"

    def sql(self, *statements: str, database: str = "postgres", user: str | None = None) -> list[str]:
        """What psql prints of the statements, a line for each row."""
        commands = [part for statement in statements for part in ("--command", statement)]
        return self.run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U", user or self.user, "-d", database, *commands).splitlines()


def main() -> int:
    try:
        with Cluster() as cluster:
            cluster.sql("CREATE DATABASE inventory")
            env: dict[str, t.Any] = {**os.environ, "CERTOPS_TEST_POSTGRESQL": cluster.url("inventory")}
            return subprocess.run(sys.argv[1:], env=env, check=False).returncode
    except MissingError as exc:
        print(exc, file=sys.stderr)
        return 77


if __name__ == "__main__":
    sys.exit(main())
