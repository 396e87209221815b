# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fuse that stops a run which would renew far more than expected."""

from __future__ import annotations

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.fuse import FuseError, check_fuse, limit_words


@pytest.mark.parametrize(
    ("declared", "due", "max_due", "allowed"),
    [
        (3, 3, None, True),
        (10, 10, None, True),
        (11, 11, None, False),
        (100, 20, None, True),
        (100, 21, None, False),
        (100, 11, "", True),
        (100, 5, 4, False),
        (100, 5, "5", True),
        (100, 50, "50%", True),
        (100, 51, "50%", False),
        (100, 1, 0, False),
        (0, 0, None, True),
    ],
)
def test_limit(declared: int, due: int, max_due: object, allowed: bool) -> None:
    """More than 10 and more than 20 percent stop a run, or what the user says."""
    fuse = check_fuse(declared, due, max_due=max_due)
    assert fuse.allowed is allowed
    assert f"{due} of {declared}" in fuse.text


@pytest.mark.parametrize(("max_due", "words"), [(None, "10 and 20 % of the declared"), (50, "50"), ("20%", "20% of the declared")])
def test_words(max_due: object, words: str) -> None:
    """Documents name the limit as it is set."""
    assert limit_words(max_due) == words


def test_force() -> None:
    """Force goes on, and says that it was forced."""
    fuse = check_fuse(100, 100, force=True)
    assert fuse.allowed
    assert "forced" in fuse.text


@pytest.mark.parametrize("max_due", ["many", "%", "{{ 1 }}", "-3", [1]])
def test_bad_limit(max_due: object) -> None:
    """What is no limit is refused with its value."""
    with pytest.raises(FuseError, match="max_due must"):
        check_fuse(10, 1, max_due=max_due)
