# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Aliases, locked stores, revocation lists and requests in the inventory."""

from __future__ import annotations

import os
import sqlite3
import typing as t

import pytest
import sqlalchemy as sa
from alembic import command

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import migrate
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import InventoryError

STORE = "/etc/tls/store"
FILE = {"owner": "root", "group": "root", "mode": "0640", "mtime": 1.5, "links": [], "services": ["tomcat"], "class": "in_use"}
LOCKED = {"path": STORE, "format": "pkcs12", "state": "locked", "reason": "no password", **FILE}
CRL = {"path": "/etc/tls/a.crl", "sha256": "c" * 64, "entry": 0, "format": "der", "issuer": "CN=CA", "this_update": 1767225600, "next_update": 1769904000}
REQUEST = {"path": "/etc/tls/a.csr", "sha256": "d" * 64, "entry": 0, "format": "pem", "subject": "CN=web", "key_type": "rsa", "spki": "e" * 64}


def told(inventory: Inventory, kind: str, *names: str) -> list[tuple[t.Any, ...]]:
    return [tuple(document[name] for name in names) for document in inventory.documents(kind)]


def test_one_certificate_under_two_aliases(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Is in two places, and each is gone for itself."""
    der = tools.make_der("web")
    both = [tools.place(der, STORE, alias=alias, format="jks") for alias in ("a", "b")]
    tools.record(inventory, tools.answer(der, places=both), at=clock())
    assert told(inventory, "places", "path", "alias", "state") == [(STORE, "a", "read"), (STORE, "b", "read")]
    tools.record(inventory, tools.answer(der, places=both[1:]), at=clock.move(days=1))
    assert told(inventory, "places", "alias", "gone_at") == [("a", "2026-03-02T12:00:00Z"), ("b", None)]


def test_no_alias(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """What is in no store has none."""
    tools.record(inventory, tools.answer(tools.make_der("web")), at=clock())
    assert told(inventory, "places", "alias", "state", "reason") == [(None, "read", None)]


def test_a_locked_store(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Is a place; what it held before is not gone while nobody sees it, and the lock is gone with the password."""
    der = tools.make_der("web")
    opened = tools.answer(der, places=[tools.place(der, STORE, alias="a", format="pkcs12")])
    locked = tools.answer(locked=[LOCKED], unseen=[STORE])
    tools.record(inventory, opened, at=clock())
    tools.record(inventory, locked, at=clock.move(days=1))
    names = ("path", "state", "reason", "sha256", "status", "class", "services", "gone_at")
    assert told(inventory, "places", *names) == [
        (STORE, "read", None, tools.sha256(der), "ok", "installed", [], None),
        (STORE, "locked", "no password", None, None, "in_use", ["tomcat"], None),
    ]
    first, second = inventory.documents("places")
    assert first.keys() == second.keys()
    tools.record(inventory, opened, at=clock.move(days=1))
    assert told(inventory, "places", "state", "gone_at") == [("read", None), ("locked", "2026-03-03T12:00:00Z")]


def test_lists_and_requests(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Are documents of their own, a list with its health."""
    result = tools.answer(crls=[{**FILE, **CRL, "entries": 3}], requests=[{**FILE, **REQUEST}])
    assert tools.record(inventory, result, at=clock()).changed
    assert not tools.record(inventory, result, at=clock.move(days=1)).changed
    (crl,) = inventory.documents("crls")
    assert (crl["issuer"], crl["entries"], crl["this_update"], crl["next_update"]) == ("CN=CA", 3, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
    assert (crl["status"], crl["last_seen"], crl["owner"]) == ("expired", "2026-03-02T12:00:00Z", "root")
    (request,) = inventory.documents("requests")
    assert (request["subject"], request["key_type"], request["spki"], request["sha256"]) == ("CN=web", "rsa", "e" * 64, "d" * 64)
    tools.record(inventory, tools.answer(), at=clock.move(days=1))
    assert [document["gone_at"] for kind in ("crls", "requests") for document in inventory.documents(kind)] == ["2026-03-03T12:00:00Z"] * 2


@pytest.mark.parametrize("name", ["locked", "crls", "requests"])
def test_hosts_are_not_trusted(inventory: Inventory, tools: t.Any, clock: t.Any, name: str) -> None:
    """What is not of the agreed shape is refused; what is too large for its column is nothing."""
    for wrong in ({"path": 7}, {"path": "/a", "sha256": "x"}, {"path": None}, 7):
        if name != "locked" or not isinstance(wrong, dict) or wrong["path"] != "/a":
            with pytest.raises(InventoryError, match="of the host's answer"):
                tools.record(inventory, tools.answer(**{name: [wrong]}), at=clock())
    huge = {**FILE, **LOCKED, **CRL, "next_update": 2**70, "entries": 2**70, "reason": "\ud800\0", "issuer": "x" * 10**6}
    tools.record(inventory, tools.answer(**{name: [huge]}), at=clock())
    assert len(list(inventory.documents("places" if name == "locked" else name))) == 1


def test_an_older_inventory_is_brought_up_to_date(path: str, tools: t.Any, clock: t.Any) -> None:
    """Its places stay, without an alias."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = migrate.configuration(connection)
        command.upgrade(config, "0001")
        connection.exec_driver_sql("INSERT INTO hosts VALUES (1, 'lab', 'web1', 1, 1)")
        connection.exec_driver_sql("INSERT INTO scans (id, host_id, started, ended, duration, complete, partial) VALUES (1, 1, 1, 1, 1, 1, 0)")
        connection.exec_driver_sql("INSERT INTO certificates (sha256, der, first_seen, names_count) VALUES (?, ?, 1, 0)", ("a" * 64, b"x"))
        columns = "host_id, path, certificate, entry, links_json, services_json, scan_id, first_seen, last_seen"
        connection.exec_driver_sql(f"INSERT INTO places ({columns}) VALUES (1, '/a', ?, 3, '[]', '[]', 1, 1, 1)", ("a" * 64,))
    engine.dispose()
    with open_inventory(path, now=clock) as inventory:
        assert told(inventory, "places", "path", "alias", "entry") == [("/a", None, 3)]
        tools.record(inventory, tools.answer(tools.make_der("web")), at=clock())
    with sqlite3.connect(path) as raw:
        keys = [row[1] for row in sorted(raw.execute("PRAGMA table_info(places)"), key=lambda row: row[5]) if row[5]]
        indexes = {row[1] for row in raw.execute("PRAGMA index_list(places)")}
    assert keys == ["host_id", "path", "certificate", "alias"]
    assert "ix_places_certificate" in indexes
