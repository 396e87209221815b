# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of certificates that are gone, and where those came from that are there."""

from __future__ import annotations

import typing as t
from datetime import timedelta

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.succession import NAMES, Stay, successions


def stay(certificate: str, *came: int, gone: int | None = None, path: str = "/a", **other: t.Any) -> Stay:
    return Stay(**{"path": path, "certificate": certificate, "alias": "", "entry": 0, "is_ca": False, "came": came, "gone_at": gone, **other})


def told(stays: t.Sequence[Stay], issued: t.Sequence[tuple[str, str]] = ()) -> set[tuple[str, str, str, str]]:
    """Path, certificate, field and value of everything that is said."""
    found = successions(stays, issued)
    return {(path, certificate, name, value) for (path, certificate, _alias), own in found.items() for name, value in own.items() if value}


@pytest.mark.parametrize(
    ("stays", "expected"),
    [
        ([stay("x", 1), stay("y", 2)], set()),
        ([stay("x", 1, gone=2)], set()),
        ([stay("x", 1, gone=2), stay("y", 2)], {("/a", "x", "replaced_by", "y"), ("/a", "y", "replaces", "x")}),
        ([stay("x", 1, gone=2), stay("y", 4), stay("z", 3)], {("/a", "x", "replaced_by", "z"), ("/a", "z", "replaces", "x")}),
        ([stay("x", 1, gone=3), stay("y", 2)], set()),
        ([stay("x", 1, gone=2), stay("y", 2, path="/b")], set()),
        ([stay("x", 1, gone=2), stay("y", 2, alias="web")], set()),
        ([stay("x", 1, gone=2), stay("y", 2, is_ca=True)], set()),
        (
            [stay("x", 1, gone=2), stay("w", 1, gone=2, entry=1), stay("y", 2, entry=1), stay("z", 2)],
            {("/a", "x", "replaced_by", "z"), ("/a", "z", "replaces", "x"), ("/a", "w", "replaced_by", "y"), ("/a", "y", "replaces", "w")},
        ),
        (
            [stay("x", 1, 3), stay("y", 2, gone=3)],
            {("/a", "y", "replaced_by", "x"), ("/a", "x", "replaces", "y")},
        ),
        ([stay("x", 1, gone=2), stay("x", 2, path="/b")], {("/a", "x", "moved_to", "/b"), ("/b", "x", "moved_from", "/a")}),
        ([stay("x", 1, gone=2), stay("x", 3, path="/b")], set()),
    ],
)
def test_what_follows_from_the_times(stays: list[Stay], expected: set[tuple[str, str, str, str]]) -> None:
    """Replaced where another one came to the place when it had gone, moved where it came to another path at the same time; in any order."""
    assert told(stays) == expected
    assert told(stays[::-1]) == expected


def test_what_was_got_for_the_same_declaration() -> None:
    """Replaces the one before wherever it lies; one that was never seen on the host does not count."""
    stays = [stay("x", 1, gone=5, path="/g1"), stay("z", 5, path="/g3"), stay("other", 5, path="/g4")]
    issued = [("web", "x"), ("api", "other"), ("web", "y"), ("web", "z"), ("web", "z")]
    assert told(stays, issued) == {("/g1", "x", "replaced_by", "z"), ("/g3", "z", "replaces", "x")}
    assert told(stays[:1], issued) == set()


def _scan(inventory: Inventory, tools: t.Any, clock: t.Any, *places: tuple[str, bytes]) -> None:
    found = [tools.place(der, path) for path, der in places]
    tools.record(inventory, tools.answer(*dict.fromkeys(der for _path, der in places), places=found), at=clock.move(days=1))


def test_documents_tell_it(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """A rotation that keeps the old one beside, and its undoing; also as it was before that."""
    old, new = tools.make_der("web"), tools.make_der("web", days=180)
    _scan(inventory, tools, clock, ("/etc/tls/web.pem", old))
    _scan(inventory, tools, clock, ("/etc/tls/web.pem", new), ("/etc/tls/web.pem.old", old))
    _scan(inventory, tools, clock, ("/etc/tls/web.pem", old))
    first, second = tools.sha256(old), tools.sha256(new)
    names = ("path", "sha256", *NAMES)

    def places(**ago: float) -> set[tuple[t.Any, ...]]:
        return {tuple(document[name] for name in names) for document in inventory.documents("places", as_of=clock() - timedelta(**ago))}

    kept = ("/etc/tls/web.pem.old", first, None, None, None, "/etc/tls/web.pem")
    assert places(days=2) == {("/etc/tls/web.pem", first, None, None, None, None)}
    assert places(days=1) == {
        ("/etc/tls/web.pem", first, second, None, "/etc/tls/web.pem.old", None),
        ("/etc/tls/web.pem", second, None, first, None, None),
        kept,
    }
    back = ("/etc/tls/web.pem.old", first, None, None, "/etc/tls/web.pem", None)
    now = {("/etc/tls/web.pem", first, None, second, None, "/etc/tls/web.pem.old"), ("/etc/tls/web.pem", second, first, None, None, None), back}
    assert places() == now
    told = {document["sha256"]: (document["replaces"], document["replaced_by"]) for document in inventory.documents("certificates")}
    assert told == {first: ([second], []), second: ([], [first])}
