# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every host asks of the inventory, asked once of an empty one before the workers fork.

To make SQL of a statement takes ten times as long as to run it. What was made is kept for the whole process, and a fork begins with it.
"""

from __future__ import annotations

import gc
import hashlib
from datetime import datetime, timezone
from importlib.util import cache_from_source
from pathlib import Path

from ansible_collections.certops.fleet.plugins.plugin_utils._files.kept import kept
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.connection import MEMORY, WRITE, begin, make_engine
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName, ScanRecord, Stated

_HOST = HostName("", "rehearsal")
_TIME = datetime(2000, 1, 1, tzinfo=timezone.utc)
_NOTHING = {"complete": True, "privileged": True}


def rehearse() -> None:
    """Ask in memory what is asked for a host on which nothing has changed. Without SQLAlchemy nothing happens: it is missed where it is needed."""
    if sa is None:
        return
    engine = make_engine(MEMORY)
    try:
        tables = kept(cache_from_source(schema.__file__, optimization="tables"), _key(), lambda: _tables(engine.dialect))
        with begin(engine, WRITE, path=MEMORY) as connection:
            for table in tables.split(";"):
                connection.exec_driver_sql(table)
        inventory = Inventory(engine, path=MEMORY, now=lambda: _TIME, actor="")
        inventory.known_bundles()
        inventory.known_certificates(_HOST)
        inventory.host_python(_HOST)
        inventory.issuances(host=_HOST, state="issued")
        inventory.issuances(certificate="")
        for _scan in range(2):
            inventory.record_scan(ScanRecord(_HOST, _TIME, _TIME, _NOTHING, {}, partial=False, stated=Stated()))
    finally:
        engine.dispose()
    # What was imported stays: neither this process nor a worker, which would copy the memory for it, need search it for garbage (as the documentation of
    # gc.freeze advises for forks).
    gc.freeze()


def _key() -> str:
    return hashlib.sha256(sa.__version__.encode() + Path(schema.__file__).read_bytes()).hexdigest()


def _tables(dialect: sa.Dialect) -> str:
    """The statements that make the tables: what SQLAlchemy takes to write them is most of what they cost here."""
    return ";".join(str(sa.schema.CreateTable(table).compile(dialect=dialect)) for table in schema.metadata.sorted_tables)
