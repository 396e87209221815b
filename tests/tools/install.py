# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make .venv with ansible-core and the collection, as built for publishing; what is up to date stays as it is.

    install.py [REQUIREMENTS ...]

Further requirements files are installed, too. ANSIBLE_CORE (default: ansible-core, the newest that this Python takes) may name a version.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import typing as t
from pathlib import Path

from project import BUILD, COPY, ROOT, VENV, CommandError, in_venv, run, sync_copy, tool_environment

ANSIBLE_CORE = os.environ.get("ANSIBLE_CORE", "ansible-core")


def once(name: str, digest: str, work: t.Callable[[], None]) -> None:
    """Do the work unless the stamp of that name says that it was done for this digest."""
    stamp = VENV / f".{name}.stamp"
    if stamp.is_file() and stamp.read_text() == digest:
        return
    stamp.unlink(missing_ok=True)
    work()
    stamp.write_text(digest)


def digest_of(*parts: str) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def pip_install(*arguments: str | Path) -> None:
    run([in_venv("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments])


def make_venv() -> None:
    print(f"install: {VENV.relative_to(ROOT)} with Python {sys.version.split()[0]} and {ANSIBLE_CORE}", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    run([sys.executable, "-m", "venv", VENV])
    pip_install(ANSIBLE_CORE, "-r", ROOT / "requirements.txt")


def in_python(program: str) -> str:
    return run([in_venv("python"), "-c", program], env=tool_environment()).strip()


def core_version() -> str:
    return in_python("from importlib.metadata import version; print(version('ansible-core'))")


def install_requirements(name: str) -> None:
    """Add a requirements file to .venv, whose ansible-core stays as it is."""

    def work() -> None:
        print(f"install: {name}", flush=True)
        pip_install(f"ansible-core=={core_version()}", "-r", ROOT / name)

    once(name, digest_of((ROOT / name).read_text()), work)


def install_collection() -> None:
    env = tool_environment()
    dist = BUILD / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    run([in_venv("ansible-galaxy"), "collection", "build", "--output-path", dist], cwd=COPY, env=env)
    (artefact,) = dist.glob("*.tar.gz")
    print(f"install: {artefact.name}", flush=True)
    site_packages = in_python("import sysconfig; print(sysconfig.get_path('purelib'))")
    run([in_venv("ansible-galaxy"), "collection", "install", artefact, "--force", "--no-deps", "--offline", "-p", site_packages], env=env)


def install(requirements: t.Sequence[str]) -> None:
    """Bring .venv up to date with the interpreter, the requirements files and the working tree."""
    base = digest_of(sys.executable, sys.version, ANSIBLE_CORE, (ROOT / "requirements.txt").read_text())
    once("venv", base, make_venv)
    for name in requirements:
        install_requirements(name)
    once("collection", sync_copy(), install_collection)


def main() -> int:
    try:
        install(sys.argv[1:])
    except CommandError as exc:
        print(f"install: {exc}", file=sys.stderr)
        return 1
    print(f"install: {VENV.relative_to(ROOT)} is ready, ansible-core {core_version()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
