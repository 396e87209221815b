# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Untrusted text on its way into the database: what no database or terminal takes is written out, what is too long is cut with a marker."""

from __future__ import annotations

import hashlib
import json
import math
import re
import typing as t

TEXT_LIMIT = 4096
# A path of PATH_MAX bytes, every one of them written as \xNN.
PATH_LIMIT = 4 * 4096
LIST_LIMIT = 1000
# What a 64-bit column holds.
INTEGER_LIMIT = 2**63
DEPTH_LIMIT = 20

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def clean_text(text: str, *, limit: int = TEXT_LIMIT) -> str:
    """Without NUL and lone surrogates, and never longer than ``limit`` and a marker that keeps different texts different."""
    if len(text) <= limit and text.isascii() and "\0" not in text:
        return text
    clean = _UNSTORABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text[: limit + 1])
    if len(text) <= limit:
        return clean
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{clean[:limit]} … [{len(text)} characters, SHA-256 {digest[:16]}]"


def clean_value(value: t.Any, *, depth: int = DEPTH_LIMIT) -> t.Any:
    """The same for JSON values: long lists end with a marker, numbers that are none become null."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < INTEGER_LIMIT else clean_text(f"{value:x}")
    if depth == 0:
        return "… [nested too deeply]"
    if isinstance(value, dict):
        return {clean_text(str(name)): clean_value(item, depth=depth - 1) for name, item in list(value.items())[:LIST_LIMIT]}
    items = [clean_value(item, depth=depth - 1) for item in value[:LIST_LIMIT]]
    return items if len(value) <= LIST_LIMIT else [*items, f"… [{len(value)} entries]"]


def canonical_json(value: t.Any) -> str:
    """The one JSON text of a value: sorted names, no blanks, ASCII only."""
    return _CANONICAL.encode(value)


def digest_of(value: t.Any) -> str:
    """SHA-256 of the canonical JSON, lower-case hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()
