# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode, and prints what it would do without changing anything.
    support: full
  diff_mode:
    description: Returns what changed in diff mode.
    support: none
  platform:
    description: Which systems it runs against.
    support: full
    platforms: posix
"""
