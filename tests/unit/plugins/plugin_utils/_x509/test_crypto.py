# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

PLUGIN_UTILS = pathlib.Path(__file__).parents[5] / "plugins" / "plugin_utils"
PACKAGE = "ansible_collections.certops.fleet.plugins.plugin_utils"
FILES = sorted(path for folder in ("_x509", "_issue") for path in (PLUGIN_UTILS / folder).glob("*.py"))


def without_cryptography(code: str) -> subprocess.CompletedProcess[str]:
    program = f"import sys\nsys.path[:] = {sys.path!r}\nsys.modules['cryptography'] = None\n{code}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_every_file_can_be_imported_without_cryptography() -> None:
    """The import sanity test runs with ansible-core alone."""
    finished = without_cryptography("\n".join(f"import {PACKAGE}.{path.parent.name}.{path.stem}" for path in FILES))
    assert finished.returncode == 0, finished.stderr


def test_a_missing_cryptography_is_named() -> None:
    """One sentence that says which Python needs which package."""
    finished = without_cryptography(f"from {PACKAGE}._x509.info import certificate_info\ncertificate_info(b'')")
    assert "needs the package 'cryptography', version 42 or later" in finished.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_cryptography_is_imported_in_one_place(path: pathlib.Path) -> None:
    """The guarded import is in crypto.py and nowhere else."""
    text = path.read_text()
    assert path.name == "crypto.py" or ("import cryptography" not in text and "from cryptography" not in text)
