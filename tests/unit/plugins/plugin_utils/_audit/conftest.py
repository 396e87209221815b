# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An inventory with some events, a key that signs, and a log that is tampered with."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil
import sqlite3
import subprocess
import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._audit.care import care
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.settings import AuditSettings, audit_settings
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory
from ansible_collections.certops.fleet.tests.unit.plugins.plugin_utils._inventory.conftest import Clock, Tools

EVENTS = 8


@dataclasses.dataclass
class Log:
    """An inventory, its settings and its files."""

    inventory: Inventory
    folder: pathlib.Path
    clock: Clock
    settings: AuditSettings

    @property
    def path(self) -> str:
        return str(self.folder / "inventory.db")

    @property
    def copy(self) -> pathlib.Path:
        return self.folder / "audit.jsonl"

    def set(self, **value: t.Any) -> None:
        """What C(certops_audit) says from now on."""
        self.settings = audit_settings({"signing_key": str(self.folder / "key"), "checkpoint_events": 5, **value})

    def add(self, number: int) -> None:
        for index in range(number):
            self.inventory.append_event("test.event", subject=f"subject {index}", host=Tools.web)

    def care(self) -> list[str]:
        return care(self.inventory, self.settings)

    def tamper(self, statement: str) -> None:
        """As somebody who can write the database file."""
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as raw:
            raw.executescript(statement)


@pytest.fixture(name="log")
def _log(tmp_path: pathlib.Path) -> t.Iterator[Log]:
    """Five events, a checkpoint, three events; all of it in a file, too."""
    make_key(tmp_path / "key")
    clock = Clock()
    with open_inventory(str(tmp_path / "inventory.db"), now=clock, actor="tester") as inventory:
        log = Log(inventory, tmp_path, clock, AuditSettings())
        log.set(targets=[{"name": "file", "path": str(tmp_path / "audit.jsonl")}])
        for number in (5, 3):
            log.add(number)
            assert log.care() == []
        yield log


def make_key(path: pathlib.Path, *options: str) -> None:
    if shutil.which("ssh-keygen") is None and "CI" not in os.environ:  # there it is to be tested
        pytest.skip("this machine has no ssh-keygen (Debian: openssh-client)")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", *options, "-f", str(path)], check=True, stdin=subprocess.DEVNULL)
