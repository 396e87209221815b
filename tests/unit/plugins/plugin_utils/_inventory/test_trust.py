# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trust stores, and who can read keys, in the inventory."""

from __future__ import annotations

import base64
import sqlite3
import typing as t

import pytest
import sqlalchemy as sa
from alembic import command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import migrate
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.fields import Fields
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.trust import trust_store
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName, InventoryError

STORE = {"path": "/etc/ssl/certs", "kind": "debian", "count": 141, "verified": True, "reason": None}
KEY = {"path": "/etc/tls/k.pem", "entry": 0, "kind": "ec", "format": "pkcs8", "encrypted": False, "size": 256, "spki": "a" * 64, "links": []}
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


def store(inventory: Inventory) -> dict[str, t.Any]:
    (document,) = inventory.documents("trust_stores")
    return document


def test_what_was_added_and_removed(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Is told with what the certificates are called; of a file that is gone nobody knows what was in it."""
    der = tools.make_der("Corporate CA")
    added = [{"sha256": tools.sha256(der), "path": "/usr/local/share/ca-certificates/own.crt"}, {"sha256": "f" * 64, "path": None}]
    removed = [{"sha256": None, "path": "/usr/share/ca-certificates/mozilla/a.crt", "why": "deleted"}]
    trust = [{**STORE, "added": added, "removed": removed}]
    result = tools.answer(certificates={tools.sha256(der): base64.b64encode(der).decode()}, trust=trust)
    assert tools.record(inventory, result, at=clock()).changed
    assert not tools.record(inventory, result, at=clock.move(days=1)).changed
    document = store(inventory)
    assert {name: document[name] for name in STORE} == STORE
    subject = {"subject": {"commonName": "Corporate CA"}, "common_name": "Corporate CA"}
    nobody = {"subject": None, "common_name": None}
    assert document["added"] == [{**added[0], **subject}, {**added[1], **nobody}]
    assert document["removed"] == [{**removed[0], **nobody}]
    assert (document["host"], document["first_seen"], document["last_seen"]) == ("web1", "2026-03-01T12:00:00Z", "2026-03-02T12:00:00Z")


def test_a_store_that_cannot_be_compared(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Has a reason and neither additions nor removals, which is not the same as none."""
    unknown = {**STORE, "verified": False, "reason": "nobody knows", "added": None, "removed": None}
    tools.record(inventory, tools.answer(trust=[unknown, {**STORE, "path": "/etc/b", "added": [], "removed": []}]), at=clock())
    told = [(document["reason"], document["added"], document["removed"]) for document in inventory.documents("trust_stores")]
    assert told == [(None, [], []), ("nobody knows", None, None)]


def test_a_store_that_is_gone(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Is marked, unless the scan did not look there."""
    tools.record(inventory, tools.answer(trust=[{**STORE, "added": [], "removed": []}]), at=clock())
    tools.record(inventory, tools.answer(done=["/opt"]), at=clock.move(days=1), partial=True)
    assert store(inventory)["gone_at"] is None
    tools.record(inventory, tools.answer(), at=clock.move(days=1))
    assert store(inventory)["gone_at"] == "2026-03-03T12:00:00Z"


def test_hosts_are_not_trusted(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """What is not of the agreed shape is refused; what is too long is cut."""
    for wrong in ({"path": 7}, {"path": "/a", "added": 7}, {"path": "/a", "removed": [7]}, {"path": "/a", "added": [{"sha256": "x"}]}, 7):
        with pytest.raises(InventoryError, match="of the host's answer"):
            tools.record(inventory, tools.answer(trust=[wrong]), at=clock())
    huge = {**STORE, "kind": "x" * 100, "count": 2**70, "reason": "\ud800\0" * 10000, "removed": [{"why": "y" * 10000}] * 5000}
    tools.record(inventory, tools.answer(trust=[huge]), at=clock())
    document = store(inventory)
    assert (document["kind"], document["count"], document["added"], len(document["removed"])) == ("x" * 16, None, None, 1000)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("path", "kind", "count", "verified", "reason", "added", "removed"), JSON)))
def test_whatever_a_host_says(told: dict[str, t.Any]) -> None:
    """Becomes a row of plain values, or is refused."""
    try:
        row = trust_store(Fields(told, "result.trust[0]"))
    except InventoryError:
        return
    assert all(value is None or isinstance(value, (str, int)) for value in row.values())


def keys(inventory: Inventory, *names: str) -> list[tuple[t.Any, ...]]:
    return [tuple(document[name] for name in names) for document in inventory.documents("keys")]


def test_who_reads_a_key(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Is kept as the host told it; a host that told nothing is no host on which nobody reads."""
    told = [{"readers": ["alice", "bob"], "readers_count": 70, "everyone": False}, {"readers": [], "readers_count": 0, "everyone": True}, {}]
    rows = [{**KEY, "path": f"/etc/tls/{index}", **each} for index, each in enumerate(told)]
    tools.record(inventory, tools.answer(keys=rows), at=clock())
    assert keys(inventory, "readers", "readers_count", "everyone") == [(["alice", "bob"], 70, False), ([], 0, True), (None, None, None)]
    with pytest.raises(InventoryError, match="something else than texts"):
        tools.record(inventory, tools.answer(keys=[{**KEY, "readers": [7]}]), at=clock())


def test_one_key_in_several_places(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Each place knows the others, on its host and on other hosts, until they are gone."""
    other = HostName("lab", "web2")
    tools.record(inventory, tools.answer(keys=[{**KEY, "path": "/etc/a"}, {**KEY, "path": "/etc/b"}, {**KEY, "path": "/etc/c", "spki": "b" * 64}]), at=clock())
    tools.record(inventory, tools.answer(keys=[{**KEY, "path": "/etc/a"}]), at=clock(), host=other)
    places = [{"namespace": "lab", "host": host, "path": path} for host, path in (("web1", "/etc/a"), ("web1", "/etc/b"), ("web2", "/etc/a"))]
    assert keys(inventory, "host", "path", "shared_with", "shared_count") == [
        ("web1", "/etc/a", [places[1], places[2]], 2),
        ("web1", "/etc/b", [places[0], places[2]], 2),
        ("web1", "/etc/c", [], 0),
        ("web2", "/etc/a", [places[0], places[1]], 2),
    ]
    tools.record(inventory, tools.answer(keys=[{**KEY, "path": "/etc/a"}]), at=clock.move(days=1))
    assert keys(inventory, "host", "path", "shared_with", "shared_count") == [
        ("web1", "/etc/a", [places[2]], 1),
        ("web1", "/etc/b", [places[0], places[2]], 2),
        ("web1", "/etc/c", [], 0),
        ("web2", "/etc/a", [places[0]], 1),
    ]


def test_a_key_on_every_host(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Names some of the other places and counts all."""
    tools.record(inventory, tools.answer(keys=[{**KEY, "path": f"/etc/{index}"} for index in range(300)]), at=clock())
    assert {(len(others), count) for others, count in keys(inventory, "shared_with", "shared_count")} == {(20, 299)}


def test_keys_and_their_certificates(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """A certificate may lie beside its key, on another host, or nowhere; of an encrypted key nobody can say."""
    ders = [tools.make_der(name) for name in ("here", "elsewhere")]
    tools.record(inventory, tools.answer(*ders), at=clock())
    spkis = {document["sha256"]: document["spki"] for document in inventory.documents("places")}
    here, elsewhere = (spkis[tools.sha256(der)] for der in ders)
    rows = [{**KEY, "path": f"/etc/{index}", "spki": spki} for index, spki in enumerate((here, elsewhere, "c" * 64))]
    secret = {**KEY, "path": "/etc/encrypted", "spki": None, "encrypted": True}
    tools.record(inventory, tools.answer(ders[0], keys=[*rows, secret]), at=clock.move(days=1), host=HostName("lab", "web2"))
    assert keys(inventory, "path", "certified", "certificates", "shared_with") == [
        ("/etc/0", "here", [tools.sha256(ders[0])], []),
        ("/etc/1", "elsewhere", [tools.sha256(ders[1])], []),
        ("/etc/2", "nowhere", [], []),
        ("/etc/encrypted", "unknown", None, None),
    ]


def test_the_migration_goes_both_ways(path: str, inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Down to the release before it leaves the keys without their readers, up again nobody is told to read them."""
    result = tools.answer(keys=[{**KEY, "readers": ["alice"], "readers_count": 1, "everyone": False}], trust=[{**STORE, "added": [], "removed": []}])
    tools.record(inventory, result, at=clock())
    with inventory._write() as opened:
        config = migrate.configuration(opened)
        command.downgrade(config, "0003")
        assert not sa.inspect(opened).has_table("trust_stores")
    with sqlite3.connect(path) as raw:
        assert {"readers_json", "readers_count", "everyone"}.isdisjoint(row[1] for row in raw.execute("PRAGMA table_info(keys)"))
        assert "ix_keys_spki" in {row[1] for row in raw.execute("PRAGMA index_list(keys)")}
    with open_inventory(path, now=clock) as again:
        assert keys(again, "path", "spki", "readers", "everyone") == [("/etc/tls/k.pem", "a" * 64, None, None)]
        assert list(again.documents("trust_stores")) == []
