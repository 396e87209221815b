# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a page begins, as a text."""

from __future__ import annotations

import base64
import json
import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._questions.groups import QuestionError
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.token import Place, read_token, written_token

QUESTION = ["places", "[?path]"]


@pytest.mark.parametrize("place", [(0, ("a" * 64,)), (1, ("lab", "wéb'1", "/etc/\\xff", 7)), (0, (0,))])
def test_what_is_written_is_read(place: Place) -> None:
    """For the same question; the text is no template, number or list that something between could take for one."""
    text = written_token(place, QUESTION)
    assert read_token(text, QUESTION) == place
    assert text.replace("-", "").replace("_", "").isalnum()
    assert read_token(None, QUESTION) is None


def _packed(value: t.Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "text",
    ["", "x", "ééé", "[1]", _packed([]), _packed({}), _packed(["other", 0, "a"]), written_token((0, ("a",)), ["hosts"]), _packed(5), "A" * 1000],
)
def test_what_is_none_is_told(text: str) -> None:
    """That of another question, too."""
    with pytest.raises(QuestionError, match="after must be the 'next' of an earlier answer to the same question, got "):
        read_token(text, QUESTION)


@pytest.mark.parametrize("place", [["0", "a"], [0, None], [0, True], [0, ["a"]], [0, 1.5]])
def test_parts_of_another_type_are_refused(place: list[t.Any]) -> None:
    """Keys are texts and whole numbers."""
    mark = json.loads(base64.urlsafe_b64decode(written_token((0, ("a",)), QUESTION) + "=="))[0]
    with pytest.raises(QuestionError, match="after must be the 'next'"):
        read_token(_packed([mark, *place]), QUESTION)
