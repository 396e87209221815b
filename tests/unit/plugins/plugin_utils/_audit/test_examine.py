# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody does to the audit log is seen: in the database file, and in a copy of it."""

from __future__ import annotations

import json
import subprocess
import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._audit.examine import Wanted, of_copy, of_database, result, since
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.settings import AuditError
from ansible_collections.certops.fleet.plugins.plugin_utils._audit.signing import NAMESPACE, allowed_signers
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.chain import Anchor, line_hash
from ansible_collections.certops.fleet.tests.unit.plugins.plugin_utils._audit.conftest import EVENTS, Log, make_key

REHASHED = "the whole chain is made anew, so that it holds"


def examined(log: Log, *known: Anchor, **wanted: t.Any) -> dict[str, t.Any]:
    return result(of_database(log.inventory, log.settings, Wanted(**wanted), known), log.settings)


def in_copy(log: Log, *known: Anchor, **wanted: t.Any) -> dict[str, t.Any]:
    return result(of_copy(str(log.copy), Wanted(**wanted), known), log.settings)


def test_a_log_that_nobody_touched(log: Log) -> None:
    """Holds, in the database and in the copy; it ends with the same line."""
    one, other = examined(log), in_copy(log)
    assert (one["problems"], other["problems"]) == ([], [])
    assert (one["findings"], one["checkpoints"], one["checkpoint"]["seq"]) == ([], 1, 5)
    assert one["targets"] == [{"name": "file", "last_seq": EVENTS, "waiting": 0, "problem": None}]
    for name in ("count", "last_seq", "last_hash", "checkpoint"):
        assert one[name] == other[name]


def make_anew(log: Log) -> None:
    """Changes an old event and computes every hash behind it again."""
    from sqlalchemy import create_engine, text

    engine = create_engine(f"sqlite:///{log.path}")
    with engine.begin() as connection:
        previous = "0" * 64
        for row in connection.execute(text("SELECT * FROM events ORDER BY seq")).mappings().all():
            line = {**row, "previous": previous, "subject": "forged" if row["seq"] == 2 else row["subject"]}
            previous = line_hash(line)
            values = {"subject": line["subject"], "previous": line["previous"], "hash": previous, "seq": row["seq"]}
            connection.execute(text("UPDATE events SET subject = :subject, previous = :previous, hash = :hash WHERE seq = :seq"), values)
    engine.dispose()


DATABASE = [
    ("UPDATE events SET reason = 'x' WHERE seq = 3", "event 3 was altered"),
    ("UPDATE events SET version = 1 WHERE seq = 3", "event 3 was altered"),
    ("UPDATE events SET version = 9 WHERE seq = 3", "event 3 was altered"),
    ("DELETE FROM events WHERE seq = 4", "event 4 is missing"),
    ("DELETE FROM events WHERE seq < 4", "events 1 to 3 are missing"),
    ("DELETE FROM events WHERE seq <= 5", "events 1 to 5 are missing, and no event says that they were removed"),
    ("UPDATE events SET seq = 99 WHERE seq = 2; UPDATE events SET seq = 2 WHERE seq = 3; UPDATE events SET seq = 3 WHERE seq = 99", "event 2 was altered"),
    ("DELETE FROM events WHERE seq > 3", "the log ends with event 3, and the copy"),
    ("DELETE FROM events", "the log is empty, and the copy"),
    ("DELETE FROM events; DELETE FROM checkpoints", "the log is empty, and the copy"),
    ("UPDATE checkpoints SET hash = previous", "event 5 is not the one that the checkpoint of event 5 names"),
    ("UPDATE checkpoints SET time = time + 1", "checkpoint 5: its signature is not one of the given signers on its content"),
    ("UPDATE checkpoints SET signature = ''", "checkpoint 5: its signature is not one of the given signers on its content; it names the key unknown"),
    ("UPDATE checkpoints SET previous = hash", "checkpoint 5 does not continue the one before it"),
    (REHASHED, "event 5 is not the one that the checkpoint of event 5 names"),
    (REHASHED, "event 8 is not the one that the copy"),
]


@pytest.mark.parametrize(("statement", "problem"), DATABASE)
def test_attacks_on_the_database_file(log: Log, statement: str, problem: str) -> None:
    """Deletion, change, reordering, truncation, and a chain that is made anew."""
    if statement == REHASHED:
        make_anew(log)
    else:
        log.tamper(statement)
    told = examined(log)
    assert not told["verified"]
    assert any(text.startswith(problem) for text in told["problems"])


def test_a_log_without_copy_and_checkpoint(log: Log) -> None:
    """Can be made anew unseen, except by who noted its end; that much is said."""
    end = Anchor(EVENTS, examined(log)["last_hash"], "known_seq")
    log.set(signing_key=None)
    log.tamper("DELETE FROM checkpoints; DELETE FROM events WHERE seq > 6")
    told = examined(log)
    assert told["verified"]
    assert [text.partition(":")[0] for text in told["findings"]] == [
        "the audit log is not copied out of the database",
        "no checkpoint of the audit log is signed",
    ]
    assert examined(log, end)["problems"] == ["the log ends with event 6, and known_seq names event 8: events 7 to 8 are missing"]


def lines_of(log: Log) -> list[str]:
    return log.copy.read_text().splitlines()


