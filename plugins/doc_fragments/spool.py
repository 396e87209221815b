# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  spool:
    description:
      - An absolute path of a folder on the controller. When the inventory goes away after a host has done its part, what is to be recorded waits there,
        and the next run brings it into the inventory, once. It holds no secret, and is readable for its owner alone.
      - In an execution environment, whose disk is forgotten, name a folder on a volume that stays.
      - The default is the variable C(certops_spool), and without it a folder beside the SQLite file or, for PostgreSQL,
        C(certops/spool) below the user's data folder.
    type: path
"""
