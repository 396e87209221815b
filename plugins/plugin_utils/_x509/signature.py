# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether one certificate signed another."""

from __future__ import annotations

import typing as t
import warnings

from ansible_collections.certops.fleet.plugins.plugin_utils._x509.crypto import InvalidSignature, UnsupportedAlgorithm, x509

UNREADABLE = (ValueError, TypeError, x509.InvalidVersion, UnsupportedAlgorithm) if x509 else (ValueError,)


def readable(der: bytes) -> t.Any:
    """A certificate of cryptography's; None where it takes it for none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a later release will not read is read now
            return x509.load_der_x509_certificate(der)
    except UNREADABLE:
        return None


def is_signed_by(certificate: t.Any, issuer: t.Any) -> bool | None:
    """Whether the signature is that of the issuer's key; None where that cannot be told, as with an algorithm that is not known here."""
    if certificate is None or issuer is None:
        return None
    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    except UNREADABLE:
        return None
    return True
