# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a sentence names its certificate; without an import, as displays use it, too."""

from __future__ import annotations


def named(name: str, text: str) -> str:
    """A sentence with the certificate's name, once."""
    return text if text.startswith("certificate ") else f"certificate {name!r}: {text}"
