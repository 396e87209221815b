# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  attention:
    description:
      - How many of the hosts that need attention are named at the end. The rest is counted.
    type: int
    default: 20
    env:
      - name: CERTOPS_DISPLAY_ATTENTION
    ini:
      - section: certops_display
        key: attention
"""
