# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one guarded import of netaddr."""

from __future__ import annotations

__all__ = ["netaddr"]

try:
    import netaddr
except ImportError:
    netaddr = None
