# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Others who look after a file: what they would put back, we do not replace."""

import os
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.renewers.tracked import CERTBOT, CERTMONGER, certbot_lineage, certmonger_files
from ansible_collections.certops.fleet.plugins.module_utils._host.run import run
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import files

DPKG = b"/var/lib/dpkg/info"
_SECONDS = 20


def owner_of(paths: t.Sequence[bytes], installed: bool) -> t.Optional[str]:
    """Return who else looks after one of these files, None for nobody. Packages are not asked for what we put there ourselves (`installed`)."""
    both = {name for path in paths for name in (path, os.path.realpath(path))}
    return _certbot(both) or _certmonger(both) or (None if installed else _package(both))


def _certbot(paths: t.Set[bytes]) -> t.Optional[str]:
    lineage = certbot_lineage(paths, CERTBOT)
    return None if lineage is None else "certbot: " + lineage


def _certmonger(paths: t.Set[bytes]) -> t.Optional[str]:
    for folder in CERTMONGER:
        for request in _listed(folder):
            if paths & set(certmonger_files(_content(os.path.join(folder, request)))):
                return "certmonger: request " + path_text(request)
    return None


def _package(paths: t.Set[bytes]) -> t.Optional[str]:
    lines = [b"\n" + path + b"\n" for path in paths]
    for name in _listed(DPKG):
        if name.endswith(b".list"):
            content = b"\n" + _content(os.path.join(DPKG, name))
            if any(line in content for line in lines):
                return "package " + path_text(name[: -len(b".list")])
    return _rpm_package(paths)


def _rpm_package(paths: t.Set[bytes]) -> t.Optional[str]:
    if not os.path.isdir(b"/var/lib/rpm") and not os.path.isdir(b"/usr/lib/sysimage/rpm"):
        return None
    for path in sorted(paths):
        finished = run([b"rpm", b"-qf", b"--queryformat", b"%{NAME}\\n", path], _SECONDS)
        if finished.code == 0 and finished.output:
            return "package " + path_text(finished.output.split(b"\n")[0])
    return None


def _listed(folder: bytes) -> t.List[bytes]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _content(path: bytes) -> bytes:
    try:
        return files.read(path)
    except OSError:
        return b""
