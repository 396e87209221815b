# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of declarations on the controller: what stands in one is never changed, new items are put behind it."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from ansible_collections.certops.fleet.plugins.plugin_utils._files.text import replace_text

VARIABLE = "certops_certificates"
FILE = f"{VARIABLE}.yml"
HEADER = """\
---
# Written by certops.fleet.adopt from what a discovery found. Nothing is changed on the host while an item says `managed: false`.
# Change what you like: what stands here is never written again, certificates that are found later are put behind it.
"""
_EXTENSIONS = ("", ".yml", ".yaml", ".json")
_INDENTS = ("", "  ", "    ")

Item = dict[str, t.Any]


class DeclarationFileError(ValueError):
    """A file of declarations that cannot be written, or is left as it is, with the reason."""


@dataclass(frozen=True, slots=True)
class Target:
    """The file of one host; C(loaded) tells whether Ansible takes it for a variable of the host."""

    host: str
    path: str
    loaded: bool

    @classmethod
    def of(cls, host: str, *, folder: str | None, inventory_folder: str | None) -> Target:
        """Below C(folder) where it is given, else beside the inventory."""
        if host in (".", "..") or "/" in host or "\0" in host:
            raise DeclarationFileError(f"host {host!r} cannot be the name of a folder")
        if folder is not None:
            return cls(host, os.path.join(folder, host, FILE), loaded=False)
        if not inventory_folder:
            raise DeclarationFileError(f"host {host!r} comes from no file or folder of an Ansible inventory: give path, a folder to write to")
        return cls(host, os.path.join(inventory_folder, "host_vars", host, FILE), loaded=True)


@dataclass(frozen=True, slots=True)
class Written:
    """What a file was and is to be."""

    path: str
    before: str | None
    after: str


def read_items(target: Target) -> list[Item]:
    """The items of a file as they stand in it, none where it is not there. Raises DeclarationFileError."""
    text = _read(target.path)
    return [] if text is None else _items(text, target.path)


def with_items(target: Target, items: Sequence[Item], *, known: Sequence[str]) -> Written:
    """The file with the items behind what stands in it; C(known) are the names in the host's variable. Raises DeclarationFileError."""
    before = _read(target.path)
    there = [] if before is None else _items(before, target.path)
    if target.loaded:
        _check_loaded(target, [str(item.get("name")) for item in there], known)
    return Written(target.path, before, HEADER + _dumped({VARIABLE: list(items)}) if before is None else _behind(before, there, items, target.path))


def write(written: Written) -> None:
    """Put the file in place: it is there whole or as it was before."""
    path = os.path.realpath(written.path)
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, exist_ok=True)
        mode = os.stat(path).st_mode & 0o777 if written.before is not None else 0o644
        replace_text(path, written.after, mode=mode)
    except OSError as exc:
        raise DeclarationFileError(f"{written.path} cannot be written: {exc.strerror}") from exc


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeError) as exc:
        raise DeclarationFileError(f"{path} cannot be read: {getattr(exc, 'strerror', None) or 'it is not UTF-8'}") from exc


def _items(text: str, path: str) -> list[Item]:
    """What a file declares. One that holds more than plain items of the variable is somebody else's."""
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as exc:
        raise DeclarationFileError(f"{path} is left as it is: it holds something else than plain YAML") from exc
    items = content.get(VARIABLE) if isinstance(content, dict) and set(content) == {VARIABLE} else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise DeclarationFileError(f"{path} is left as it is: it holds something else than a list {VARIABLE}")
    return items


def _check_loaded(target: Target, there: Sequence[str], known: Sequence[str]) -> None:
    """Refuse a file that would hide variables of the host, or be hidden by them."""
    folder = os.path.dirname(target.path)
    for extension in _EXTENSIONS:
        beside = folder + extension
        if os.path.lexists(beside) and not (extension == "" and os.path.isdir(beside)):
            raise DeclarationFileError(
                f"{beside} is a file, and Ansible reads either it or a folder of that name: move it to {os.path.join(folder, 'main.yml')}, or give path"
            )
    if list(known) != list(there):
        raise DeclarationFileError(f"the host has a variable {VARIABLE} from another place than {target.path}, and one of the two would hide the other")


def _dumped(value: t.Any, indent: str = "") -> str:
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=False, default_flow_style=False, width=1000)
    return "".join(indent + line for line in text.splitlines(keepends=True))


def _behind(before: str, there: Sequence[Item], items: Sequence[Item], path: str) -> str:
    """The text with more items at its end, in the indentation that makes it mean just that."""
    start = before if before.endswith("\n") else before + "\n"
    for indent in _INDENTS:
        after = start + _dumped(list(items), indent)
        try:
            if yaml.safe_load(after) == {VARIABLE: [*there, *items]}:
                return after
        except yaml.YAMLError:
            continue
    raise DeclarationFileError(f"{path} is left as it is: its list does not end in a way that more items can be put behind")
