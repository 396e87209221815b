# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Selection by JMESPath."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import select
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.select import SelectError, selected

DOCUMENTS = [{"name": name, "days": days} for name, days in (("a", 5), ("b", 50), ("c", None))]


@pytest.mark.parametrize(
    ("expression", "limit", "expected"),
    [
        (None, None, DOCUMENTS),
        (None, 1, DOCUMENTS[:1]),
        (None, 0, []),
        ("[?days < `30`].name", None, ["a"]),
        ("[].name", 2, ["a", "b"]),
        ("length(@)", None, [3]),
        ("[0]", None, [DOCUMENTS[0]]),
        ("[9]", None, []),
    ],
)
def test_selected(expression: str | None, limit: int | None, expected: list[t.Any]) -> None:
    """Always a list."""
    assert selected(iter(DOCUMENTS), expression, limit=limit) == expected


@pytest.mark.parametrize("expression", ["", "foo[", "[?days <", "unknown(@)", "sort_by(@, &days)", "abs('x')", "[?name < `5`]", "length()", "[" * 5000])
def test_an_expression_that_does_not_work_is_named(expression: str) -> None:
    """In one sentence on one line."""
    with pytest.raises(SelectError) as error:
        selected(DOCUMENTS, expression)
    assert str(error.value).startswith(f"select {expression!r} is not possible: ")
    assert "\n" not in str(error.value)


def test_without_jmespath(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is named; without an expression it is not needed."""
    monkeypatch.setattr(select, "jmespath", None)
    assert selected(DOCUMENTS, None) == DOCUMENTS
    with pytest.raises(SelectError, match="needs the package 'jmespath' for select"):
        selected(DOCUMENTS, "[0]")
