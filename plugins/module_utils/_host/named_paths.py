# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths that something on the host names: services' configurations, unit files and what they include, command lines."""

import os
import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host import paths_table
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_bytes

MOST_PATHS = 10000
_LARGEST_UNIT = 256 << 10
# A path in a line of a unit or environment file: behind the line's begin, blanks, quotes, or what joins an option to its value.
_PATH = re.compile(rb"(?:^|[\s\"'=:,;@!+|-])(/[^\s\"'=:,;|(){}<>$%*?\\]+)", re.MULTILINE)
_LINES = re.compile(rb"^\s*(?:Exec\w+|Environment|EnvironmentFile|LoadCredential\w*|SetCredential\w*)\s*=(?:.*\\\n)*.*$", re.MULTILINE)
_ENVIRONMENT_FILES = re.compile(rb"^\s*EnvironmentFile\s*=\s*-?(/\S+)", re.MULTILINE)


def service_paths(services: t.Iterable[t.Dict[str, t.Any]]) -> t.Dict[bytes, t.Set[str]]:
    """Return the files and folders that services use, with the names of those services."""
    found: t.Dict[bytes, t.Set[str]] = {}
    for service in services:
        for use in service["uses"]:
            for role in ("certificate", "key", "chain", "folder"):
                if use.get(role):
                    found.setdefault(path_bytes(use[role]), set()).add(service["name"])
    return found


def unit_paths(folders: t.Iterable[bytes] = paths_table.UNIT_FOLDERS) -> t.Set[bytes]:
    """Return the paths that service units and their environment files name, programs left out."""
    found: t.Set[bytes] = set()
    for folder in folders:
        for path in _unit_files(folder):
            text = _content(path)
            for lines in _LINES.findall(text):
                found.update(_PATH.findall(lines.partition(b"=")[2]))
            for named in _ENVIRONMENT_FILES.findall(text):
                found.update(_PATH.findall(_content(named)))
    return {path for path in found if is_wanted(path)}


def is_wanted(path: bytes) -> bool:
    """Whether a path that is named somewhere may be that of a certificate, and not that of a program or a device."""
    return path.startswith(b"/") and len(path) > 1 and not path.startswith(paths_table.PROGRAM_FOLDERS)


def _unit_files(folder: bytes) -> t.Iterator[bytes]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        path = os.path.join(folder, name)
        if name.endswith(b".service"):
            yield path
        elif name.endswith(b".service.d"):
            yield from (os.path.join(path, drop_in) for drop_in in _listed(path) if drop_in.endswith(b".conf"))


def _listed(folder: bytes) -> t.List[bytes]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _content(path: bytes) -> bytes:
    """Return a small file's content, links followed as systemd does; nothing for what cannot be read or is no regular file."""
    try:
        if not os.path.isfile(path):
            return b""
        with open(path, "rb") as file:
            return file.read(_LARGEST_UNIT)
    except OSError:
        return b""
