# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trust stores that a scan has met: which anchors were added or removed against what the distribution's package shipped."""

import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.scan import findings
from ansible_collections.certops.fleet.plugins.module_utils._host.text import base64_text, path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.trust import debian, p11kit, reference
from ansible_collections.certops.fleet.plugins.module_utils._host.trust.reference import Anchor, Reference, Row, Store

_JAVA_NAME = b"/lib/security/cacerts"  # below the folder of a JDK
_JAVA_FORMATS = {"jks", "jceks", "pkcs12"}


def told(found: findings.Findings, root: bytes = b"") -> t.Tuple[t.List[Row], t.Dict[str, str]]:
    """Return the stores, and the DER in base64 of what was added or removed.

    Each has path, kind (debian, rhel, suse, java, nss), count of its anchors, added [{sha256, path: where it comes from}],
    removed [{sha256, path, why: deselected, deleted, changed, missing, blocked, distrusted}], both None where that cannot be told; verified: whether the
    package's files were compared with what it shipped; reason: why something cannot be told.
    """
    stores = [*debian.stores(found, root), *p11kit.stores(found, root)]
    known = {store.row["path"] for store in stores}
    for path in sorted(found.files):
        if path_text(path) not in known:
            stores.extend(_others(found.files[path], root))
    named = {each["sha256"] for store in stores for name in ("added", "removed") for each in store.row[name] or ()}
    contents = {sha256: content for store in stores for sha256, content in store.contents.items()}
    contents.update((sha256, found.certificates[sha256]) for sha256 in named if sha256 in found.certificates)
    return [store.row for store in stores], {sha256: base64_text(content) for sha256, content in contents.items()}


def _others(file: findings.File, root: bytes) -> t.Iterator[Store]:
    """Yield the store that a file of a JDK or of NSS is, nothing for any other file."""
    formats = {held.format for held in file.certificates}
    if "nss" in formats:
        from ansible_collections.certops.fleet.plugins.module_utils._host.trust import nss  # noqa: PLC0415 - few hosts have one

        yield nss.store(file)
    elif formats & _JAVA_FORMATS and any(path.endswith(_JAVA_NAME) for path in (file.path, *file.links)):
        held = {each.sha256 for each in file.certificates}
        yield reference.store(file.path, "java", held, _of_jdk(file.path, held, root), origin=lambda _sha256: None)


def _of_jdk(path: bytes, held: t.Set[str], root: bytes) -> Reference:
    """Return what a JDK came with: what it holds now, where its package has shipped exactly that; no package keeps more than a digest."""
    try:
        package = debian.packaged(path, root)
    except debian.DigestsError as exc:
        return reference.unknown(str(exc))
    if package is None:
        return reference.unknown("no package of a JDK that dpkg knows has it")
    name, unchanged = package
    if not unchanged:
        return reference.unknown(f"it is not as the package {name} shipped it, and that is nowhere on the host")
    return Reference({sha256: Anchor(path, None) for sha256 in held}, [], True, None)
