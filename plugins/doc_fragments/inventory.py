# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  inventory:
    description:
      - URL of the inventory, such as V(sqlite:////srv/certops/inventory.db)
        or V(postgresql://certops@db.example/certops?sslmode=verify-full&sslrootcert=/etc/certops/db-ca.pem).
      - PostgreSQL 15 or later needs the Python package C(psycopg[binary]). Leave a password to C(PGPASSFILE) or C(PGPASSWORD).
      - The default is the variable C(certops_inventory), and without it an SQLite file below the user's data folder.
    type: str
"""
