# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of CONTRIBUTING.md that no linter knows."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
HOST_RING = "ansible_collections.certops.fleet.plugins.module_utils"
HOST_MAY_NOT_IMPORT = ("ansible.", "ansible_collections.", "dataclasses")
WITHOUT_HEADER = {"LICENSE"}
LONGEST_FUNCTION = 40


def project_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True, text=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def imports_of(path: Path) -> set[str]:
    """The dotted names that a file imports, those of `from a import b` as a.b."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_file_names_its_licence() -> None:
    """The first lines of every text file hold the SPDX identifier; what a tool writes has it in a file beside it (REUSE 3.3)."""
    marker = b"SPDX-License-Identifier: GPL-3.0-or-later"
    beside = {path: path.with_name(f"{path.name}.license") for path in project_files() if path.name not in WITHOUT_HEADER}
    missing = [relative(path) for path, licence in beside.items() if marker not in (licence if licence.is_file() else path).read_bytes()[:600]]
    assert missing == []


def test_no_sanity_test_is_ignored() -> None:
    """Findings of ansible-test are mended, not listed."""
    assert list((ROOT / "tests/sanity").glob("ignore-*")) == []


def test_execution_environments_get_all_that_the_controller_needs() -> None:
    """Their list stands by itself, as what reads it follows no reference, and must not fall behind."""
    needed, given = (
        {line for line in (ROOT / name).read_text().splitlines() if line and line[0] != "#"} for name in ("requirements.txt", "meta/ee-requirements.txt")
    )
    assert needed < given


@pytest.mark.parametrize("path", [path for path in PLUGINS if "module_utils" in path.parts], ids=relative)
def test_host_ring_imports_the_standard_library_alone(path: Path) -> None:
    """What runs on managed hosts imports nothing of Ansible's and nothing of the controller's."""
    foreign = {name for name in imports_of(path) if f"{name}.".startswith(HOST_MAY_NOT_IMPORT) and not name.startswith(HOST_RING)}
    assert foreign == set()


@pytest.mark.parametrize("path", [path for path in PLUGINS if "plugin_utils" in path.parts], ids=relative)
def test_controller_ring_does_not_import_the_wiring(path: Path) -> None:
    """What runs on the controller is called by plugins and calls none."""
    base = "ansible_collections.certops.fleet.plugins."
    wiring = {name for name in imports_of(path) if name.startswith(base) and name.removeprefix(base).split(".")[0] not in ("plugin_utils", "module_utils")}
    assert wiring == set()


@pytest.mark.parametrize("path", [*PLUGINS, *TESTS], ids=relative)
def test_no_variable_is_an_underscore(path: Path) -> None:
    """What is unused has a name that begins with an underscore, as the pylint of ansible-test keeps `_` for translations."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lines = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "_" and isinstance(node.ctx, ast.Store)]
    assert lines == []


@pytest.mark.parametrize("path", PLUGINS, ids=relative)
def test_functions_are_short(path: Path) -> None:
    """No function of a plugin has more lines than can be read at once."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    long = {node.name: lines for node in functions if (lines := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION}
    assert long == {}
