# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What other programs list, beside what was seen."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing as t

import pytest
from cryptography import x509

from ansible_collections.certops.fleet.plugins.plugin_utils._import.values import Imported
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.imported import Listed, Listing
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName


def _serial(der: bytes) -> str:
    return f"{x509.load_der_x509_certificate(der).serial_number:x}"


def _whole(tools: t.Any, name: str, **other: t.Any) -> Imported:
    der = tools.make_der(name)
    return Imported(tools.sha256(der), sha256=tools.sha256(der), der=der, serial=_serial(der), common_name=name, not_after=1780142400, **other)


def _put(inventory: Inventory, *certificates: Imported, origin: str = "lemur", write: bool = True) -> Listed:
    return inventory.put_imported(Listing(origin, certificates, "CHG-1"), write=write)


def _counts(listed: Listed) -> tuple[int, ...]:
    return len(listed.added), len(listed.updated), len(listed.removed), listed.kept


def _known(inventory: Inventory) -> dict[str, list[str]]:
    return {document["subject"]["commonName"]: document["known_to"] for document in inventory.documents("certificates")}


def _found(inventory: Inventory) -> list[tuple[str, str | None, str]]:
    every = ((each["finding"], each["host"] or each["origin"], each["name"]) for each in inventory.documents("mismatches"))
    return [each for each in every if "import" in each[0]]


def test_an_import_takes_the_place_of_the_last_one(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Of the same origin alone; what is gone keeps its time, and what comes back the time at which it came first."""
    web, db = _whole(tools, "web", owner="a"), _whole(tools, "db")
    assert _counts(_put(inventory, web, db)) == (2, 0, 0, 0)
    _put(inventory, db, origin="venafi")
    assert _counts(_put(inventory, web, db)) == (0, 0, 0, 2)
    clock.move(days=1)
    assert _counts(_put(inventory, dataclasses.replace(web, owner="b"), _whole(tools, "new"))) == (1, 1, 1, 0)
    told = {(each["origin"], each["common_name"]): each for each in inventory.documents("imported")}
    assert (told["lemur", "web"]["owner"], told["lemur", "web"]["first_imported"], told["lemur", "web"]["changed"]) == (
        "b",
        "2026-03-01T12:00:00Z",
        "2026-03-02T12:00:00Z",
    )
    assert (told["lemur", "db"]["gone_at"], told["venafi", "db"]["gone_at"]) == ("2026-03-02T12:00:00Z", None)
    clock.move(days=1)
    assert _counts(_put(inventory, web, db)) == (1, 1, 1, 0)
    (back,) = (each for each in inventory.documents("imported") if (each["origin"], each["common_name"]) == ("lemur", "db"))
    assert (back["gone_at"], back["first_imported"], back["source"], back["imported_by"]) == (None, "2026-03-01T12:00:00Z", "import", "tester")


def test_only_what_would_be(inventory: Inventory, tools: t.Any) -> None:
    """Is told in check mode, and nothing is written; each import that changes something is one event."""
    assert _counts(_put(inventory, _whole(tools, "web"), write=False)) == (1, 0, 0, 0)
    assert list(inventory.documents("imported")) == []
    _put(inventory, _whole(tools, "web"))
    _put(inventory, _whole(tools, "web"))
    (event,) = inventory.documents("events")
    assert (event["kind"], event["subject"], event["detail"]["added"], event["detail"]["reason"]) == ("inventory.import", "lemur", 1, "CHG-1")
    assert inventory.verify_chain() == ()


def test_who_knows_what(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """What was seen stays as it was seen; what others list and nobody saw is told, and the other way round, until it is gone from their list."""
    seen = [tools.make_der(name) for name in ("web", "db", "both")]
    tools.record(inventory, tools.answer(*seen), at=clock.time)
    assert _found(inventory) == []
    before = list(inventory.documents("places"))
    _put(inventory, _whole(tools, "web", owner="other"), _whole(tools, "both"), _whole(tools, "nowhere"))
    _put(inventory, _whole(tools, "both"), origin="venafi")
    assert list(inventory.documents("places")) == before
    assert _known(inventory) == {"web": ["lemur"], "db": [], "both": ["lemur", "venafi"]}
    assert _found(inventory) == [("imported_unseen", "lemur", "nowhere"), ("seen_unimported", "web1", "db")]
    seen_as = {each["common_name"]: each["seen_as"] for each in inventory.documents("imported") if each["origin"] == "lemur"}
    assert seen_as == {"web": tools.sha256(seen[0]), "both": tools.sha256(seen[2]), "nowhere": None}
    _put(inventory, _whole(tools, "both"))
    assert _found(inventory) == [("seen_unimported", "web1", "web"), ("seen_unimported", "web1", "db")]
    clock.move(days=365)
    _put(inventory, _whole(tools, "nowhere"))
    assert "imported_unseen" not in [finding for finding, _where, _name in _found(inventory)]


@pytest.mark.parametrize(
    ("facts", "known"),
    [
        ({"sha1": "own"}, True),
        ({"sha1": "0" * 40, "common_name": "web"}, False),
        ({"common_name": "WEB"}, True),
        ({"common_name": "other"}, False),
        ({"not_after": 1780142400 + 86400}, True),
        ({"not_after": 1780142400 + 5 * 86400}, False),
        ({"not_after": 1780142400, "common_name": "other"}, False),
        ({}, True),
        ({"serial": "1"}, False),
    ],
)
def test_by_serial_number(inventory: Inventory, tools: t.Any, clock: t.Any, facts: dict[str, t.Any], known: bool) -> None:
    """With something else that agrees, as every issuer has a number 1; a long one says enough."""
    der = tools.make_der("web")
    tools.record(inventory, tools.answer(der), at=clock.time)
    own = {"serial": _serial(der), **facts}
    if own.get("sha1") == "own":
        own["sha1"] = hashlib.sha1(der, usedforsecurity=False).hexdigest()
    _put(inventory, Imported("f" * 64, **own))
    assert _known(inventory) == {"web": ["lemur"] if known else []}


def test_small_serial_numbers_are_those_of_many(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """One alone is nothing to go by."""
    one, other = tools.make_der("one", serial=1), tools.make_der("other", serial=1)
    tools.record(inventory, tools.answer(one), at=clock.time)
    tools.record(inventory, tools.answer(other), at=clock.time, host=HostName("lab", "web2"))
    _put(inventory, Imported("e" * 64, serial="1"), Imported("f" * 64, serial="1", common_name="one"))
    assert _known(inventory) == {"one": ["lemur"], "other": []}


def test_hostile_texts_and_many(inventory: Inventory) -> None:
    """Come out as they went in, on both databases, and many go in at once."""
    texts = ["{{ 7 * 7 }}", "=cmd()", "'; DROP TABLE imported; --", "\u202eabc", "a\nb", "x" * 4000]
    rows = [Imported(f"{number:064x}", serial="1", common_name=text, owner=text, names=(text,), locations=(text,)) for number, text in enumerate(texts)]
    _put(inventory, *rows, *(Imported(f"{number:064x}", serial=f"{number:x}") for number in range(100, 2200)))
    told = {each["common_name"]: each for each in inventory.documents("imported") if each["common_name"]}
    assert set(told) == set(texts)
    assert all(each["names"] == each["locations"] == [text] for text, each in told.items())
    assert json.loads(json.dumps(told)) == told
    assert _counts(_put(inventory, *rows)) == (0, 0, 2100, 6)
