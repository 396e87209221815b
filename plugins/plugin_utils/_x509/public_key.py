# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts about public keys: kind and sizes as community.crypto names them, and the short kind that profiles speak of."""

from __future__ import annotations

import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._x509.crypto import dsa, ec, rsa


def _rsa(key: t.Any) -> dict[str, t.Any]:
    numbers = key.public_numbers()
    return {"size": key.key_size, "modulus": numbers.n, "exponent": numbers.e}


def _dsa(key: t.Any) -> dict[str, t.Any]:
    numbers = key.public_numbers()
    parameters = numbers.parameter_numbers
    return {"size": key.key_size, "p": parameters.p, "q": parameters.q, "g": parameters.g, "y": numbers.y}


def _ec(key: t.Any) -> dict[str, t.Any]:
    numbers = key.public_numbers()
    return {"curve": key.curve.name, "x": numbers.x, "y": numbers.y, "exponent_size": key.curve.key_size}


def public_key_facts(key: t.Any) -> tuple[str, dict[str, t.Any]]:
    """Return (`RSA`, `ECC`, `DSA`, `Ed25519` …, its public numbers) for a key of cryptography's."""
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA", _rsa(key)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ECC", _ec(key)
    if isinstance(key, dsa.DSAPublicKey):
        return "DSA", _dsa(key)
    # Ed25519PublicKey -> Ed25519, MLDSA44PublicKey -> ML-DSA-44
    name = type(key).__name__.removesuffix("PublicKey")
    return (f"ML-DSA-{name[5:]}" if name.startswith("MLDSA") else name), {}
