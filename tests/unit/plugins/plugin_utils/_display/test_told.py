# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as values: what documented results say, and that no result of another form does any harm."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.certops.fleet.plugins.plugin_utils._display.block import block, harmless
from ansible_collections.certops.fleet.plugins.plugin_utils._display.lines import change_text
from ansible_collections.certops.fleet.plugins.plugin_utils._display.told import CERTIFICATE, SCAN, Certificate, Scan, Told, told

ROTATED: dict[str, t.Any] = {
    "name": "web",
    "actions": ["issue"],
    "reasons": [{"when": "now", "code": "expired", "text": "it expired yesterday"}, {"when": "at_renewal", "code": "profile", "text": "other"}],
    "told": [],
    "outcome": "committed",
    "text": "certificate 'web' was put in place",
    "services": ["nginx: reloaded"],
    "verified": True,
    "verified_reason": None,
}
UNCHANGED = {**ROTATED, "name": "db", "actions": [], "reasons": [], "outcome": "unchanged", "services": [], "verified": None}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["certificates", "due", "summary", "problems", "results", "name", "msg"]), inner)
    ),
    max_leaves=20,
)


def _changed(*certificates: dict[str, t.Any], would: bool = False, **result: t.Any) -> str:
    return change_text(told(CERTIFICATE, {"certificates": list(certificates), **result}), would=would)


@pytest.mark.parametrize(
    ("certificate", "text"),
    [
        (ROTATED, "web rotated (it expired yesterday, and 1 more reason), nginx: reloaded"),
        (UNCHANGED, ""),
        ({**ROTATED, "actions": ["reload"], "reasons": []}, "web reloaded, nginx: reloaded"),
        ({**ROTATED, "actions": ["chain", "attributes"], "reasons": [], "services": []}, "web mended"),
        (
            {**ROTATED, "services": [], "verified": False, "verified_reason": "no listener"},
            "web rotated (it expired yesterday, and 1 more reason), not verified: no listener",
        ),
        ({**ROTATED, "reasons": [], "services": [], "text": "certificate 'web' was put in place; but look"}, "web rotated, but look"),
        ({**ROTATED, "outcome": "failed"}, ""),
    ],
)
def test_a_change_is_told_with_its_reason(certificate: dict[str, t.Any], text: str) -> None:
    """What was done, why, and what the services say; nothing of what stays."""
    assert _changed(certificate, UNCHANGED) == text


def test_check_mode_says_would() -> None:
    """The same reasons, and no word of services that were not asked."""
    assert _changed({**ROTATED, "outcome": "pending"}, would=True) == "web would be rotated (it expired yesterday, and 1 more reason)"


def test_many_changes_of_a_host_are_one_line() -> None:
    """The first three and a count."""
    names = [{**ROTATED, "name": f"c{number}", "reasons": [], "services": []} for number in range(20)]
    assert _changed(*names) == "c0 rotated; c1 rotated; c2 rotated; and 17 more"


def test_what_an_earlier_run_left_open_is_told() -> None:
    """It is a change although no certificate is due."""
    assert _changed(recovered=["abc: it was undone"]) == "an earlier run was ended: abc: it was undone"


def test_a_loop_is_the_sum_of_its_items() -> None:
    """Certificates, due ones and the messages of the items that failed."""
    item = {"certificates": [ROTATED], "due": ["web"], "failed": True, "msg": "no"}
    ok = {"certificates": [UNCHANGED], "due": [], "msg": "fine"}
    what = told(CERTIFICATE, {"results": [item, ok], "msg": "One or more items failed"})
    assert ([one.name for one in what.certificates], what.due, what.message) == (["web", "db"], ("web",), "no")


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"msg": "Task failed: Action failed: no CA"}, "no CA"),
        ({"msg": "gone\x1b[2J"}, "gone\\x1b[2J"),
        ({"censored": "hidden"}, "hidden"),
        ({}, ""),
    ],
)
def test_a_failure_has_one_sentence(result: dict[str, t.Any], message: str) -> None:
    """Without what newer cores put before it, and nothing of a result that is hidden."""
    assert told("other.one.module", result).message == message


def test_a_discovery_is_its_figures() -> None:
    """And the first of its problems."""
    result = {
        "summary": {"certificates": 3},
        "complete": False,
        "problems": [{"path": "/a", "reason": "b"}, {}],
        "certificates": [{"name": "not a declared one"}],
    }
    assert told(SCAN, result) == Told(scan=Scan(False, 3, 2, "/a: b"))


@given(JSON)
def test_no_form_of_a_result_does_harm(value: t.Any) -> None:
    """A host may send what it likes."""
    result = value if isinstance(value, dict) else {"results": value}
    for action in (CERTIFICATE, SCAN, ""):
        assert change_text(told(action, result)).isprintable()
    assert all(line.isprintable() for line in block(result))


def test_a_certificate_that_says_nothing_is_one() -> None:
    """Every field has a value."""
    assert told(CERTIFICATE, {"certificates": [{}, "x", None]}).certificates == (Certificate("", outcome=""),)


def test_a_block_is_what_a_person_reads() -> None:
    """Without what is empty, of Ansible's own or shown elsewhere; long lists end in a count; controls are escaped."""
    result = {"_ansible_no_log": False, "changed": True, "invocation": {"x": 1}, "due": [], "declared": ["web\x1b"], "problems": list(range(13)), "text": "証"}
    assert block(result) == ['    declared: ["web\\e"]', "    problems: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 'and 3 more, see -vvv']", "    text: 証"]


def test_an_endless_block_is_cut() -> None:
    """At some line, with a count of the rest."""
    assert len(block({f"key{number}": {"a": {"b": number}} for number in range(1000)})) == 201


def test_a_difference_keeps_its_lines() -> None:
    """What a certificate quotes is visible, line by line; what is no text stays."""
    assert harmless([{"before": "a\x1b[2J\n  b\n", "after": None, "n": 1}]) == [{"before": "a\\x1b[2J\n  b\n", "after": None, "n": 1}]
