# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines of the audit log as they leave the database: JSON, one a line, events and checkpoints as they are stored."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._audit.settings import AuditError
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.chain import COLUMNS, Checkpoint
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import canonical_json

Row = t.Mapping[str, t.Any]
EVENT, CHECKPOINT = "event", "checkpoint"
LONGEST = 1 << 24  # bytes of a line
_NUMBERS = {"seq", "time", "version", "count"}
_FIELDS = {EVENT: frozenset(COLUMNS), CHECKPOINT: frozenset(field.name for field in dataclasses.fields(Checkpoint))}
_HASH = re.compile("[0-9a-f]{64}")


def event_line(row: Row) -> str:
    return canonical_json({"type": EVENT, **{name: row[name] for name in COLUMNS}})


def checkpoint_line(checkpoint: Checkpoint) -> str:
    return canonical_json({"type": CHECKPOINT, **dataclasses.asdict(checkpoint)})


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One line of a copy: an event as a row, or a checkpoint; or why it is neither."""

    number: int
    event: dict[str, t.Any] | None = None
    checkpoint: Checkpoint | None = None
    problem: str | None = None


def parsed(text: bytes | str, number: int = 0) -> Line:
    """What a line holds, whoever wrote it."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return Line(number, problem=f"line {number} is not JSON")
    kind = value.pop("type", None) if isinstance(value, dict) else None
    if kind not in _FIELDS or value.keys() != _FIELDS[kind] or not _fits(value):
        return Line(number, problem=f"line {number} is neither an event nor a checkpoint")
    return Line(number, event=value) if kind == EVENT else Line(number, checkpoint=Checkpoint(**value))


def _fits(value: Row) -> bool:
    """Numbers are numbers, hashes are hashes, the rest is text or nothing."""
    if any(not isinstance(value[name], int) or isinstance(value[name], bool) for name in _NUMBERS & value.keys()):
        return False
    if any(not isinstance(value[name], str) or not _HASH.fullmatch(value[name]) for name in ("hash", "previous")):
        return False
    required = {"kind", "detail", "actor", "subject", "signature"} & value.keys()
    texts = value.keys() - _NUMBERS
    return all(isinstance(value[name], str) for name in required) and all(value[name] is None or isinstance(value[name], str) for name in texts)


def read_lines(path: str) -> t.Iterator[Line]:
    """The lines of a copy, one after the other. Raises AuditError."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK | os.O_CLOEXEC)) as file:
            number = 0
            while text := file.readline(LONGEST + 1):
                number += 1
                if len(text) > LONGEST:
                    raise AuditError(f"line {number} of the copy {path!r} is longer than {LONGEST} bytes, which no line of the audit log is")
                yield parsed(text, number)
    except OSError as exc:
        raise AuditError(f"the copy {path!r} of the audit log cannot be read: {exc.strerror}") from exc
