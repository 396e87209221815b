# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the project's tools share: folders, one way to run a command, and the copy of the tree that is built and tested."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A row of the matrix, such as "2.16", has an environment, a copy of the tree and a home folder of its own.
ROW = os.environ.get("MATRIX_ROW")
BUILD = ROOT / ".build" / "matrix" / ROW if ROW else ROOT / ".build"
VENV = BUILD / "venv" if ROW else ROOT / ".venv"
COPY = BUILD / "ansible_collections" / "certops" / "fleet"
HOME = BUILD / "home"


class CommandError(Exception):
    """A command ended with another status than 0; its output is the message."""


def run(argv: t.Sequence[str | Path], *, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """Run a command and return what it printed; raise CommandError with all of it."""
    # Into a file: a pipe ends only when the last process that a killed command left behind ends.
    with tempfile.TemporaryFile() as file:
        status = subprocess.run(list(map(str, argv)), cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
        file.seek(0)
        output = file.read().decode("utf-8", "replace")
    if status:
        raise CommandError(f"{output.rstrip()}\n{Path(argv[0]).name} ended with status {status}")
    return output


def in_venv(name: str) -> Path:
    """The path of a command of the virtual environment."""
    return VENV / "bin" / name


def tool_environment() -> dict[str, str]:
    """An environment in which neither settings nor a configuration file of the user's change what a tool does."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON", "MOLECULE_"))}
    HOME.mkdir(parents=True, exist_ok=True)
    return {**env, "HOME": str(HOME), "PATH": f"{VENV / 'bin'}:{env['PATH']}", "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}


def project_files() -> list[str]:
    """The files that git has or would take, relative to the root."""
    listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
    return sorted({name for name in listed.split("\0") if name and (ROOT / name).is_file()})


def sync_copy() -> str:
    """Make the copy equal to the working tree, leaving alone what is equal already; return a digest of its contents.

    The copy lies in a real `ansible_collections/certops/fleet`, as ansible-test, mypy and imports need it.
    """
    files = project_files()
    _remove_others(set(files))
    digest = hashlib.sha256()
    for name in files:
        content = (ROOT / name).read_bytes()
        mode = (ROOT / name).stat().st_mode & 0o777
        _write_if_changed(COPY / name, content, mode)
        digest.update(repr((name, mode, hashlib.sha256(content).digest())).encode())
    # Without a repository of its own ansible-test would ask the one around it, which ignores .build.
    run(["git", "init", "--quiet", COPY])
    return digest.hexdigest()


def _remove_others(wanted: set[str]) -> None:
    seen = []
    for folder, folders, names in os.walk(COPY):
        here = Path(folder)
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            if str((here / name).relative_to(COPY)) not in wanted:
                (here / name).unlink()
        seen.append(here)
    for empty in reversed(seen):
        if not any(empty.iterdir()):
            empty.rmdir()


def _write_if_changed(path: Path, content: bytes, mode: int) -> None:
    if path.is_file() and path.read_bytes() == content and path.stat().st_mode & 0o777 == mode:
        return
    if path.is_dir():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
