# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many rows at once, one after the other and by COPY."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import rows, schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import InventoryError

HOSTILE = ("tab\tnew\nline\\N\\.", "\\N", "", "Größe ☃", "'; DROP TABLE issuers; --", "{{ x }}", "%s %(x)s")


@pytest.fixture(name="copied", params=[1, 1000], ids=["copy", "singly"])
def _copied(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "COPIED", request.param)


def _issuer(name: str, **other: t.Any) -> dict[str, t.Any]:
    return {"name": name, "kind": "k", "certificate": None, "chain_json": "[]", "facts_json": "{}", "added": 1, "changed": 1, **other}


def _stored(inventory: Inventory) -> dict[str, t.Any]:
    with inventory._read() as connection:
        return {row.name: (row.kind, row.certificate, row.added, row.changed) for row in connection.execute(schema.issuers.select())}


@pytest.mark.usefixtures("copied")
def test_what_is_written_is_what_is_read(inventory: Inventory) -> None:
    """Whatever the text, nothing and bytes."""
    told = [_issuer(f"{number}", kind=text, certificate=bytes(range(256)) if number % 2 else None) for number, text in enumerate(HOSTILE)]
    with inventory._write() as connection:
        rows.upsert(connection, schema.issuers, told)
    assert _stored(inventory) == {row["name"]: (row["kind"], row["certificate"], 1, 1) for row in told}


@pytest.mark.usefixtures("copied")
def test_what_is_there_is_changed_or_stays(inventory: Inventory) -> None:
    """An upsert changes all but what it keeps, of equal keys the last one counts; what is only to be new leaves the first."""
    with inventory._write() as connection:
        rows.upsert(connection, schema.issuers, [_issuer("a"), _issuer("b")])
        rows.upsert(connection, schema.issuers, [_issuer("a", kind="first", added=2), _issuer("a", kind="last", added=2, changed=2)], keep=("added",))
        rows.insert_new(connection, schema.issuers, [_issuer("b", kind="other"), _issuer("c")])
        rows.upsert(connection, schema.issuers, [])
    assert _stored(inventory) == {"a": ("last", None, 1, 2), "b": ("k", None, 1, 1), "c": ("k", None, 1, 1)}


@pytest.mark.usefixtures("copied")
def test_a_row_that_does_not_fit_undoes_all(inventory: Inventory) -> None:
    """One sentence, and nothing is there."""
    with pytest.raises(InventoryError, match="cannot be written"), inventory._write() as connection:
        rows.upsert(connection, schema.issuers, [_issuer("a"), _issuer("b", kind=None)])
    assert _stored(inventory) == {}


def test_what_cannot_be_copied_is_one_sentence(server: str, inventory: Inventory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's own error does not come out."""
    assert server
    monkeypatch.setattr(rows, "COPIED", 1)
    with pytest.raises(InventoryError, match="cannot be written"), inventory._write() as connection:
        rows.upsert(connection, schema.issuers, [_issuer("a", added="yesterday")])
