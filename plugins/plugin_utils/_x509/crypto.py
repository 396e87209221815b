# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one guarded import of cryptography. The rest of the controller imports its names from here.

Without the package the names are None: nothing may use them while a file is being imported.
"""

from __future__ import annotations

__all__ = [
    "CryptographyMissingError",
    "InvalidSignature",
    "UnsupportedAlgorithm",
    "ciphers",
    "dsa",
    "ec",
    "ed25519",
    "hashes",
    "ocsp",
    "require",
    "rsa",
    "serialization",
    "x509",
]

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import ciphers, hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
    from cryptography.x509 import ocsp
except ImportError as exc:
    x509 = ciphers = hashes = ocsp = serialization = dsa = ec = ed25519 = rsa = None  # type: ignore[assignment]
    InvalidSignature = UnsupportedAlgorithm = RuntimeError  # type: ignore[assignment, misc]
    _missing: ImportError | None = exc
else:
    _missing = None if hasattr(x509.Certificate, "not_valid_after_utc") else ImportError("its version is below 42")


class CryptographyMissingError(ValueError):
    """The Python that runs Ansible lacks the package cryptography."""


def require() -> None:
    """Raise CryptographyMissingError unless a usable cryptography is there."""
    if _missing is not None:
        raise CryptographyMissingError(f"the Python that runs Ansible needs the package 'cryptography', version 42 or later: {_missing}")
