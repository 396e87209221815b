# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered of earlier inventories, and what is loaded because of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import last
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.connection import open_engine
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.location import Location

FILE, SERVER = last.FILE, last.SERVER
ROOT = str(Path(last.__file__).parents[6])
PROGRAM = f"""
import sys
sys.path.insert(0, {ROOT!r})
from {last.__package__} import last
last.only_files = lambda: {{only_files}}
from {last.__package__} import sql
loaded = "psycopg" in sys.modules
print(loaded, sql.psycopg_package() is sys.modules.get("psycopg"), sql.server_dialect() is sys.modules.get("sqlalchemy.dialects.postgresql"))
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(last, "_PLACE", str(tmp_path / "__pycache__" / "last.pyc"))
    return tmp_path / "__pycache__" / "last.pyc"


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [((), False), ((FILE,), True), ((FILE, FILE), True), ((SERVER,), False), ((FILE, SERVER), False), ((SERVER, FILE), False)],
)
def test_one_server_is_enough(kinds: tuple[str, ...], expected: bool) -> None:
    """Only where every inventory was a file, the next is expected to be one."""
    for kind in kinds:
        last.remember(kind)
    assert last.only_files() is expected


def test_what_cannot_be_read_says_nothing(place: Path) -> None:
    """Then what a server needs is loaded."""
    place.parent.mkdir()
    place.write_bytes(b"\xff")
    assert not last.only_files()


def test_opening_a_file_is_remembered(tmp_path: Path) -> None:
    """Who opens an inventory that is a file need not say so."""
    open_engine(Location(str(tmp_path / "inventory.db"))).dispose()
    assert last.only_files()


@pytest.mark.parametrize("only_files", [True, False])
def test_what_is_loaded(only_files: bool) -> None:
    """The driver of PostgreSQL is loaded with the rest, unless only files are expected; who needs it all the same gets it."""
    pytest.importorskip("psycopg")
    finished = subprocess.run([sys.executable, "-c", PROGRAM.format(only_files=only_files)], capture_output=True, text=True, check=True)
    assert finished.stdout.split() == [str(not only_files), "True", "True"]
