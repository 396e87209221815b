# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key that a host is asked to make."""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import asdict, dataclass

from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.declaration import Declared
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.found import Leaf

CURVES = {256: "secp256r1", 384: "secp384r1", 521: "secp521r1"}
DEFAULT_SIZES = {"ec": 256, "rsa": 3072, "ed25519": None}


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """Kind and size of a key; C(curve) is set for C(ec) only. C(reuse) keeps the key that is there when it fits."""

    type: str
    size: int | None
    curve: str | None
    reuse: bool

    def for_host(self) -> dict[str, t.Any]:
        return asdict(self)

    def digest(self, request_digest: str) -> str:
        """One digest of the request and the key that is asked for: what is staged under another one is not used."""
        text = f"{request_digest}\0{self.type}\0{self.size}\0{self.reuse}"
        return hashlib.sha256(text.encode()).hexdigest()


def _key_request(kind: str, size: int | None, reuse: bool) -> KeyRequest:
    return KeyRequest(kind, size, CURVES[size or 256] if kind == "ec" else None, reuse)


def requested_key(desired: Declared, leaf: Leaf | None) -> KeyRequest:
    """What is declared; else what is there, because a client may depend on its kind; else what the profile says."""
    if desired.key_type != "auto":
        size = desired.key_size or DEFAULT_SIZES[desired.key_type]
        return _key_request(desired.key_type, size, desired.reuse_key)
    if leaf is not None and leaf.key_kind in DEFAULT_SIZES and desired.profile.allows_key(leaf.key_kind, leaf.key_size):
        return _key_request(leaf.key_kind, leaf.key_size or None, desired.reuse_key)
    kind, size = desired.profile.default_key
    return _key_request(kind, size, desired.reuse_key)
