# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Revocation lists (RFC 5280 section 5.1) and requests (PKCS #10, RFC 2986 section 4): whose they are and until when."""

import hashlib
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, distinguished, x509

_NAMED = (der.SEQUENCE, der.SEQUENCE)
_TIMES = (der.UTC_TIME, der.GENERALIZED_TIME)


def facts(content: bytes) -> t.Tuple[str, t.Dict[str, t.Any]]:
    """Return what this DER is, 'crl' or 'request', and its facts; raise DerError when it is neither.

    crl: sha256, issuer, this_update, next_update (epoch seconds or None), entries. request: sha256, subject, spki, key_type.
    """
    outer = der.members(content, der.SEQUENCE, der.SEQUENCE, der.BIT_STRING)
    parts = der.children(outer[0].content)
    own = parts[1:] if parts and parts[0].tag == der.INTEGER else parts  # behind the version
    der.expect(own, *_NAMED)
    sha256 = hashlib.sha256(content).hexdigest()
    if len(own) > 2 and own[2].tag in _TIMES:
        return "crl", dict(_list_facts(own[1], own[2:]), sha256=sha256)
    subject, key = own[:2]
    return "request", {"subject": distinguished.text(subject.raw), "spki": hashlib.sha256(key.raw).hexdigest(), "key_type": _key_type(key), "sha256": sha256}


def _key_type(key: der.Element) -> str:
    kind = x509.key_type(key.raw)
    if kind == "unknown":
        raise der.DerError("DER of a request must tell its public key")
    return kind


def _list_facts(issuer: der.Element, rest: t.Sequence[der.Element]) -> t.Dict[str, t.Any]:
    times = [part for part in rest[:2] if part.tag in _TIMES]
    revoked = rest[len(times)] if len(rest) > len(times) and rest[len(times)].tag == der.SEQUENCE else None
    return {
        "issuer": distinguished.text(issuer.raw),
        "this_update": x509.epoch(times[0]),
        "next_update": x509.epoch(times[1]) if len(times) > 1 else None,
        "entries": _count(revoked.content) if revoked else 0,
    }


def _count(content: bytes) -> int:
    """Count elements without making them: a list may have very many."""
    count = offset = 0
    while offset < len(content):
        _start, offset = der.bounds(content, offset, len(content))
        count += 1
    return count
