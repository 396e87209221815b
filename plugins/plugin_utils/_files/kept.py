# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that take long to make, kept from run to run where Python keeps what it compiles, and under the same conditions."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._files.text import replace_text


def kept(path: str, key: str, make: t.Callable[[], str]) -> str:
    """The text that was left at the path for the same key, or a new one, which is left there where that is possible."""
    with contextlib.suppress(OSError, ValueError):  # none is there, or it is no text
        with open(path, encoding="ascii") as file:
            head, text = file.read().split("\n", 1)
        if head == _head(key, text):
            return text
    text = make()
    leave(path, f"{_head(key, text)}\n{text}")
    return text


def leave(path: str, text: str) -> None:
    """Put a text there for later runs, where that is possible."""
    if not sys.dont_write_bytecode:
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            replace_text(path, text, mode=0o644)


def _head(key: str, text: str) -> str:
    """With a sum of the text: a disk that was full, or lost its power, may have left another."""
    return f"{key} {hashlib.sha256(text.encode()).hexdigest()}"
