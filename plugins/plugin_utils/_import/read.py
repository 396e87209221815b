# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates out of an export: each row, seen through a mapping, is one. What is in a row is text and never more."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t
from datetime import datetime, timezone

from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import pem
from ansible_collections.certops.fleet.plugins.plugin_utils._import.rows import RowsError, found_by, problems_text, read_rows
from ansible_collections.certops.fleet.plugins.plugin_utils._import.values import TEXTS, Imported, ImportedError, Mapping
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.certificates import certificate_rows, serial_text, sha256_of
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import LIST_LIMIT, clean_text, digest_of
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import shown

IMPORT_BYTES = 256 << 20
BODY_LIMIT = 100_000
_MILLISECONDS = 100_000_000_000  # numbers above are no seconds: they would be after the year 5000
_OLDEST = 100_000_000  # numbers below are no times of certificates, but the days that a spreadsheet counts
_SERIAL_DIGITS = 80  # RFC 5280 section 4.1.2.2 allows 40 of hexadecimal
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,]\d{1,9})?)?\s?(Z|[+-]\d\d:?\d\d)?)?")
_ASN1 = re.compile(r"\d{14}Z")
_HEX = re.compile("[0-9a-f]+")

Row = dict[str, t.Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Export:
    """What an export lists, how many rows it has, and what is wrong with those that were passed over."""

    certificates: tuple[Imported, ...]
    rows: int
    problems: tuple[str, ...] = ()


def read_export(path: str, mapping: Mapping, *, strict: bool) -> Export:
    """The certificates of a file. With C(strict) the first rows that cannot be used are an ImportedError. Raises RowsError, too."""
    rows = read_rows(path, mapping.items, limit=IMPORT_BYTES)
    found: dict[str, tuple[int, Imported]] = {}
    problems: list[str] = []
    for number, row in enumerate(rows, 1):
        try:
            _put(found, number, _imported(row, mapping, f"row {number}"))
        except (ImportedError, RowsError) as exc:
            problems.append(str(exc))
    if problems and strict:
        raise ImportedError(problems_text(path, problems))
    if not found:
        raise ImportedError(f"{path!r} lists no certificate: to take back what an origin lists, use state=absent")
    return Export(tuple(imported for _number, imported in found.values()), len(rows), tuple(problems))


def _put(found: dict[str, tuple[int, Imported]], number: int, imported: Imported) -> None:
    """The same certificate again, in another location: a row for each is what spreadsheets have."""
    first, before = found.setdefault(imported.identity, (number, imported))
    if before is imported:
        return
    if dataclasses.replace(before, locations=()) != dataclasses.replace(imported, locations=()):
        raise ImportedError(f"row {number} says something else of the same certificate as row {first}")
    locations = tuple(sorted({*before.locations, *imported.locations})[:LIST_LIMIT])
    found[imported.identity] = (first, dataclasses.replace(before, locations=locations))


def _imported(row: t.Any, mapping: Mapping, where: str) -> Imported:
    if not isinstance(row, dict):
        raise ImportedError(f"{where} must be a dictionary, got {shown(row)}")
    told = {name: found_by(row, expression, f"mapping.fields.{name}") for name, expression in mapping.fields.items()}
    given = {name: value for name, value in told.items() if value not in (None, "", [])}
    own = _facts(given, mapping.date_format, where)
    if own.der is not None:
        return _of_body(own, where)
    if own.sha256 is None and own.serial is None:
        raise ImportedError(f"{where} has no certificate, SHA-256 or serial number")
    return dataclasses.replace(own, identity=own.sha256 or digest_of([own.sha1, own.serial, own.issuer]))


def _facts(given: Row, date_format: str | None, where: str) -> Imported:
    """What a row says, each checked by itself."""
    at = {name: f"{where}.{name}" for name in given}
    return Imported(
        identity="",
        sha256=_digest(given["sha256"], 64, at["sha256"]) if "sha256" in given else None,
        der=_der(given["body"], at["body"]) if "body" in given else None,
        sha1=_digest(given["sha1"], 40, at["sha1"]) if "sha1" in given else None,
        serial=_serial(given, at),
        not_after=_seconds(given["not_after"], date_format, at["not_after"]) if "not_after" in given else None,
        names=_texts(given["names"], at["names"], r"[,;\s]+") if "names" in given else (),
        locations=_texts(given["location"], at["location"], "\n") if "location" in given else (),
        **{name: _text(given[name], at[name]) for name in TEXTS if name in given},
    )


def _of_body(told: Imported, where: str) -> Imported:
    """A certificate that is there speaks for itself; what else was told of its identity must be that of it."""
    der = told.der or b""
    sha256 = sha256_of(der)
    row, names = certificate_rows(sha256, der)
    if row["serial"] is None or row["not_after"] is None:
        raise ImportedError(f"{where}.body holds no certificate that can be read: {row['problem']}")
    for name, own in (("sha256", sha256), ("serial", row["serial"])):
        other = getattr(told, name)
        if other is not None and other != own:
            raise ImportedError(f"{where}.{name} is {other!r}, and its body has {own!r}")
    facts: Row = {name: row[name] for name in ("serial", "common_name", "not_after")}
    facts |= {name: _named(row[f"{name}_json"]) for name in ("subject", "issuer")}
    return dataclasses.replace(told, identity=sha256, sha256=sha256, names=tuple(sorted({each["name"] for each in names})), **facts)


def _named(pairs_json: str | None) -> str:
    return clean_text(", ".join(f"{name}={value}" for name, value in json.loads(pairs_json or "[]")))


def _der(told: t.Any, where: str) -> bytes:
    """The first certificate in PEM, or of base64 alone; other blocks, a private key among them, are not looked at."""
    if not isinstance(told, str) or len(told) > BODY_LIMIT:
        raise ImportedError(f"{where} must be a certificate in PEM of at most {BODY_LIMIT} characters, got {_of_size(told)}")
    text = told if pem.BEGIN.decode() in told else f"-----BEGIN CERTIFICATE-----\n{told}\n-----END CERTIFICATE-----\n"
    blocks = (block for block in pem.blocks([text.encode("utf-8", "surrogatepass")]) if block.label.endswith("CERTIFICATE"))
    block = next(blocks, None)
    if block is None or not block.content:
        raise ImportedError(f"{where} holds no certificate in PEM")
    return block.content


def _of_size(told: t.Any) -> str:
    return f"{len(told)} characters" if isinstance(told, str) else shown(told)


def _digest(told: t.Any, length: int, where: str) -> str:
    text = re.sub(r"[:\s]", "", told).lower() if isinstance(told, str) and len(told) < 200 else ""
    if len(text) != length or not _HEX.fullmatch(text):
        raise ImportedError(f"{where} must be {length} digits of hexadecimal, got {shown(told)}")
    return text


def _serial(given: Row, at: t.Mapping[str, str]) -> str | None:
    """In the one form in which serials are compared: a text is hexadecimal, a number is what it is."""
    if "serial_decimal" in given:
        told = given["serial_decimal"]
        text = told.strip() if isinstance(told, str) else str(told) if isinstance(told, int) and not isinstance(told, bool) else ""
        if not re.fullmatch(rf"[0-9]{{1,{_SERIAL_DIGITS}}}", text):
            raise ImportedError(f"{at['serial_decimal']} must be a number in decimal digits, got {shown(told)}")
        return serial_text(int(text))
    if "serial" not in given:
        return None
    told = given["serial"]
    if isinstance(told, int) and not isinstance(told, bool) and 0 <= told < 16**_SERIAL_DIGITS:
        return serial_text(told)
    text = re.sub(r"^0x|[:\s]", "", told.strip().lower()) if isinstance(told, str) and len(told) < 3 * _SERIAL_DIGITS else ""
    if len(text) > _SERIAL_DIGITS or not _HEX.fullmatch(text):
        raise ImportedError(f"{at['serial']} must be a number in hexadecimal digits, got {shown(told)}; decimal ones are serial_decimal")
    return serial_text(int(text, 16))


def _text(told: t.Any, where: str) -> str:
    if isinstance(told, bool) or not isinstance(told, (str, int)):
        raise ImportedError(f"{where} must be a text, got {shown(told)}")
    return clean_text(str(told).strip())


def _texts(told: t.Any, where: str, between: str) -> tuple[str, ...]:
    items = re.split(between, told) if isinstance(told, str) else told if isinstance(told, list) else [told]
    if len(items) > LIST_LIMIT:
        raise ImportedError(f"{where} must be a text or a list of at most {LIST_LIMIT} texts, got {len(items)}")
    return tuple(sorted({_text(item, where) for item in items if item not in (None, "")} - {""}))


def _seconds(told: t.Any, date_format: str | None, where: str) -> int:
    """A time of an export; one without a zone is taken for UTC."""
    try:
        if isinstance(told, (int, float)) and not isinstance(told, bool):
            return _from_number(told)
        if isinstance(told, str) and len(told) < 100:
            return int(_from_text(told.strip(), date_format).timestamp())
    except (ValueError, OverflowError, re.error):  # the last one of a format that has a directive twice
        pass
    wanted = repr(date_format) if date_format else "'2026-11-23' or '2026-11-23T09:43:04Z'"
    raise ImportedError(f"{where} must be a time such as {wanted}, got {shown(told)}; mapping.date_format is for others")


def _from_number(told: float) -> int:
    seconds = int(told / 1000 if told > _MILLISECONDS else told)
    if not _OLDEST < seconds < _MILLISECONDS:
        raise ValueError(told)
    return seconds


def _from_text(text: str, date_format: str | None) -> datetime:
    if date_format is not None:
        return datetime.strptime(f"{text} +0000", f"{date_format} %z")
    if _ASN1.fullmatch(text):
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(text)
    numbers = [int(part or 0) for part in match.groups()[:6]]
    zone = (match[7] or "Z").replace("Z", "+0000")
    return datetime.strptime("{:04}{:02}{:02}{:02}{:02}{:02}".format(*numbers) + zone, "%Y%m%d%H%M%S%z")
