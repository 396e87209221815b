# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The question of a blast radius, and the file of its picture."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.action.blast_radius import ARGUMENT_SPEC
from ansible_collections.certops.fleet.plugins.plugin_utils._action.arguments import checked_arguments
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.ask import asked, put_picture
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import OwnershipError


def test_one_question() -> None:
    """And its name."""
    assert asked(checked_arguments({"issuer": "internal"}, ARGUMENT_SPEC)) == ("issuer", "internal")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "one of certificate, key, issuer, host, service must be given, got none of them"),
        ({"host": "a", "key": "b"}, "one of certificate, key, issuer, host, service must be given, got key and host"),
        ({"host": ""}, "one of certificate, key, issuer, host, service must be given, got none of them"),
        ({"host": "a", "limit": 0}, "limit must be 1 or more, got 0"),
    ],
)
def test_questions_that_are_none(args: dict[str, t.Any], message: str) -> None:
    """Are told."""
    with pytest.raises(OwnershipError) as caught:
        asked(checked_arguments(args, ARGUMENT_SPEC))
    assert str(caught.value) == message


def test_the_file_of_the_picture(tmp_path: pathlib.Path) -> None:
    """Written once for its owner alone, in check mode not at all; what cannot be written is told."""
    path = tmp_path / "radius.svg"
    assert put_picture(str(path), "<svg>ü</svg>", write=False)
    assert not path.exists()
    assert put_picture(str(path), "<svg>ü</svg>", write=True)
    assert (path.read_text(encoding="utf-8"), os.stat(path).st_mode & 0o777) == ("<svg>ü</svg>", 0o600)
    assert not put_picture(str(path), "<svg>ü</svg>", write=True)
    assert put_picture(str(path), "<svg/>", write=True)
    with pytest.raises(OwnershipError, match=r"^picture '/nonexistent/x\.svg' cannot be written: No such file or directory$"):
        put_picture("/nonexistent/x.svg", "", write=True)
