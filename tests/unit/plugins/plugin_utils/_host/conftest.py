# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A collection with verbs that do as they are told, and plays over it with the ansible-core of this interpreter."""

from __future__ import annotations

import binascii
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import typing as t
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[5]
FIXTURES = Path(__file__).parent / "fixtures"
VERBS = ("scan", "install", "outcome")


@dataclasses.dataclass(frozen=True)
class Play:
    """What one run of ansible-playbook printed and returned."""

    code: int
    output: str
    results: dict[str, t.Any]

    @property
    def result(self) -> dict[str, t.Any]:
        (result,) = self.results.values()
        return t.cast("dict[str, t.Any]", result)


@dataclasses.dataclass(frozen=True)
class Estate:
    """A folder with the collection, in which plays are run."""

    folder: Path

    def ask(
        self,
        verb: str,
        args: dict[str, t.Any],
        *,
        variables: dict[str, t.Any] | None = None,
        task: dict[str, t.Any] | None = None,
        python: str | None = None,
        **play: t.Any,
    ) -> Play:
        """Run one task that asks the host `target` for `verb`."""
        asked = {"verb": verb, "args": {"log": str(self.folder / "log"), **args}, "transaction": "0" * 32, "python": python}
        return self.play([{"name": "Ask", "certops.fleet.probe": asked, "ignore_errors": True, **(task or {})}], variables=variables, **play)

    def play(
        self,
        tasks: list[dict[str, t.Any]],
        *,
        variables: dict[str, t.Any] | None = None,
        arguments: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
    ) -> Play:
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        (self.folder / "inventory.json").write_text(json.dumps({"all": {"hosts": {"target": {**local, **(variables or {})}, "other": local}}}))
        (self.folder / "play.json").write_text(json.dumps([{"hosts": "target", "gather_facts": False, "tasks": tasks}]))
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory.json", "play.json", *arguments]
        finished = subprocess.run(command, cwd=self.folder, env=self._environment(environment or {}), capture_output=True, text=True, timeout=120, check=False)
        assert "[DEPRECATION WARNING]" not in finished.stdout + finished.stderr
        results = self.folder / "results.json"
        found = json.loads(results.read_text()) if results.exists() else {}
        results.unlink(missing_ok=True)
        return Play(finished.returncode, finished.stdout + finished.stderr, found)

    def log(self) -> list[str]:
        path = self.folder / "log"
        lines = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    @staticmethod
    def readable(output: str) -> list[str]:
        """Return an output and whatever can be unpacked of what it holds."""
        texts = [output]
        for word in re.findall(r"[A-Za-z0-9+/\n]{20,}={0,2}", output.replace("\\n", "\n")):
            try:
                texts.append(zlib.decompressobj().decompress(binascii.a2b_base64(word)).decode(errors="replace"))
            except (binascii.Error, zlib.error):
                continue
        return texts

    def _environment(self, extra: dict[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        return {
            **kept,
            "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "path"),
            "ANSIBLE_CALLBACK_PLUGINS": str(self.folder / "callbacks"),
            "ANSIBLE_CALLBACKS_ENABLED": "keep",
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(self.folder / "remote"),
            "ANSIBLE_DEPRECATION_WARNINGS": "true",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_BECOME_ALLOW_SAME_USER": "1",
            "HOME": str(self.folder),
            "XDG_STATE_HOME": "",
            **extra,
        }


@pytest.fixture
def estate(collection: Estate) -> Estate:
    collection.log()
    return collection


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Estate:
    folder = tmp_path_factory.mktemp("estate")
    plugins = folder / "path/ansible_collections/certops/fleet/plugins"
    for part in ("module_utils", "plugin_utils", "modules"):
        shutil.copytree(ROOT / "plugins" / part, plugins / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("galaxy.yml", "meta/runtime.yml"):
        (plugins.parent / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, plugins.parent / name)
    for verb in VERBS:
        shutil.copy(FIXTURES / "double.py", plugins / f"module_utils/_host/verb_{verb}.py")
    for folder_name, name in (("action", "probe.py"), ("connection", "odd.py")):
        (plugins / folder_name).mkdir()
        shutil.copy(FIXTURES / name, plugins / folder_name / name)
    shutil.copy(FIXTURES / "probe_module.py", plugins / "modules/probe.py")
    (folder / "callbacks").mkdir()
    shutil.copy(FIXTURES / "keep.py", folder / "callbacks/keep.py")
    return Estate(folder)
