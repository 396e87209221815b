# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust stores that p11-kit makes (update-ca-trust(8)), those of RHEL and SUSE: the package's sources lie below /usr/share, the administrator's below /etc.

A file of p11-kit has objects with attributes: `trusted: true` makes an anchor of a certificate, `x-distrusted: true` the opposite. Beside it are the folders
`anchors` and `blocklist` (once `blacklist`) of PEM and DER.
"""

import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.scan import findings
from ansible_collections.certops.fleet.plugins.module_utils._host.trust import reference
from ansible_collections.certops.fleet.plugins.module_utils._host.trust.reference import Anchor, Lost, Reference, Store

_OBJECT = b"[p11-kit-object-v1]"
_BELIEVED = "the package's files are taken as they are: rpm's database is not read"


class Layout(t.NamedTuple):
    """Where a distribution has its sources and what is made of them: `stores` by kind, `purposes` the other files that anchors may be in."""

    package: bytes
    own: bytes
    stores: t.Tuple[t.Tuple[str, bytes], ...]
    purposes: t.Tuple[bytes, ...]


_MADE = b"/etc/pki/ca-trust/extracted"
LAYOUTS = (
    Layout(
        b"/usr/share/pki/ca-trust-source",
        b"/etc/pki/ca-trust/source",
        (("rhel", _MADE + b"/pem/tls-ca-bundle.pem"), ("java", _MADE + b"/java/cacerts")),
        (_MADE + b"/pem/email-ca-bundle.pem", _MADE + b"/pem/objsign-ca-bundle.pem"),
    ),
    Layout(
        b"/usr/share/pki/trust",
        b"/etc/pki/trust",
        (("suse", b"/var/lib/ca-certificates/ca-bundle.pem"), ("java", b"/var/lib/ca-certificates/java-cacerts")),
        (),
    ),
)


class Sources(t.NamedTuple):
    """What one folder of sources says of certificates, by SHA-256."""

    trusted: t.Dict[str, Anchor]
    blocked: t.Dict[str, Anchor]


def stores(found: findings.Findings, root: bytes) -> t.Iterator[Store]:
    """Yield the stores of both distributions that the scan has met."""
    for layout in LAYOUTS:
        if any(root + path in found.files for _kind, path in layout.stores):
            yield from _stores(found, root, layout)


def _stores(found: findings.Findings, root: bytes, layout: Layout) -> t.Iterator[Store]:
    package, own = sources(root + layout.package, found), sources(root + layout.own, found)
    should = reference.unknown(f"no anchors of a package are below {layout.package.decode()}")
    if package.trusted:
        anchors = {sha256: anchor for sha256, anchor in package.trusted.items() if sha256 not in package.blocked}
        should = Reference(anchors, [], False, _BELIEVED)
    made = [root + path for path in layout.purposes]
    others = {held.sha256 for path in made if path in found.files for held in found.files[path].certificates}
    # An anchor may be for mail or code alone: it is missing only where it is in none of the files, and that can be told only where all of them are there.
    all_there = bool(made) and all(path in found.files for path in made)
    for kind, path in layout.stores:
        if root + path in found.files:
            held = {each.sha256 for each in found.files[root + path].certificates}
            lost = _lost(held, others if all_there and kind != "java" else None, should, own)
            yield reference.store(root + path, kind, held, should, origin=lambda sha256: _origin(own, sha256), lost=lost)


def _lost(held: t.AbstractSet[str], others: t.Optional[t.AbstractSet[str]], should: Reference, own: Sources) -> t.Iterator[Lost]:
    for sha256, anchor in sorted((should.anchors or {}).items()):
        if sha256 in held:
            continue
        if sha256 in own.blocked:
            yield Lost(sha256, own.blocked[sha256].path, "blocked", anchor.content)
        elif others is not None and sha256 not in others:
            yield Lost(sha256, anchor.path, "missing", anchor.content)


def _origin(own: Sources, sha256: str) -> t.Optional[bytes]:
    return own.trusted[sha256].path if sha256 in own.trusted else None


def sources(folder: bytes, found: findings.Findings) -> Sources:
    """Return what the files in a folder of sources say."""
    told = Sources({}, {})
    for path in reference.names(folder):
        if path.endswith(b".p11-kit"):
            _objects(path, told)
    for name, table in ((b"/anchors", told.trusted), (b"/blocklist", told.blocked), (b"/blacklist", told.blocked)):
        for path in reference.names(folder + name):
            if path.endswith(b".p11-kit"):
                _objects(path, told)
            else:
                table.update(reference.certificates(path, found))
    return told


def _objects(path: bytes, told: Sources) -> None:
    """Add the certificates of a file of p11-kit that are trusted or distrusted."""
    for each in (reference.read(path) or b"").split(_OBJECT)[1:]:
        lines = each[: each.find(b"-----BEGIN ")].splitlines()
        table = told.blocked if b"x-distrusted: true" in lines else told.trusted if b"trusted: true" in lines else None
        if table is not None:
            table.update(reference.parsed(path, each))
