# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept from run to run: made once, made again where it is not what was left, and never missed."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._files.kept import kept


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return tmp_path / "__pycache__" / "text.pyc"


def other() -> str:
    raise AssertionError("it is kept")


def test_it_is_made_once(path: Path) -> None:
    """What was made is found again, and others may read it, as they may what Python compiled."""
    assert [kept(str(path), "key", lambda: "made\nof lines\n"), kept(str(path), "key", other)] == ["made\nof lines\n"] * 2
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"\xff" + data, lambda data: data.replace(b"made", b"else"), lambda _data: b""])
def test_what_is_damaged_is_made_again(path: Path, damage: t.Callable[[bytes], bytes]) -> None:
    """A file that was cut off, or holds something else, is not used."""
    kept(str(path), "key", lambda: "made")
    path.write_bytes(damage(path.read_bytes()))
    assert [kept(str(path), "key", lambda: "again"), kept(str(path), "key", other)] == ["again"] * 2


def test_another_key_is_another_text(path: Path) -> None:
    """Of other sources it is made anew."""
    kept(str(path), "key", lambda: "made")
    assert kept(str(path), "another", lambda: "anew") == "anew"


def test_nothing_is_left_where_python_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who tells Python to write no bytecode gets no file of ours either."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert kept(str(path), "key", lambda: "made") == "made"
    assert not path.parent.exists()


def test_a_folder_that_cannot_be_written_is_no_error(path: Path) -> None:
    """Then it is made in every run."""
    path.parent.write_text("not a folder")
    assert [kept(str(path), "key", lambda: "made"), kept(str(path), "key", lambda: "again")] == ["made", "again"]
