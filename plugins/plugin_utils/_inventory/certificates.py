# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates in the inventory: each is stored once, by the SHA-256 of its DER, and never changes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.fields import Fields
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import insert_new, present
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import LIST_LIMIT, canonical_json, clean_text, clean_value
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import seconds
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import certificate_info, moment

Row = dict[str, t.Any]
KINDS_OF_NAMES = {"DNS": "dns", "IP": "ip", "email": "email", "URI": "uri"}


def sha256_of(der: bytes) -> str:
    """Identity of a certificate."""
    return hashlib.sha256(der).hexdigest()


def checked_certificates(told: t.Any) -> tuple[dict[str, bytes], list[str]]:
    """The DER by fingerprint out of an answer, and the names of those that do not have their fingerprint: taken, a host could replace what others have."""
    found, refused = {}, []
    for sha256, text in Fields(told or {}, "result.certificates").value.items():
        try:
            der = base64.b64decode(text, validate=True)
        except (TypeError, ValueError, binascii.Error):
            der = b""
        if sha256_of(der) == sha256:
            found[sha256] = der
        else:
            refused.append(sha256)
    return found, refused


def missing(connection: sa.Connection, identities: t.Collection[str]) -> set[str]:
    """Those that are not stored yet."""
    return set(identities) - present(connection, schema.certificates.c.sha256, identities)


def parsed(ders: t.Mapping[str, bytes]) -> tuple[list[Row], list[Row]]:
    """Rows for ``certificates`` (without first_seen) and ``certificate_names``: what costs time, to be done outside a transaction."""
    rows, names = [], []
    for sha256, der in ders.items():
        row, own = certificate_rows(sha256, der)
        rows.append(row)
        names.extend(own)
    return rows, names


def certificate_rows(sha256: str, der: bytes) -> tuple[Row, list[Row]]:
    """The row of one certificate and those of its names; at most LIST_LIMIT names are kept, ``names_count`` tells how many there are."""
    info = certificate_info(der)
    alternative = info["subject_alt_name"] or []
    return {
        "sha256": sha256,
        "der": der,
        "subject_json": _json(info["subject_ordered"]),
        "issuer_json": _json(info["issuer_ordered"]),
        "common_name": _text(dict(info["subject_ordered"] or []).get("commonName")),
        "issuer_name": _text(dict(info["issuer_ordered"] or []).get("commonName")),
        "serial": None if info["serial_number"] is None else serial_text(info["serial_number"]),
        "not_before": _time(info["not_before"]),
        "not_after": _time(info["not_after"]),
        "key_type": _text(info["public_key_type"]),
        "key_size": _size(info),
        "signature_algorithm": _text(info["signature_algorithm"]),
        "spki": info["spki"],
        "subject_key_identifier": _text(info["subject_key_identifier"]),
        "authority_key_identifier": _text(info["authority_key_identifier"]),
        "is_ca": info["is_ca"],
        "self_issued": info["self_issued"],
        "names_count": len(alternative),
        "problem": _text(info["problem"]),
    }, [_name(sha256, position, name) for position, name in enumerate(alternative[:LIST_LIMIT])]


def add(connection: sa.Connection, rows: t.Sequence[Row], names: t.Sequence[Row], *, time: int) -> None:
    """Stores parsed certificates; one that another process has stored meanwhile is left as it is."""
    insert_new(connection, schema.certificates, [row | {"first_seen": time} for row in rows])
    insert_new(connection, schema.certificate_names, names)


def serial_text(serial: int) -> str:
    """The one form in which serials are compared: lower-case hexadecimal without leading zeros."""
    return f"{serial:x}"


def _name(sha256: str, position: int, text: str) -> Row:
    kind, separator, name = text.partition(":")
    return {"certificate": sha256, "position": position, "kind": KINDS_OF_NAMES.get(kind, "other"), "name": clean_text(name if separator else text)}


def _time(text: str | None) -> int | None:
    return None if text is None else seconds(moment(text))


def _text(value: t.Any) -> str | None:
    return None if value is None else clean_text(str(value))


def _json(value: t.Any) -> str | None:
    return None if value is None else canonical_json(clean_value(value))


def _size(info: t.Mapping[str, t.Any]) -> int | None:
    """Bits of the key, of an elliptic curve those of its field; None for kinds that have one size alone."""
    data = info["public_key_data"] or {}
    size = data.get("size", data.get("exponent_size"))
    return size if isinstance(size, int) and size < 2**31 else None
