# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The audit log behind a task: signed when that is due, and copied once and in order, whatever becomes of the targets."""

from __future__ import annotations

import json

import pytest

from ansible_collections.certops.fleet.tests.unit.plugins.plugin_utils._audit.conftest import EVENTS, Log, make_key


def copied(log: Log, name: str = "audit.jsonl") -> list[tuple[str, int]]:
    lines = map(json.loads, (log.folder / name).read_text().splitlines())
    return [(line["type"], line["seq"]) for line in lines]


EXPECTED = [*(("event", seq) for seq in range(1, 6)), ("checkpoint", 5), *(("event", seq) for seq in range(6, EVENTS + 1))]


def command(log: Log, *, works: bool = True) -> None:
    """A target that appends what it gets to a file."""
    script = f"cat >> {log.folder}/out" if works else "cat > /dev/null; exit 3"
    log.set(signing_key=None, targets=[{"name": "program", "command": ["sh", "-c", script]}])


def test_a_checkpoint_after_so_many_events_or_hours(log: Log) -> None:
    """And none where nothing is new."""
    for step, expected in ((lambda: log.add(2), [5, 10]), (lambda: log.clock.move(days=3), [5, 10]), (lambda: log.add(1), [5, 10])):
        step()
        assert log.care() == []
        assert [each.seq for each in log.inventory.checkpoints()] == expected
    log.clock.move(hours=24)
    assert log.care() == []
    assert [(each.seq, each.count) for each in log.inventory.checkpoints()] == [(5, 5), (10, 5), (11, 1)]


def test_lines_arrive_once(log: Log) -> None:
    """However often somebody looks."""
    assert log.care() == []
    assert copied(log) == EXPECTED
    assert log.copy.stat().st_mode & 0o777 == 0o600


def test_a_target_that_fails_gets_the_rest_later(log: Log) -> None:
    """In order and once; until a minute has passed it is left alone, and what it lacks is told."""
    command(log, works=False)
    why = "the command 'sh' ended with 3: it must end with 0 when it has taken the lines"
    assert log.care() == [f"audit target 'program': {why}; what is done is recorded, and the next run tries again"]
    assert log.care() == []
    command(log)
    log.clock.move(seconds=60)
    log.add(1)
    assert log.care() == []
    assert copied(log, "out") == [*(("event", seq) for seq in range(1, EVENTS + 2)), ("checkpoint", 5)]
    assert log.inventory.copies()[1]["program"].problem is None


def test_another_run_that_is_at_it(log: Log) -> None:
    """Is not disturbed; when it died, the next one goes on after its lease."""
    command(log)
    assert log.inventory.claim_copy("program") is not None
    assert log.care() == []
    assert not (log.folder / "out").exists()
    log.clock.move(seconds=181)
    assert log.care() == []
    assert len(copied(log, "out")) == EVENTS + 1


def test_many_lines(log: Log) -> None:
    """Go in parts."""
    log.set(signing_key=None, targets=[{"name": "again", "path": str(log.folder / "again")}])
    with log.inventory.transaction():
        log.add(2500)
    assert log.care() == []
    assert [seq for kind, seq in copied(log, "again") if kind == "event"] == list(range(1, EVENTS + 2501))


def test_half_a_line(log: Log) -> None:
    """Which a crash left is written again."""
    whole = log.copy.read_bytes()
    log.copy.write_bytes(whole[:-20])
    assert log.care() == []  # the inventory knows that it was written
    log.add(1)
    assert log.care() == []
    assert copied(log) == [*EXPECTED, ("event", EVENTS + 1)]


def test_a_file_that_was_moved_away(log: Log) -> None:
    """As by logrotate: the new one begins with the last checkpoint, and can be verified by itself."""
    log.copy.rename(log.folder / "old")
    log.add(1)
    assert log.care() == []
    assert copied(log) == [("checkpoint", 5), *(("event", seq) for seq in range(6, EVENTS + 2))]


def test_a_file_that_is_something_else(log: Log) -> None:
    """Is left as it is."""
    log.copy.write_text("root:x:0:0")
    log.add(1)
    assert "holds something else than a copy of the audit log: name another one" in log.care()[0]
    assert log.copy.read_text() == "root:x:0:0"


@pytest.mark.parametrize(("again", "message"), [(1, "and the inventory has not: it is an older backup"), (6, "has another event 8 than the inventory")])
def test_an_older_backup(log: Log, again: int, message: str) -> None:
    """Is seen before anything is appended to the copy."""
    log.tamper("DELETE FROM events WHERE seq > 6; UPDATE audit_targets SET events_sent = 6")
    log.clock.move(minutes=9)
    log.add(again)
    before = log.copy.read_bytes()
    assert message in log.care()[0]
    assert log.copy.read_bytes() == before


def test_a_key_that_cannot_sign(log: Log) -> None:
    """Is a warning; what is copied goes on."""
    (log.folder / "locked").unlink(missing_ok=True)
    make_key(log.folder / "locked")
    (log.folder / "locked").write_text("no key")
    log.set(signing_key=str(log.folder / "locked"), targets=[{"name": "file", "path": str(log.copy)}])
    log.add(5)
    (told,) = log.care()
    assert told.startswith(f"the checkpoint of event 13 was not signed with '{log.folder}/locked': ")
    assert copied(log)[-1] == ("event", 13)


def test_without_targets_nothing_is_asked(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs nothing."""
    log.set(signing_key=None)
    monkeypatch.setattr(log.inventory, "copies", lambda: pytest.fail("asked"))
    assert log.care() == []