COPY: list[tuple[str, t.Callable[[list[str]], list[str]], str]] = [
    ("deletion", lambda lines: [*lines[:2], *lines[3:]], "event 3 is missing"),
    ("head", lambda lines: lines[3:], "events 1 to 3 are missing"),
    ("change", lambda lines: [line.replace("subject 1", "subject 9") for line in lines], "event 2 was altered"),
    ("order", lambda lines: [lines[1], lines[0], *lines[2:]], "event 1 stands behind event 2"),
    ("twice", lambda lines: [*lines[:3], *lines[2:]], "event 3 is there more than once"),
    ("end", lambda lines: [*lines[:3], lines[5]], "the log ends with event 3, and the checkpoint of event 5 names event 5: events 4 to 5 are missing"),
    ("checkpoint", lambda lines: [lines[5], *lines[7:]], "event 6 is missing"),
    ("text", lambda lines: [*lines, "{"], "line 10 is not JSON"),
    ("field", lambda lines: [*lines, '{"type":"event"}'], "line 10 is neither an event nor a checkpoint"),
    ("type", lambda lines: [*lines, lines[0].replace('"seq":1', '"seq":"1"')], "line 10 is neither an event nor a checkpoint"),
    ("list", lambda lines: [*lines, "[" * 100_000], "line 10 is not JSON"),
    ("all", lambda lines: [lines[5]], "the log is empty, and the checkpoint of event 5 names event 5"),
]


@pytest.mark.parametrize(("change", "problem"), [(change, problem) for _name, change, problem in COPY], ids=[name for name, _change, _problem in COPY])
def test_attacks_on_a_copy(log: Log, change: t.Callable[[list[str]], list[str]], problem: str) -> None:
    """The same of the lines of the file, which needs no database."""
    log.copy.write_text("".join(f"{line}\n" for line in change(lines_of(log))))
    assert any(text.startswith(problem) for text in in_copy(log)["problems"])


def test_a_copy_that_was_cut_off_behind_the_last_checkpoint(log: Log) -> None:
    """Holds by itself; who noted the end sees it."""
    end = Anchor(EVENTS, in_copy(log)["last_hash"], "known_seq")
    log.copy.write_text("".join(f"{line}\n" for line in lines_of(log)[:-1]))
    assert in_copy(log)["verified"]
    assert in_copy(log, end)["problems"] == ["the log ends with event 7, and known_seq names event 8: event 8 is missing"]


def test_a_checkpoint_by_another_key(log: Log) -> None:
    """Counts for nothing where the signers are known."""
    make_key(log.folder / "other")
    log.tamper("DELETE FROM checkpoints")
    signers = ((log.folder / "key.pub").read_text(),)
    log.set(signing_key=str(log.folder / "other"), signers=signers)
    assert log.care() == []
    assert examined(log)["problems"][0].startswith("checkpoint 8: its signature is not one of the given signers")
    log.set(signing_key=None)
    assert "nobody says which keys sign checkpoints: set certops_audit.signers, or any key counts" in examined(log)["findings"]


def test_other_programs_verify_it(log: Log) -> None:
    """OpenSSH the checkpoint, and SHA-256 of the line without type and hash the event."""
    checkpoint = json.loads(lines_of(log)[5])
    names = ("count", "hash", "previous", "seq", "time")
    payload = json.dumps({"version": 1, **{name: checkpoint[name] for name in names}}, sort_keys=True, separators=(",", ":"))
    (log.folder / "signature").write_text(checkpoint["signature"])
    (log.folder / "signers").write_text(allowed_signers(((log.folder / "key.pub").read_text().strip(),)))
    command = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "certops", "-n", NAMESPACE, "-s", "signature"]
    for text, code in ((payload, 0), (payload.replace('"count":5', '"count":6'), 255)):
        assert subprocess.run(command, input=text.encode(), cwd=log.folder, check=False, capture_output=True).returncode == code
    assert checkpoint["hash"] == json.loads(lines_of(log)[4])["hash"]


def test_events_are_listed(log: Log) -> None:
    """The last of those that match."""
    log.clock.move(days=1)
    log.inventory.append_event("issuance.intent", subject="web")
    assert [event["seq"] for event in examined(log, limit=2)["events"]] == [8, 9]
    assert [event["kind"] for event in examined(log, kinds=("issuance.*",))["events"]] == ["issuance.intent"]
    assert [event["seq"] for event in examined(log, host="web1", limit=1)["events"]] == [8]
    assert [event["seq"] for event in examined(log, since=since("2026-03-02"))["events"]] == [9]
    assert [event["seq"] for event in in_copy(log, limit=1)["events"]] == [8]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"since": "yesterday"}, "since must be a day or a time such as '2026-11-01'"),
        ({"limit": -1}, "limit must be a number of events, or 0 for none, got -1"),
    ],
)
def test_what_is_refused(args: dict[str, t.Any], message: str) -> None:
    """In one sentence."""
    with pytest.raises(AuditError, match=message):
        Wanted.from_args({"kinds": [], "host": None, "since": None, "limit": 1, **args})


def test_a_copy_that_is_not_there(log: Log) -> None:
    """Is told, and is a finding where it is known that there was one."""
    log.copy.unlink()
    assert examined(log)["findings"] == [f"audit target 'file', which lacks 0 events: the copy '{log.copy}' is not there or holds no event, and had some"]
    with pytest.raises(AuditError, match=r"the copy '.*audit.jsonl' of the audit log cannot be read: No such file"):
        in_copy(log)
