# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one guarded import of SQLAlchemy and of psycopg. Without the packages the names are None: nothing may use them while a file is being imported."""

from __future__ import annotations

import functools
import importlib
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.last import only_files
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import InventoryError

__all__ = ["psycopg_package", "require", "require_postgresql", "sa", "server_dialect", "sqlite"]

try:
    import sqlalchemy as sa
    from sqlalchemy.dialects import sqlite

    importlib.import_module("sqlite3")  # before the workers fork: SQLAlchemy would import it in each of them
except ImportError:
    sa = sqlite = None  # type: ignore[assignment]


@functools.cache
def psycopg_package() -> t.Any:
    """Needed for PostgreSQL alone; None where it is missing, or the system has no libpq."""
    try:
        return importlib.import_module("psycopg")
    except ImportError:
        return None


@functools.cache
def server_dialect() -> t.Any:
    """What SQLAlchemy has for PostgreSQL; whoever has no psycopg does not pay for it either."""
    return importlib.import_module("sqlalchemy.dialects.postgresql") if psycopg_package() else None


def require() -> None:
    """Raises InventoryError unless SQLAlchemy is there in a version that is known to work."""
    if sa is None or not hasattr(sa, "Double"):  # new in 2.0
        raise InventoryError("the Python that runs Ansible needs the package 'SQLAlchemy', version 2.0 or later, for the inventory")


def require_postgresql() -> None:
    """Raises InventoryError unless psycopg 3 is there."""
    if psycopg_package() is None:
        raise InventoryError("the Python that runs Ansible needs the package 'psycopg[binary]', version 3.1 or later, for an inventory in PostgreSQL")


if sa is not None and not only_files():  # before the workers fork
    server_dialect()
