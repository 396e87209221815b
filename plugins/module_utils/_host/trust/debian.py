# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust stores of Debian and its relatives (update-ca-certificates(8)): a file and a folder that are made of the files that ca-certificates.conf selects.

dpkg keeps the MD5 of each file that a package shipped (deb-md5sums(5)), so that files which were changed, deleted or put there by others are known.
"""

import hashlib
import os
import re
import sys
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.scan import findings
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.trust import reference
from ansible_collections.certops.fleet.plugins.module_utils._host.trust.reference import Anchor, Lost, Reference, Store

_PACKAGES = b"/var/lib/dpkg/info"
_PACKAGE = _PACKAGES + b"/ca-certificates.md5sums"
_SHIPPED = b"usr/share/ca-certificates/"
_SETTINGS = b"/etc/ca-certificates.conf"
FILE, FOLDER, JAVA = b"/etc/ssl/certs/ca-certificates.crt", b"/etc/ssl/certs", b"/etc/ssl/certs/java/cacerts"
_SOURCES = (b"/usr/local/share/ca-certificates/", b"/usr/share/ca-certificates/", b"/etc/ssl/certs/")
_LINE = re.compile(rb"([0-9a-f]{32})  (\S.*)", re.DOTALL)
_HASH = re.compile(rb"[0-9a-f]{8}\.[0-9]{1,4}", re.DOTALL)  # as OpenSSL finds a certificate in a folder (openssl-rehash(1))
_NO_SECRET: t.Dict[str, t.Any] = {"usedforsecurity": False} if sys.version_info >= (3, 9) else {}  # for hosts that allow no MD5 otherwise
_JAVA_PACKAGE = re.compile(rb"jdk|jre|java|temurin|zulu|corretto|liberica|semeru|graalvm")


class DigestsError(ValueError):
    """What dpkg keeps of a package cannot be used, and why."""


def stores(found: findings.Findings, root: bytes) -> t.Iterator[Store]:
    """Yield the stores of Debian that the scan has met."""
    met = {path: _held(found, root + path) for path in (FILE, JAVA) if root + path in found.files}
    if FILE in met:
        met[FOLDER] = _hashed(found, root + FOLDER)
    should = shipped(found, root) if met else reference.unknown("")
    settings = _settings(root) if met else {}
    origins = _origins(found, root) if met else {}
    for path, held in met.items():
        if held:
            kind = "java" if path == JAVA else "debian"
            yield reference.store(root + path, kind, held, should, origin=origins.get, lost=_missing(held, should, settings, root))


def shipped(found: findings.Findings, root: bytes) -> Reference:
    """Return what the package ca-certificates shipped, each file of it compared with its MD5."""
    anchors: t.Dict[str, Anchor] = {}
    lost: t.List[Lost] = []
    try:
        for name, digest in _digests(root + _PACKAGE).items():
            if name.startswith(_SHIPPED) and name.endswith(b".crt"):
                path = root + b"/" + name
                content = reference.read(path)
                if content is not None and _md5(content) == digest:
                    anchors.update(reference.certificates(path, found) if path in found.files else reference.parsed(path, content))
                else:
                    lost.append(Lost(None, path, "changed" if os.path.lexists(path) else "deleted"))
    except DigestsError as exc:
        return reference.unknown(str(exc))
    if not anchors and not lost:
        return reference.unknown("the package ca-certificates of dpkg has no certificates")
    return Reference(anchors, lost, True, None)


def packaged(path: bytes, root: bytes) -> t.Optional[t.Tuple[str, bool]]:
    """Return the package of a JDK that a file belongs to, and whether the file is as it was shipped; None where dpkg knows of none.

    Raise DigestsError where that cannot be told.
    """
    for listed in reference.names(root + _PACKAGES):
        package, ending = listed[len(root + _PACKAGES) + 1 :].rsplit(b".", 1) if b"." in listed else (listed, b"")
        if ending != b"md5sums" or not _JAVA_PACKAGE.search(package):
            continue
        digest = _digests(listed).get(path[len(root) + 1 :])
        if digest is not None:
            content = reference.read(path)
            return package.decode("ascii", "replace"), content is not None and _md5(content) == digest
    return None


def _digests(path: bytes) -> t.Dict[bytes, bytes]:
    """Return the MD5 of each path, without its leading slash, that a package shipped; a line of another form, or without an end, spoils all of it."""
    content = reference.read(path)
    if content is None:
        raise DigestsError(f"dpkg keeps no digests in {path_text(path)}")
    *lines, rest = content.split(b"\n")
    matches = [match for match in map(_LINE.fullmatch, lines) if match is not None and b".." not in match.group(2).split(b"/")]
    if rest or len(matches) != len(lines):
        raise DigestsError(f"the digests that dpkg keeps in {path_text(path)} are damaged")
    return {match.group(2): match.group(1) for match in matches}


def _md5(content: bytes) -> bytes:
    """Return the MD5 as dpkg writes it."""
    try:
        return hashlib.md5(content, **_NO_SECRET).hexdigest().encode()
    except ValueError:
        raise DigestsError("the host's Python refuses MD5, by which dpkg knows the files of packages") from None


def _held(found: findings.Findings, path: bytes) -> t.Set[str]:
    return {held.sha256 for held in found.files[path].certificates}


def _hashed(found: findings.Findings, folder: bytes) -> t.Set[str]:
    """Return the anchors that OpenSSL finds in the folder; certificates of servers that lie there as well are none."""
    held: t.Set[str] = set()
    for file in found.files.values():
        paths = [path for path in (file.path, *file.links) if path.startswith(folder) and path[: len(folder) + 1] == folder + b"/"]
        if any(_HASH.fullmatch(path[len(folder) + 1 :]) for path in paths):
            held.update(each.sha256 for each in file.certificates if found.marks[each.sha256].is_anchor)
    return held


def _settings(root: bytes) -> t.Dict[bytes, str]:
    """Return which names ca-certificates.conf deselects."""
    lines = (reference.read(root + _SETTINGS) or b"").split(b"\n")
    return {line[1:].strip(): "deselected" for line in lines if line.startswith(b"!")}


def _missing(held: t.AbstractSet[str], should: Reference, settings: t.Mapping[bytes, str], root: bytes) -> t.Iterator[Lost]:
    start = len(root) + 1 + len(_SHIPPED)
    for sha256, anchor in sorted((should.anchors or {}).items()):
        if sha256 not in held:
            yield Lost(sha256, anchor.path, settings.get(anchor.path[start:], "missing"), anchor.content)


def _origins(found: findings.Findings, root: bytes) -> t.Dict[str, bytes]:
    """Return the most telling file in which an anchor lies, beside the stores themselves."""
    made = (root + FILE, root + JAVA)
    origins: t.Dict[str, bytes] = {}
    for source in reversed([root + source for source in _SOURCES]):
        for file in found.files.values():
            paths = [path for path in (file.path, *file.links) if path.startswith(source) and not _HASH.fullmatch(os.path.basename(path))]
            if paths and file.path not in made:
                origins.update((held.sha256, min(paths)) for held in file.certificates)
    return origins
