# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what a host answered. A host is not trusted: everything is checked for its type and bounded before it comes near the database."""

from __future__ import annotations

import math
import re
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import INTEGER_LIMIT, PATH_LIMIT, canonical_json, clean_text, clean_value
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import InventoryError

_SHA256 = re.compile("[0-9a-f]{64}")


class Fields:
    """A JSON object; ``where`` is its path for messages. A field that may be missing gives None."""

    def __init__(self, value: t.Any, where: str) -> None:
        if not isinstance(value, dict):
            raise InventoryError(f"{where} of the host's answer is {_shown(value)}: an object is expected")
        self.value: dict[str, t.Any] = value
        self.where = where

    def _get(self, name: str, kinds: tuple[type, ...], expected: str) -> t.Any:
        value = self.value.get(name)
        if value is not None and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
            raise InventoryError(f"{self.where}.{name} of the host's answer is {_shown(value)}: {expected} is expected")
        return value

    def text(self, name: str) -> str | None:
        """Text that a database takes."""
        value = self._get(name, (str,), "a text")
        return None if value is None else clean_text(value)

    def path(self, name: str) -> str:
        """A path as text, or another name that something goes by; it must be there."""
        value = self._get(name, (str,), "a text")
        if not value:
            raise InventoryError(f"{self.where}.{name} of the host's answer is {_shown(value)}: a text is expected")
        return clean_text(value, limit=PATH_LIMIT)

    def sha256(self, name: str) -> str | None:
        """A SHA-256 in lower-case hexadecimal."""
        value = self._get(name, (str,), "a SHA-256 in hexadecimal")
        if value is not None and not _SHA256.fullmatch(value):
            raise InventoryError(f"{self.where}.{name} of the host's answer is {_shown(value)}: a SHA-256 in hexadecimal is expected")
        return t.cast("str | None", value)

    def identity(self, name: str) -> str:
        """A SHA-256 that must be there."""
        value = self.sha256(name)
        if value is None:
            raise InventoryError(f"{self.where}.{name} of the host's answer is missing: a SHA-256 in hexadecimal is expected")
        return value

    def integer(self, name: str, *, bits: int = 31) -> int | None:
        """A whole number; one that does not fit into its column is nothing."""
        value = self._get(name, (int,), "a whole number")
        return value if value is not None and abs(value) < 2**bits else None

    def number(self, name: str) -> float | None:
        """A number; infinity and the like are nothing."""
        value = self._get(name, (int, float), "a number")
        return float(value) if value is not None and abs(value) < INTEGER_LIMIT and math.isfinite(value) else None

    def flag(self, name: str) -> bool | None:
        """True or false."""
        return t.cast("bool | None", self._get(name, (bool,), "true or false"))

    def json(self, name: str) -> str | None:
        """Whatever it is, bounded, as canonical JSON."""
        value = self.value.get(name)
        return None if value is None else canonical_json(clean_value(value))

    def items(self, name: str) -> list[t.Any]:
        """A list; empty when it is missing."""
        return t.cast("list[t.Any] | None", self._get(name, (list,), "a list")) or []

    def texts(self, name: str) -> list[str]:
        """A list of texts."""
        texts = self.items(name)
        if not all(isinstance(text, str) for text in texts):
            raise InventoryError(f"{self.where}.{name} of the host's answer holds something else than texts")
        return [clean_text(text, limit=PATH_LIMIT) for text in texts]

    def objects(self, name: str) -> t.Iterator[Fields]:
        """A list of objects."""
        for index, item in enumerate(self.items(name)):
            yield Fields(item, f"{self.where}.{name}[{index}]")


def _shown(value: t.Any) -> str:
    return repr(value)[:60]
