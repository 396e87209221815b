# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
import stat

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._issue.files import CaFileError, create_file, make_folder, read_file, replace_file, set_mode


def test_a_file_is_created_once(tmp_path: pathlib.Path) -> None:
    """With its mode, and nothing else in the folder."""
    path = str(tmp_path / "file")
    create_file(path, b"one", 0o600)
    with pytest.raises(CaFileError, match="is there already and is not overwritten"):
        create_file(path, b"two", 0o644)
    assert (read_file(path), stat.S_IMODE(os.stat(path).st_mode), os.listdir(tmp_path)) == (b"one", 0o600, ["file"])
    replace_file(path, b"three", 0o644)
    assert (read_file(path), stat.S_IMODE(os.stat(path).st_mode), os.listdir(tmp_path)) == (b"three", 0o644, ["file"])


def test_a_link_is_not_written_through(tmp_path: pathlib.Path) -> None:
    """Also when what it points to is not there."""
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(CaFileError, match="is there already and is not overwritten"):
        create_file(str(tmp_path / "link"), b"secret", 0o600)
    assert not (tmp_path / "target").exists()


def test_what_is_no_plain_file_is_told(tmp_path: pathlib.Path) -> None:
    """A FIFO does not block, a folder is no file."""
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(CaFileError, match="is not a plain file"):
        read_file(str(tmp_path / "fifo"))
    with pytest.raises(CaFileError, match=r"Is a directory|is not a plain file"):
        read_file(str(tmp_path))
    assert read_file(str(tmp_path / "none")) is None


def test_what_the_system_refuses_is_told(tmp_path: pathlib.Path) -> None:
    """With the system's reason."""
    with pytest.raises(CaFileError, match="cannot be written: No such file or directory"):
        create_file(str(tmp_path / "none" / "file"), b"", 0o600)
    with pytest.raises(CaFileError, match="cannot be set to 0600: No such file or directory"):
        set_mode(str(tmp_path / "none"), 0o600)
    (tmp_path / "file").write_text("")
    with pytest.raises(CaFileError, match="there is a file of this name"):
        make_folder(str(tmp_path / "file"))
    with pytest.raises(CaFileError, match=r"cannot be made: Not a directory|there is a file of this name"):
        make_folder(str(tmp_path / "file" / "a" / "b"))
