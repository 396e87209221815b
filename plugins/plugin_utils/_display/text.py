# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text for a terminal: what a host sent cannot move the cursor, hide a part of a line or fill the screen."""

from __future__ import annotations

import unicodedata

LONGEST = 300
MORE = "..."


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def visible(line: str) -> str:
    """A line with controls, invisible and half characters shown as escapes."""
    return line if line.isprintable() else "".join(character if character.isprintable() else _escaped(character) for character in line)


def printable(value: object, limit: int = LONGEST) -> str:
    """One visible line of at most C(limit) characters; white space of any kind and length is one space."""
    text = value if isinstance(value, str) else str(value)
    line = visible(" ".join(text[: 4 * limit].split()))
    return line if len(line) <= limit else line[: limit - len(MORE)] + MORE


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def width(text: str) -> int:
    """Columns of a terminal that a printable text takes."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def fitted(text: str, columns: int) -> str:
    """The text in at most so many columns; what is cut off is told by dots."""
    if width(text) <= columns:
        return text
    kept, used = [], len(MORE)
    for character in text:
        used += _columns_of(character)
        if used > columns:
            break
        kept.append(character)
    return ("".join(kept) + MORE)[: max(columns, 0)]


def padded(text: str, columns: int) -> str:
    """The text, filled up with spaces to so many columns."""
    return text + " " * (columns - width(text))


def count(number: int, one: str, many: str | None = None) -> str:
    """A number and its noun."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
