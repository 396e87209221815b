# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What another program lists of a certificate, and a mapping that says where its export has it."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._import.rows import check_expression
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import shown

_YEAR = re.compile("%[YyGcx]")
IDENTIFYING = ("body", "sha256", "serial", "serial_decimal")
TEXTS = ("subject", "common_name", "issuer", "owner", "reference")
FIELDS = (*IDENTIFYING, "sha1", *TEXTS, "not_after", "names", "location")


class ImportedError(ValueError):
    """An export cannot be imported as it is, or not with this mapping."""


@dataclasses.dataclass(frozen=True, slots=True)
class Imported:
    """A certificate as somebody else knows it. C(der) is None where only facts were told; C(not_after) is in seconds.

    C(identity) is its SHA-256, or where that is not known, the SHA-256 of what tells it from others.
    """

    identity: str
    sha256: str | None = None
    der: bytes | None = None
    sha1: str | None = None
    serial: str | None = None
    subject: str | None = None
    common_name: str | None = None
    issuer: str | None = None
    not_after: int | None = None
    names: tuple[str, ...] = ()
    owner: str | None = None
    reference: str | None = None
    locations: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Mapping:
    """JMESPath expressions: C(items) for the rows of a JSON file, C(fields) for a row; C(date_format) is that of datetime.strptime."""

    fields: t.Mapping[str, str]
    items: str | None = None
    date_format: str | None = None

    @classmethod
    def from_told(cls, told: t.Any) -> Mapping:
        """From a task or a file. Raises ImportedError and RowsError."""
        if not isinstance(told, dict) or not {"fields"} <= set(told) <= {"fields", "items", "date_format"}:
            raise ImportedError("mapping must be a dictionary with fields and, if wanted, items and date_format")
        fields = told["fields"]
        if not isinstance(fields, dict) or not set(fields) & set(IDENTIFYING):
            raise ImportedError(f"mapping.fields must be a dictionary of JMESPath expressions with one of {', '.join(IDENTIFYING)}, got {_names(fields)}")
        for name, expression in fields.items():
            if name not in FIELDS:
                raise ImportedError(f"mapping.fields.{shown(name)} is not known, accepted are {', '.join(FIELDS)}")
            check_expression(expression, f"mapping.fields.{name}")
        if told.get("items") is not None:
            check_expression(told["items"], "mapping.items")
        date_format = told.get("date_format")
        if date_format is not None and (not isinstance(date_format, str) or not _YEAR.search(date_format) or "%z" in date_format):
            raise ImportedError(f"mapping.date_format must be a format such as '%d.%m.%Y', with a year and without a zone, got {shown(date_format)}")
        return cls(fields, told.get("items"), date_format)


def _names(fields: t.Any) -> str:
    return ", ".join(shown(name) for name in list(fields)[:10]) or "an empty one" if isinstance(fields, dict) else shown(fields)
