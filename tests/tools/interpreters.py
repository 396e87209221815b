# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the Python interpreters of this machine by their real paths, whatever shims stand before them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# What the host ring runs under.
HOST_PYTHONS = tuple(f"3.{minor}" for minor in range(6, 15))
# Below the home folder and / : pyenv, asdf, uv, and what people unpack by hand.
VERSION_FOLDERS = (
    "~/.pyenv/versions/*/bin",
    "~/.asdf/installs/python/*/bin",
    "~/.local/share/uv/python/*/bin",
    "/opt/python*/bin",
    "/opt/python/*/bin",
    "/usr/local/python*/bin",
)
ASK = "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"


def find_interpreters(versions: tuple[str, ...]) -> dict[str, Path | None]:
    """For each version ("3.6") an interpreter that runs and has this version, or None."""
    folders = _folders()
    return {version: _first_that_runs(version, folders) for version in versions}


def find_host_interpreters(versions: tuple[str, ...] = HOST_PYTHONS) -> dict[str, Path | None]:
    """The same of what hosts may have: also what `newest_python` unpacked, which makes no virtual environment."""
    above = Path(__file__).resolve().parents  # whoever asks may lie in the copy of the tree, below .build
    found = find_interpreters(versions)
    return {version: path or _first_that_runs(version, [folder / f".build/python{version}/usr/bin" for folder in above]) for version, path in found.items()}


def _folders() -> list[Path]:
    folders = [Path(sys.base_prefix, "bin")]
    for pattern in VERSION_FOLDERS:
        path = Path(pattern).expanduser()
        folders += sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    if root := os.environ.get("PYENV_ROOT"):
        folders += sorted(Path(root).glob("versions/*/bin"))
    return [*folders, *map(Path, os.environ["PATH"].split(":"))]


def _first_that_runs(version: str, folders: list[Path]) -> Path | None:
    for folder in folders:
        candidate = folder / f"python{version}"
        if candidate.is_file() and (found := _real_path(candidate, version)):
            return found
    return None


def _real_path(candidate: Path, version: str) -> Path | None:
    """What the candidate says that it is; a shim may lead nowhere or to another version."""
    answer = subprocess.run([candidate, "-c", ASK], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout.split("\n")
    return Path(answer[1]) if answer[0] == version else None
