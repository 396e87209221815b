# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the trust flags of an NSS database say (cert9.db). They stand beside the anchors that NSS has built in (libnssckbi), and overrule them.

A row of the class CKO_NSS_TRUST names a certificate by its SHA-1 and has a flag for each purpose (pkcs11n.h of NSS).
"""

import hashlib
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.scan import findings
from ansible_collections.certops.fleet.plugins.module_utils._host.stores import items, nss
from ansible_collections.certops.fleet.plugins.module_utils._host.trust import reference
from ansible_collections.certops.fleet.plugins.module_utils._host.trust.reference import Lost, Reference, Store

_TRUST = b"\xce\x53\x43\x53"  # CKO_NSS_TRUST
_YES = (b"\xce\x53\x43\x51", b"\xce\x53\x43\x52")  # CKT_NSS_TRUSTED and CKT_NSS_TRUSTED_DELEGATOR
_NO = b"\xce\x53\x43\x5a"  # CKT_NSS_NOT_TRUSTED
# CKA_CERT_SHA1_HASH, and CKA_TRUST_ of SERVER_AUTH, CLIENT_AUTH, CODE_SIGNING and EMAIL_PROTECTION
_QUERY = "SELECT ace5363b4, ace536358, ace536359, ace53635a, ace53635b FROM nssPublic WHERE a0 = ? LIMIT 20000"


class FlagsError(ValueError):
    """The trust flags of a database cannot be read, and why."""


def store(file: findings.File) -> Store:
    """Return what is told of a database: the certificates in it that it trusts, and those that it distrusts."""
    try:
        content = reference.read(file.path) or b""
        trusted, distrusted = _flags(content)
        digests = _digests(content, {each.sha256 for each in file.certificates})
    except (ValueError, ImportError) as exc:  # hashlib's own where SHA-1 is refused, and a Python without sqlite3
        return reference.store(file.path, "nss", set(), reference.unknown(f"its trust flags cannot be read: {exc}"), origin=lambda _sha256: None)
    added = {digests[each] for each in trusted if each in digests}
    lost = [Lost(digests[each], file.path, "distrusted") for each in sorted(distrusted) if each in digests]
    own = Reference({}, [], False, "compared with nothing: what NSS has built in is not read")
    return reference.store(file.path, "nss", added, own, origin=lambda _sha256: file.path, lost=lost)


def _digests(content: bytes, seen: t.AbstractSet[str]) -> t.Dict[bytes, str]:
    """Return the SHA-256 by SHA-1 of the certificates that the scan has seen; it may have them from the last scan, without their bytes."""
    ders = [item.content for item in nss.items(content) if isinstance(item, items.Certificate)]
    found = {hashlib.sha1(der).digest(): hashlib.sha256(der).hexdigest() for der in ders}
    return {sha1: sha256 for sha1, sha256 in found.items() if sha256 in seen}


def _flags(content: bytes) -> t.Tuple[t.Set[bytes], t.Set[bytes]]:
    """Return the SHA-1 of what is trusted for anything, and of what is distrusted and trusted for nothing."""
    told = nss.asked(content, _QUERY, (_TRUST,))
    if told is None:
        raise FlagsError("the database is not as NSS makes it")
    known = [(sha1, flags) for sha1, *flags in told if isinstance(sha1, bytes)]
    trusted = {sha1 for sha1, flags in known if any(flag in _YES for flag in flags)}
    return trusted, {sha1 for sha1, flags in known if _NO in flags} - trusted
