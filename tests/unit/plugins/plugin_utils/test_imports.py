# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the files of the collection are imported: by Python's own loader, which keeps what it compiled, also where Ansible's finder of collections is at work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.certops.fleet.plugins import plugin_utils

HERE = Path(plugin_utils.__file__).parent
PROGRAM = """
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader([{folder!r}])
from ansible_collections.certops.fleet.plugins.plugin_utils._host import variables
print(variables.__file__, variables.__cached__, type(variables.__loader__).__name__)
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A collection of the files that the program imports."""
    folder = tmp_path / "ansible_collections/certops/fleet/plugins/plugin_utils"
    (folder / "_host").mkdir(parents=True)
    for name in ("__init__.py", "_host/variables.py"):
        shutil.copy(HERE / name, folder / name)
    return folder


def test_what_was_compiled_is_kept(installed: Path) -> None:
    """The bytecode lies where Python looks for it, under the name that the file has for everybody."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ANSIBLE_"))}
    program = PROGRAM.format(folder=str(installed.parents[4]))
    finished = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, cwd="/")
    file, cached, loader = finished.stdout.split()
    assert (file, loader) == (str(installed / "_host/variables.py"), "SourceFileLoader")
    assert Path(cached).is_file()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (f"{plugin_utils.__name__}._host", [str(HERE)]),  # a folder
        (f"{plugin_utils.__name__}.missing", [str(HERE)]),
        (f"{plugin_utils.__name__}._host.variables", None),
        ("ansible_collections.certops.other.plugins.plugin_utils.variables", [str(HERE / "_host")]),
        ("variables", [str(HERE / "_host")]),
    ],
)
def test_what_is_left_to_others(name: str, path: list[str] | None) -> None:
    """Folders, and what is not of this collection, are found by whoever found them before."""
    assert plugin_utils.CompiledOnce.find_spec(name, path) is None
