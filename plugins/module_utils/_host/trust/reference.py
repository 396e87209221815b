# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a trust store should hold, and how it differs: values that the readers of every kind of store share."""

import hashlib
import os
import stat
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.scan import findings, reading
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import pem

MOST = 500  # anchors of one store that are named
_MOST_BYTES = 8 << 20
_MOST_FILES = 2000
Row = t.Dict[str, t.Any]


class Anchor(t.NamedTuple):
    """A certificate that something trusts: the file that says so, and its DER where no scan has read it."""

    path: bytes
    content: t.Optional[bytes]


class Lost(t.NamedTuple):
    """A certificate that the package shipped and the store lacks; nobody knows it any more where the package's file is gone."""

    sha256: t.Optional[str]
    path: bytes
    why: str
    content: t.Optional[bytes] = None  # DER, where no scan has read it


class Reference(t.NamedTuple):
    """What the distribution's package shipped; `anchors` is None where that cannot be told, `reason` says why, or what of it is only believed."""

    anchors: t.Optional[t.Dict[str, Anchor]]
    lost: t.List[Lost]  # what it shipped and the host has no more
    verified: bool
    reason: t.Optional[str]


class Store(t.NamedTuple):
    """What is told of a store, and the DER of certificates in it that no scan has read."""

    row: Row
    contents: t.Dict[str, bytes]


def unknown(reason: str) -> Reference:
    """Return the reference of a store of which nobody knows what it should hold."""
    return Reference(None, [], False, reason)


def store(
    path: bytes, kind: str, held: t.AbstractSet[str], reference: Reference, *, origin: t.Callable[[str], t.Optional[bytes]], lost: t.Iterable[Lost] = ()
) -> Store:
    """Return what is told of one store that holds these anchors; `origin` finds the file that an added one comes from."""
    told: Row = {"path": path_text(path), "kind": kind, "count": len(held), "verified": reference.verified, "reason": reference.reason}
    if reference.anchors is None:
        return Store(dict(told, added=None, removed=None), {})
    added = sorted(held - set(reference.anchors))
    missing = [*reference.lost, *lost]
    if len(added) > MOST or len(missing) > MOST:
        told["reason"] = f"{len(added)} anchors were added and {len(missing)} removed, of which the first {MOST} are named"
    told["added"] = [{"sha256": each, "path": _shown(origin(each))} for each in added[:MOST]]
    told["removed"] = [{"sha256": each.sha256, "path": path_text(each.path), "why": each.why} for each in missing[:MOST]]
    return Store(told, {each.sha256: each.content for each in missing[:MOST] if each.sha256 and each.content})


def _shown(path: t.Optional[bytes]) -> t.Optional[str]:
    return None if path is None else path_text(path)


def certificates(path: bytes, found: findings.Findings) -> t.Dict[str, Anchor]:
    """Return the certificates of a file, PEM or DER, from what the scan has found in it or else by reading it; none where it cannot be read."""
    real = path if path in found.files else os.path.realpath(path)
    if real in found.files:
        return {held.sha256: Anchor(path, None) for held in found.files[real].certificates}
    content = read(real)
    return {} if content is None else parsed(path, content)


def parsed(path: bytes, content: bytes) -> t.Dict[str, Anchor]:
    """Return the certificates in the content of a file."""
    ders = [block.content for block in pem.blocks((content,)) if block.label in findings.FORMATS and block.content]
    if not ders and content.startswith(b"\x30"):
        ders = [content]
    return {hashlib.sha256(each).hexdigest(): Anchor(path, each) for each in map(findings.without_trailer, ders)}


def read(path: bytes) -> t.Optional[bytes]:
    """Return the content of a regular file of a sensible size, None for anything else."""
    try:
        descriptor = reading.open_file(path, None)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
            return None
        return os.read(descriptor, status.st_size)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def names(folder: bytes) -> t.List[bytes]:
    """Return the paths of what lies in a folder, none where it cannot be listed."""
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))[:_MOST_FILES]]
    except OSError:
        return []
