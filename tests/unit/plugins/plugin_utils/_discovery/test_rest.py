# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates beyond one answer: each is asked for until it comes or the host has it no more."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._discovery import rest as module
from ansible_collections.certops.fleet.plugins.plugin_utils._discovery.rest import not_in_it, rest, rest_request
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import InventoryError

ANSWER = {
    "certificates": {"a": "AA=="},
    "places": [{"certificate": "a", "path": "/1"}, {"certificate": "c", "path": "/3"}, {"certificate": "b", "path": "/2"}, {"certificate": "b", "path": "/4"}],
    "bundles": [{"certificates": ["d"], "places": [{"path": "/bundle"}]}, {"certificates": None, "places": [{"path": "/known"}]}],
}


def test_what_an_answer_lacks() -> None:
    """What is named without its bytes, with one of its paths; a bundle that is known is not asked for."""
    assert not_in_it(ANSWER) == {"b": "/2", "c": "/3", "d": "/bundle"}


def test_an_answer_of_another_shape() -> None:
    """Is refused as it is where it is recorded."""
    with pytest.raises(InventoryError):
        not_in_it({"certificates": {}, "places": "x", "bundles": []})


def test_the_request() -> None:
    """Nothing is walked but the files, nothing is left behind, and the rest is as it was asked for."""
    request = rest_request({"paths": None, "store_passwords": ["x"], "keep": True, "known_bundles": ["e"], "probe": "all"}, {"b": "/2", "c": "/2"})
    assert (request["paths"], request["certificates"], request["store_passwords"]) == (["/2"], ["b", "c"], ["x"])
    assert (request["keep"], request["known_bundles"], request["known_certificates"], request["probe"]) == (False, [], "", "none")


def test_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """No part is greater than asked for, what did not come is asked for again, and what comes unasked is not taken."""
    monkeypatch.setattr(module, "PART", 4)
    asked: list[list[str]] = []

    def ask(part: dict[str, str]) -> dict[str, t.Any]:
        asked.append(list(part))
        return {"certificates": dict.fromkeys([*list(part)[:3], "other"], "x")}

    lacking = {str(number): "/" for number in range(10)}
    parts = list(rest(lacking, ask))
    assert max(map(len, asked)) == 4
    assert sorted(digest for part in parts for digest in part) == sorted(lacking)


def test_what_is_gone() -> None:
    """A host that has nothing of a part any more is not asked for it again."""
    asked: list[int] = []
    assert list(rest({"a": "/", "b": "/"}, lambda part: asked.append(len(part)) or {"certificates": {}})) == [{}]
    assert asked == [2]
