# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ends of a transaction. Each may be stopped anywhere and begun again, by the worker, its guardian or the next run."""

import contextlib
import os
import time
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import declared as declarations
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import files, journal, serving, staging, swap
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.installed import remember
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.journal import Journal
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.layout import Plan
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.results import Result, result, service_line

KEEP_RECORDS = 7 * 86400  # seconds that the record of a finished transaction can be asked for
_BEFORE_SWAP = ("staging", "staged")
_INTERRUPTED = "the run was interrupted while it was {0}; the old files are in place"


def recover(state: bytes, record: Journal) -> Result:
    """Bring an open transaction to an end: before the look was finished it is undone, from then on it is committed."""
    if record.state == "requesting":
        return _forget_request(record)
    if record.state == "looked":
        return commit(state, record)
    return undo(record, _INTERRUPTED.format(record.state), refused=False)


def commit(state: bytes, record: Journal) -> Result:
    """Finish a transaction whose new certificate is in place and was looked at."""
    answer = record.data["prepared"]
    with contextlib.suppress(OSError):  # what cannot be removed now leaves the transaction open, and the next run removes it
        staging.remove_kept(Plan.from_json(record.data["plan"]))
        remember(state, record.data["name"], record.data["installed"])
        for name in journal.MATERIAL:
            files.remove(record.path(name))
        _tidy(state, record)
        close(record, "committed", answer)
    return t.cast(Result, answer)


def undo(record: Journal, reason: str, *, refused: bool) -> Result:
    """Put the old files back and the services to their baseline. A certificate that was refused stays for one more try (`attempts`)."""
    declared = declarations.from_args(record.data["declared"])
    data = record.data
    problems = _files_back(record)
    state = record.state if problems else "undone"  # files that are not back leave the transaction open for the next run
    if not problems and record.state not in _BEFORE_SWAP:
        problems = serving.bring_back(declared, data["baseline"], data["touched"], data["key_types"])
        state = "failed" if problems else "undone"
    answer = _undone(record, reason, problems)
    close(record, state, answer, attempts=data["attempts"] + (1 if refused else 0))
    return answer


def _files_back(record: Journal) -> t.List[str]:
    plan = Plan.from_json(record.data["plan"])
    try:
        swap.undo(plan.moves)
        staging.remove_staged(plan)
    except OSError as exc:
        return [f"the old files could not be put back: {sentence(exc)}"]
    return []


def _undone(record: Journal, reason: str, problems: t.Sequence[str]) -> Result:
    text = "; ".join([reason, *problems])
    return result(
        "failed" if problems else "undone",
        record.transaction,
        text,
        layout=record.data["plan"]["layout"],
        validated=record.data["validated"],
        verified=False,
        verified_reason=reason,
        services=[service_line(item["service"]["name"], text, False) for item in record.data["baseline"]],
    )


def close(record: Journal, state: str, answer: Result, **changes: t.Any) -> None:
    """Record the end. A full disk must not keep an undo from being answered: the record stays open then, and ending it again changes nothing."""
    with contextlib.suppress(OSError):
        record.write(state=state, ended=time.time(), results=record.with_result("install", answer), **changes)


def _forget_request(record: Journal) -> Result:
    for name in journal.MATERIAL:
        files.remove(record.path(name))
    record.write(state="failed")
    return {"outcome": "failed", "text": "the request was interrupted; its key was removed"}


def _tidy(state: bytes, record: Journal) -> None:
    """What earlier transactions for this certificate kept is of no use any more."""
    for other in journal.load_all(state):
        if other.data["name"] == record.data["name"] and other.transaction != record.transaction and other.state in journal.CLOSED:
            if record.data["created"] - other.data["created"] > KEEP_RECORDS:
                journal.remove(other)
            else:
                journal.remove_material(other)


def sentence(error: Exception) -> str:
    """Return what to tell of an error: our own text, or the system's with the path."""
    if isinstance(error, HostError):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno) + ("" if error.filename is None else f": {path_text(os.fsencode(error.filename))!r}")
    return str(error)
