# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows beyond one answer, on the controller: all are asked for, and what a host makes up is refused."""

from __future__ import annotations

import tempfile
import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.module_utils._host.scan.parts import NAMES
from ansible_collections.certops.fleet.plugins.plugin_utils._discovery.parts import Parts, merge, other_parts
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import InventoryError


def test_every_part_is_asked_for() -> None:
    """In order, by the token of the answer; an answer that is whole is not followed by a question."""
    asked: list[t.Any] = []
    found = list(other_parts({"more": {"token": "t", "count": 2}}, lambda part: asked.append(part) or {"places": [len(asked)], "other": 1}))
    assert asked == [{"part": {"token": "t", "number": number}} for number in (0, 1)]
    assert [part["places"] for part in found] == [[1], [2]]
    assert all(tuple(part) == NAMES for part in found)
    assert list(other_parts({"more": None}, asked.append)) == list(other_parts({}, asked.append)) == []


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"token": "t", "count": 10**6}, "result.more.count of the host's answer is 1000000: at most 10000 are accepted"),
        ([1], r"result.more of the host's answer is \[1\]: an object is expected"),
    ],
)
def test_what_a_host_makes_up(more: t.Any, message: str) -> None:
    """Is refused before anything more is asked."""
    with pytest.raises(InventoryError, match=message):
        list(other_parts({"more": more}, pytest.fail))


def test_parts_in_a_file() -> None:
    """They come back as they were, as often as they are wanted, also between two that are added."""
    with tempfile.TemporaryFile() as file:
        parts = Parts(file)
        assert not parts
        for number in range(3):
            parts.add({"places": [{"path": f"/é{number}"}]})
            assert [part["places"][0]["path"] for part in parts] == [f"/é{before}" for before in range(number + 1)]
        assert len(parts) == 3


def test_merged() -> None:
    """The rows of a part follow those of the answer; a list that a part lacks changes nothing."""
    answer = {name: [1] for name in NAMES}
    merge(answer, {"places": [2], "keys": None})
    assert (answer["places"], answer["keys"]) == ([1, 2], [1])
