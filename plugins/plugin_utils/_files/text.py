# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text files of the controller."""

from __future__ import annotations

import os
import re
import tempfile
import typing as t


def replace_text(path: str, content: str, *, mode: int = 0o600) -> None:
    """Put a file in place in one step: it is there whole, or as it was before. Line ends are written as they are. Raises OSError."""
    folder, name = os.path.split(path)
    handle, staged = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
    try:
        with open(handle, "w", encoding="utf-8", newline="") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
        os.replace(staged, path)
    except BaseException:
        os.unlink(staged)
        raise


def octal_mode(value: t.Any) -> int | None:
    """The mode that a text such as C(0640) says, or the number that YAML makes of it without quotes; None where it is neither."""
    text = f"{value:04o}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return int(text, 8) if re.fullmatch(r"0?[0-7]{3}", text) else None
