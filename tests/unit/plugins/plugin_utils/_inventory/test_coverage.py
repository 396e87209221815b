# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host may look at: which folder decides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.coverage import Coverage
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.fields import Fields

PATHS = st.lists(st.sampled_from("ab"), max_size=4).map(lambda names: "/" + "/".join(names))


@pytest.mark.parametrize(
    ("path", "saw"),
    [
        ("/etc/a.pem", True),
        ("/etc", True),
        ("/etcetera/a.pem", False),
        ("/etc/private/a.pem", False),
        ("/etc/private/open/a.pem", True),
        ("/etc/private2/a.pem", True),
        ("/srv/a.pem", False),
        ("relative", False),
    ],
)
def test_the_nearest_folder_decides(path: str, saw: bool) -> None:
    """Done or not done, whichever is named closer to the file; what nobody named was not looked at."""
    coverage = Coverage(done=frozenset(("/etc", "/etc/private/open")), unseen=frozenset(("/etc/private",)))
    assert coverage.saw(path) is saw


@given(done=st.sets(PATHS), unseen=st.sets(PATHS), more=PATHS, path=PATHS)
def test_more_that_was_not_seen_never_makes_more_gone(done: set[str], unseen: set[str], more: str, path: str) -> None:
    """A further folder that was not looked into can only take away from what the scan saw."""
    before = Coverage(done=frozenset(done), unseen=frozenset(unseen))
    after = Coverage(done=frozenset(done), unseen=frozenset((*unseen, more)))
    assert before.saw(path) or not after.saw(path)
    assert not Coverage(done=frozenset(done), unseen=frozenset("/")).saw(path)


def test_joined() -> None:
    """What a part has read counts, and is kept only where nothing said so before: not once for each of a hundred thousand places."""
    head = Coverage.from_result(Fields({"done": ["/etc"], "unseen": ["/etc/private"]}, "result"))
    part = Coverage.from_result(Fields({"places": [{"path": path} for path in ("/etc/a", "/etc/private/b", "/opt/c")]}, "result"))
    joined = head.joined(part)
    assert joined.done == {"/etc", "/etc/private/b", "/opt/c"}
    assert [joined.saw(path) for path in ("/etc/x", "/etc/private/b", "/etc/private/x", "/opt/c", "/opt/x")] == [True, True, False, True, False]
    assert Coverage(frozenset(), frozenset({"/"})).joined(part).done == frozenset()
