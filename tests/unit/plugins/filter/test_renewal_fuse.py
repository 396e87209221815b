# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that counts what is due on the hosts of a play."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.filter.renewal_fuse import FilterModule, renewal_fuse


def looks(hosts: int, due: int) -> list[dict[str, t.Any]]:
    """So many hosts with ten declared certificates each, of which so many are due."""
    names = [f"c{number}" for number in range(10)]
    return [{"declared": names, "due": names[:due]} for _host in range(hosts)]


@pytest.mark.parametrize(
    ("given", "options", "allowed", "text"),
    [
        ([], {}, True, "0 of 0 declared certificates are due"),
        (looks(1, 10), {}, True, "10 of 10 declared certificates are due"),
        (looks(10, 2), {}, True, "20 of 100 declared certificates are due"),
        (looks(10, 3), {}, False, "30 of 100 declared certificates are due, more than max_due (10 and 20 % of the declared): nothing is renewed"),
        (looks(10, 3), {"max_due": ""}, False, "30 of 100 declared"),
        (looks(10, 3), {"max_due": 30}, True, "30 of 100 declared"),
        (looks(10, 3), {"max_due": "29"}, False, "30 of 100 declared certificates are due, more than max_due (29)"),
        (looks(10, 3), {"max_due": "30%"}, True, "30 of 100 declared"),
        (looks(1, 1), {"max_due": 0}, False, "1 of 10 declared"),
        (looks(10, 3), {"force": True}, True, "30 of 100 declared certificates are due, more than max_due (10 and 20 % of the declared); forced"),
    ],
)
def test_counts(given: list[dict[str, t.Any]], options: dict[str, t.Any], allowed: bool, text: str) -> None:
    """What is due is compared with the limit, in one sentence."""
    fuse = renewal_fuse(given, **options)
    assert fuse["allowed"] is allowed
    assert fuse["text"].startswith(text)


def test_hosts_that_failed_are_not_counted() -> None:
    """A result of a host that could not be looked at has no counts."""
    assert renewal_fuse([{"failed": True, "msg": "x"}, {"unreachable": True}, *looks(1, 1)])["declared"] == 10


@pytest.mark.parametrize("limit", ["many", "-1", "5%%", "nan", "inf", True, [5]])
def test_limits_that_cannot_be_read(limit: t.Any) -> None:
    """Nothing is renewed; the value and what is accepted are told as the sentence of the result."""
    fuse = renewal_fuse(looks(1, 1), max_due=limit)
    assert fuse["allowed"] is False
    assert fuse["text"].startswith("max_due must")


@pytest.mark.parametrize(("force", "allowed"), [("false", False), ("no", False), (0, False), ("true", True), ("yes", True), (1, True)])
def test_force_as_the_command_line_gives_it(force: t.Any, allowed: bool) -> None:
    """A text counts as what it says."""
    assert renewal_fuse(looks(10, 3), force=force)["allowed"] is allowed


def test_a_force_that_cannot_be_read() -> None:
    """Nothing is renewed."""
    fuse = renewal_fuse(looks(10, 3), force="perhaps")
    assert (fuse["allowed"], fuse["text"]) == (False, "force must be true or false, got 'perhaps'")


def test_entry() -> None:
    """The name under which Ansible finds it."""
    assert FilterModule().filters() == {"renewal_fuse": renewal_fuse}
