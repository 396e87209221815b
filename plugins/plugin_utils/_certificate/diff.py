# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Old and new certificate for diff mode; never a key."""

from __future__ import annotations

import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.declaration import Declared
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.key import KeyRequest
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import certificate_info

FIELDS = (
    "subject",
    "issuer",
    "subject_alt_name",
    "serial_number",
    "not_before",
    "not_after",
    "public_key_type",
    "signature_algorithm",
    "extended_key_usage",
    "sha256",
)


def certificate_text(der: bytes | None) -> str:
    """One line a field, so that a diff shows what changes; empty when there is none."""
    if der is None:
        return ""
    info = certificate_info(der)
    return "".join(f"{field}: {info[field]!r}\n" for field in FIELDS if info.get(field) is not None)


def expected_text(declared: Declared, key: KeyRequest) -> str:
    """What is known of a certificate before it is issued."""
    names = [f"{'IP' if name.kind == 'ip' else 'DNS'}:{name.text}" for name in declared.names]
    kind = key.type if key.size is None else f"{key.type} {key.size}"
    return f"subject_alt_name: {names!r}\nprofile: {declared.profile.name!r}\nkey: {kind}\n"


def certificate_diff(declared: Declared, old: bytes | None, after: str) -> dict[str, t.Any]:
    """One item of a task's C(diff)."""
    header = f"{declared.name} ({declared.certificate_path})"
    return {"before_header": header, "after_header": header, "before": certificate_text(old), "after": after}
