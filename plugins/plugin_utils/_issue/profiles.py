# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an issuer puts into a certificate of a kind. The built-in profiles are here and nowhere else."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import timedelta

from ansible_collections.certops.fleet.plugins.plugin_utils._x509.oids import oid_name

SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"

# Hosts whose clock is a little slow accept a fresh certificate.
BACKDATE = timedelta(minutes=5)

# By kind of key: the sizes in bits that are accepted. An RSA modulus is divisible by 8 (CA/B Forum BR section 6.1.5).
KEY_SIZES: dict[str, t.Collection[int]] = {"ec": (256, 384, 521), "rsa": range(2048, 8192 + 1, 8)}
CURVES = {"secp256r1": 256, "secp384r1": 384, "secp521r1": 521}
RSA_EXPONENT = 65537

# Attributes that a declaration may add to the subject, in the order they are written, with the upper bounds of RFC 5280 appendix A.
SUBJECT_ATTRIBUTES = {
    "countryName": 2,
    "stateOrProvinceName": 128,
    "localityName": 128,
    "organizationName": 64,
    "organizationalUnitName": 64,
}
MAX_COMMON_NAME = 64


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of certificate; `listens` tells whether its holder has a listener that shows it, `default_key` is (kind, bits)."""

    name: str
    extended_key_usages: tuple[str, ...]
    listens: bool
    wildcards: bool = False
    kinds: tuple[str, ...] = ("ec", "rsa", "ed25519")
    default_key: tuple[str, int] = ("ec", 256)
    lifetime: timedelta = timedelta(days=90)
    renew_percent: float = 33
    max_names: int = 100
    subject_attributes: tuple[str, ...] = tuple(SUBJECT_ATTRIBUTES)

    def allows_key(self, kind: str, size: int | None = None) -> bool:
        """Tell whether a key of that kind and size in bits is allowed; an Ed25519 key has one size only."""
        return kind in self.kinds and (size is None or kind == "ed25519" or size in KEY_SIZES[kind])

    def keys_text(self) -> str:
        """Return the allowed keys for a message."""
        texts = {"ec": "EC of 256, 384 or 521 bits (NIST curves)", "rsa": "RSA of 2048 to 8192 bits, divisible by 8", "ed25519": "Ed25519"}
        return "; ".join(texts[kind] for kind in self.kinds)

    @property
    def extended_key_usage_texts(self) -> tuple[str, ...]:
        """The usages under the names that certificate_info() gives."""
        return tuple(oid_name(usage) for usage in self.extended_key_usages)


def key_usages(kind: str) -> frozenset[str]:
    """Return the key usages for a key of that kind; only an RSA key can encipher another key (RFC 5480 section 3)."""
    return frozenset(("digital_signature", "key_encipherment") if kind == "rsa" else ("digital_signature",))


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("tls_server", extended_key_usages=(SERVER_AUTH,), listens=True),
        Profile("tls_client", extended_key_usages=(CLIENT_AUTH,), listens=False),
        Profile("tls_peer", extended_key_usages=(SERVER_AUTH, CLIENT_AUTH), listens=True),
    )
}
