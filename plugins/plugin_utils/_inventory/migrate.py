# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings the schema of an inventory to the version that this code knows. Alembic is imported only when there is something to do: it costs 0.1 s."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.schema import HEAD
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import InventoryError

if t.TYPE_CHECKING:
    from alembic.config import Config

SCRIPTS = os.path.join(os.path.dirname(__file__), "migrations")


def version(connection: sa.Connection) -> str | None:
    """The stored version; None for a database without tables."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    stored = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all()
    return str(stored[0]) if stored else None


def is_current(connection: sa.Connection, *, path: str) -> bool:
    """Whether nothing is to be done; a database that is not ours, or from a newer release, is refused."""
    stored = version(connection)
    if stored == HEAD:
        return True
    if stored is None:
        if sa.inspect(connection).get_table_names():
            raise InventoryError(f"inventory {path!r} is the database of another program: it has tables, but no version of this collection")
        return False
    if len(stored) != len(HEAD) or stored > HEAD:
        raise InventoryError(f"inventory {path!r} has the schema version {stored!r}, this release knows up to {HEAD!r}: use the release that wrote it")
    return False


def upgrade(connection: sa.Connection) -> None:
    """Runs the missing migrations inside the caller's transaction."""
    try:
        from alembic import command  # noqa: PLC0415 -- see above
    except ImportError as exc:
        raise InventoryError("the inventory's schema is to be made or changed: the Python package alembic is needed for that") from exc
    command.upgrade(configuration(connection), HEAD)


def configuration(connection: sa.Connection) -> Config:
    """What alembic is told: our migrations, inside the transaction of this connection."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", SCRIPTS.replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    return config
