# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads a certificate again before it is signed and compares it with what its profile says.

It goes by certificate_info() and the raw DER, not by the objects that the certificate was built from.
"""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.certops.fleet.plugins.plugin_utils._issue.profiles import MAX_COMMON_NAME, key_usages
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.request import CheckedRequest
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.crypto import serialization
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.der import certificate_parts
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import KEY_USAGES, TIME_FORMAT, certificate_info

# Serial: positive, at most 20 octets (RFC 5280 section 4.1.2.2), at least 64 bits of randomness (CA/B Forum BR section 7.1).
MIN_SERIAL, MAX_SERIAL = 1 << 64, (1 << 159) - 1
# keyUsage, subjectAltName, basicConstraints, CRL distribution points, authorityKeyIdentifier, extended key usage, subjectKeyIdentifier, AIA.
ALLOWED_EXTENSIONS = frozenset(
    ("2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.31", "2.5.29.35", "2.5.29.37", "1.3.6.1.5.5.7.1.1"),
)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the certificate must say; `issuer` is the issuing CA's certificate (DER)."""

    request: CheckedRequest
    serial: int
    not_before: datetime
    not_after: datetime
    issuer: bytes


def _fields(expected: Expected, issuer: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the expected values under certificate_info()'s names."""
    want = expected.request.wanted
    subject = [list(pair) for pair in want.subject]
    key = expected.request.public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {
        "problem": None,
        "version": 3,
        "serial_number": expected.serial,
        "issuer_ordered": issuer["subject_ordered"],
        "subject_ordered": subject,
        "not_before": expected.not_before.strftime(TIME_FORMAT),
        "not_after": expected.not_after.strftime(TIME_FORMAT),
        "subject_alt_name": [f"{'DNS' if name.kind == 'dns' else 'IP'}:{name.text}" for name in want.names],
        "subject_alt_name_critical": not subject,
        "basic_constraints": ["CA:FALSE"],
        "basic_constraints_critical": True,
        "key_usage": sorted(KEY_USAGES[usage] for usage in key_usages(expected.request.key_kind)),
        "key_usage_critical": True,
        "extended_key_usage": sorted(want.profile.extended_key_usage_texts),
        "authority_key_identifier": issuer["subject_key_identifier"],
        "spki": hashlib.sha256(key).hexdigest(),
    }


def lint(der: bytes, expected: Expected) -> list[str]:
    """Return a sentence for everything in which the certificate is not what is expected."""
    issuer = certificate_info(expected.issuer, now=expected.not_before)
    found = certificate_info(der, now=expected.not_before)
    problems = [f"{name} is {found[name]!r}, expected {value!r}" for name, value in _fields(expected, issuer).items() if found[name] != value]
    parts = certificate_parts(der)
    oids = [extension.oid for extension in parts.extensions]
    problems += [f"extension {oid} does not belong there" for oid in oids if oid not in ALLOWED_EXTENSIONS]
    problems += [f"extension {oid} is there twice" for oid in sorted(set(oids)) if oids.count(oid) > 1]
    if not found["subject_key_identifier"]:
        problems.append("the subject key identifier is missing")
    if not MIN_SERIAL <= parts.serial_number <= MAX_SERIAL:
        problems.append(f"the serial {parts.serial_number} is not one of 65 to 159 bits")
    if found["not_after"] > (issuer["not_after"] or ""):
        problems.append(f"it ends at {found['not_after']}, after its issuer at {issuer['not_after']}")
    if len((found["subject"] or {}).get("commonName", "")) > MAX_COMMON_NAME:
        problems.append(f"its common name has more than {MAX_COMMON_NAME} characters")
    return problems
