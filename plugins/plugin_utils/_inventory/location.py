# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the inventory lies: an SQLite file, with the file systems on which it would lose data or be lost, or a database of PostgreSQL."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t
from urllib.parse import unquote

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.server import Server, parse_server
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import InventoryError

DEFAULT_NAME = "inventory.db"

# SQLite's locks and its shared memory file do not work between the machines that share these: https://www.sqlite.org/wal.html, "Overview", disadvantage 2.
NETWORK = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ncpfs", "davfs", "vboxsf", "prl_fs", "fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.davfs")
)
NETWORK |= {"ceph", "fuse.ceph", "glusterfs", "fuse.glusterfs", "lustre", "gpfs", "beegfs", "orangefs", "pvfs2"}
# The writable layer of a container or of a live system, and memory.
EPHEMERAL = frozenset(("overlay", "aufs", "fuse.fuse-overlayfs", "tmpfs", "ramfs"))

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclasses.dataclass(frozen=True, slots=True)
class Location:
    """The absolute path of the SQLite file, or the server of the database."""

    path: str = ""
    server: Server | None = None

    @property
    def name(self) -> str:
        """How messages name it, without user and password."""
        return self.server.name if self.server else self.path

    @property
    def url(self) -> str:
        """What users write, without user and password."""
        return self.server.name if self.server else f"sqlite:///{self.path}"


def locate(url: str | None, *, environ: t.Mapping[str, str], mounts: str | None = None) -> Location:
    """The place that ``url`` stands for, checked: ``postgresql://user@host:port/database``, ``sqlite:////absolute/path``, an absolute path, one below ``~``,
    or None for the default.

    ``mounts`` is the text of ``/proc/self/mountinfo``; without it the kernel is asked.
    """
    scheme = _SCHEME.match(url or "")
    if url and scheme and scheme[1].startswith("postgres"):
        return Location(server=parse_server(url, environ=environ))
    path = _path(url, environ) if url else default_path(environ)
    kind = file_system(path, mounts=_mounts() if mounts is None else mounts)
    if kind in NETWORK:
        raise InventoryError(f"inventory {path!r} lies on a network file system ({kind}), where SQLite loses data: use a local disk")
    if not url and (kind in EPHEMERAL or "AWX_HOST" in environ):
        where = "an AWX job" if "AWX_HOST" in environ else f"a file system that is not kept ({kind})"
        raise InventoryError(f"inventory {path!r}, the default, would lie in {where} and be forgotten: set certops_inventory to a place that stays")
    return Location(path)


def default_path(environ: t.Mapping[str, str]) -> str:
    """Below the user's data folder."""
    return os.path.join(data_folder(environ), DEFAULT_NAME)


def data_folder(environ: t.Mapping[str, str]) -> str:
    """The collection's own folder below the user's data folder, see the XDG Base Directory Specification."""
    data = environ.get("XDG_DATA_HOME", "")
    if not os.path.isabs(data):
        data = os.path.join(_home(environ), ".local", "share")
    return os.path.join(data, "certops")


def _home(environ: t.Mapping[str, str]) -> str:
    return environ.get("HOME") or os.path.expanduser("~")


def _path(url: str, environ: t.Mapping[str, str]) -> str:
    scheme = _SCHEME.match(url)
    if scheme and not url.startswith("sqlite:///"):
        accepted = "accepted are postgresql://user@host/database, sqlite:////absolute/path and an absolute path"
        raise InventoryError(f"certops_inventory begins with {scheme[1] + ':'!r}: {accepted}")
    path = unquote(url.removeprefix("sqlite:///")) if scheme else url
    if path.startswith("~/"):
        path = os.path.join(_home(environ), path[2:])
    if not os.path.isabs(path) or path.endswith("/") or "?" in path or "\x00" in path:
        raise InventoryError(f"certops_inventory is {url!r}: accepted are sqlite:////absolute/path and an absolute path, without a query")
    return os.path.normpath(path)


def _mounts() -> str:
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except OSError:
        return ""


def file_system(path: str, *, mounts: str) -> str | None:
    """Type of the file system that holds ``path``, or will hold it, from mountinfo (proc(5)); None where that is not known."""
    real = os.path.realpath(path)
    best, found = "", None
    for line in mounts.splitlines():
        head, _separator, tail = line.partition(" - ")
        fields = head.split(" ")
        if len(fields) < 5 or not tail:
            continue
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4])
        if len(point) >= len(best) and (real == point or real.startswith(point.rstrip("/") + "/")):
            best, found = point, tail.split(" ")[0]
    return found
