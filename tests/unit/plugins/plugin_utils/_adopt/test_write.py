# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of declarations: nothing that stands in one is lost."""

from __future__ import annotations

import os
import pathlib
import stat
import typing as t

import pytest
import yaml

from ansible_collections.certops.fleet.plugins.plugin_utils._adopt.write import DeclarationFileError, Target, read_items, with_items, write

ITEM: dict[str, t.Any] = {"name": "web", "names": ["yes", "1e3"], "mode": "0644", "managed": False}
OTHER = {"name": "other", "subject": {"organizationName": "# \u202e'\"\n- x: *a"}}


def _target(folder: pathlib.Path, content: str | None = None, *, loaded: bool = False) -> Target:
    target = Target.of("h", folder=None if loaded else str(folder), inventory_folder=str(folder))
    if content is not None:
        os.makedirs(os.path.dirname(target.path))
        pathlib.Path(target.path).write_text(content, encoding="utf-8")
    return target


def test_a_new_file(tmp_path: pathlib.Path) -> None:
    """What is read from it is what was given, as texts; every user may read it."""
    target = _target(tmp_path)
    write(with_items(target, [ITEM, OTHER], known=[]))
    assert read_items(target) == [ITEM, OTHER]
    assert stat.S_IMODE(os.stat(target.path).st_mode) == 0o644
    assert os.listdir(os.path.dirname(target.path)) == ["certops_certificates.yml"]


@pytest.mark.parametrize(
    "before",
    [
        "certops_certificates:\n- name: a # mine\n",
        "---\n# top\ncertops_certificates:\n\n  - name: a\n    names: [x]   # why\n  # end",
        "certops_certificates:\n    - {name: a}\n\n",
    ],
)
def test_more_is_put_behind(tmp_path: pathlib.Path, before: str) -> None:
    """In the indentation of the list; every byte that was there stays, as does the mode of the file."""
    target = _target(tmp_path, before)
    os.chmod(target.path, 0o600)
    items = read_items(target)
    write(with_items(target, [ITEM, OTHER], known=[]))
    assert pathlib.Path(target.path).read_text(encoding="utf-8").startswith(before)
    assert read_items(target) == [*items, ITEM, OTHER]
    assert stat.S_IMODE(os.stat(target.path).st_mode) == 0o600


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "it holds something else than plain YAML"),
        ("certops_certificates: !vault x\n", "it holds something else than plain YAML"),
        ("$ANSIBLE_VAULT;1.1;AES256\n61\n", "it holds something else than a list certops_certificates"),
        ("certops_certificates: [{name: a}]\nother: 1\n", "it holds something else than a list certops_certificates"),
        ("certops_certificates: '{{ x }}'\n", "it holds something else than a list certops_certificates"),
        ("", "it holds something else than a list certops_certificates"),
        ("certops_certificates: [{name: a}]\n", "its list does not end in a way that more items can be put behind"),
    ],
)
def test_a_file_is_left_as_it_is(tmp_path: pathlib.Path, content: str, message: str) -> None:
    """Where it holds anything that could be lost."""
    target = _target(tmp_path, content)
    with pytest.raises(DeclarationFileError, match=message):
        with_items(target, [ITEM], known=[])
    assert pathlib.Path(target.path).read_text(encoding="utf-8") == content


def test_no_variable_is_hidden(tmp_path: pathlib.Path) -> None:
    """Ansible reads a folder of the host's name or a file, not both, and one place of a variable wins."""
    target = _target(tmp_path, loaded=True)
    with pytest.raises(DeclarationFileError, match="one of the two would hide the other"):
        with_items(target, [ITEM], known=["of group_vars"])
    for name in ("h.yml", "h.json", "h"):
        file = tmp_path / "host_vars" / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
        with pytest.raises(DeclarationFileError, match="is a file, and Ansible reads either it or a folder of that name: move it to"):
            with_items(_target(tmp_path, loaded=True), [ITEM], known=[])
        file.unlink()
    write(with_items(target, [ITEM], known=[]))
    assert yaml.safe_load(pathlib.Path(target.path).read_text(encoding="utf-8"))["certops_certificates"] == [ITEM]


@pytest.mark.parametrize("host", ["..", ".", "a/b", "/etc", "a\0b"])
def test_a_host_is_no_path(host: str) -> None:
    """Nothing is written elsewhere because of a name."""
    with pytest.raises(DeclarationFileError, match="cannot be the name of a folder"):
        Target.of(host, folder="/x", inventory_folder=None)


def test_no_folder() -> None:
    """A host of the command line."""
    with pytest.raises(DeclarationFileError, match="comes from no file or folder of an Ansible inventory: give path"):
        Target.of("h", folder=None, inventory_folder=None)


def test_what_cannot_be_read_or_written(tmp_path: pathlib.Path) -> None:
    """Is told with the system's reason."""
    target = _target(tmp_path, "x")
    pathlib.Path(target.path).write_bytes(b"\xff\xfe")
    with pytest.raises(DeclarationFileError, match="cannot be read: it is not UTF-8"):
        read_items(target)
    (tmp_path / "file").touch()
    written = with_items(_target(tmp_path / "new"), [ITEM], known=[])
    with pytest.raises(DeclarationFileError, match="cannot be written: "):
        write(type(written)(str(tmp_path / "file/h/x.yml"), None, written.after))
