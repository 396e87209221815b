# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, requests and certificates that wait in the state folder for their installation."""

import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import Context, HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.text import base64_text
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import files, found, journal
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.journal import CHAIN, KEY, LEAF, REQUEST, Journal


def staged_for(state: bytes, name: str, now: float) -> t.List[t.Dict[str, t.Any]]:
    """Return what waits for this certificate, as `inspect` answers it."""
    return [_result(record, now) for record in journal.load_all(state) if record.data["name"] == name and record.has(KEY)]


def heal(context: Context) -> t.List[t.Dict[str, t.Any]]:
    """Bring every open transaction of this host to an end; the caller holds the lock. Return what was done."""
    done = []
    for record in journal.load_all(context.state):
        if record.state not in journal.CLOSED:
            done.append(_healed(context, record))
    return done


def _healed(context: Context, record: Journal) -> t.Dict[str, t.Any]:
    # A look that finds nothing open needs none of what this needs.
    from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import commit  # noqa: PLC0415

    try:
        result = commit.recover(context.state, record)
    except (OSError, HostError) as exc:
        result = {"outcome": "failed", "text": commit.sentence(exc)}
    return {"transaction": record.transaction, "outcome": result["outcome"], "text": result["text"]}


def still_open(context: Context) -> t.List[t.Dict[str, t.Any]]:
    """Return what waits for a run that may change something: open transactions, and keys that have waited for too long."""
    waiting = []
    for record in journal.load_all(context.state):
        if record.state not in journal.CLOSED:
            text = f"it was interrupted while it was {record.state}; the next run that may change something brings it to an end"
            waiting.append({"transaction": record.transaction, "outcome": "open", "text": text})
        elif _expired(record, context.now()):
            text = f"the key staged for certificate {record.data['name']!r} has waited for more than {journal.EXPIRES // 86400} days"
            waiting.append({"transaction": record.transaction, "outcome": "open", "text": text})
    return waiting


def expire(context: Context) -> t.List[t.Dict[str, t.Any]]:
    """Remove what has waited for too long; return what was removed."""
    done = []
    for record in journal.load_all(context.state):
        if _expired(record, context.now()):
            journal.remove_material(record)
            text = f"the key staged for certificate {record.data['name']!r} had waited for more than {journal.EXPIRES // 86400} days and was removed"
            done.append({"transaction": record.transaction, "outcome": "expired", "text": text})
    return done


def _expired(record: Journal, now: float) -> bool:
    return record.state in journal.CLOSED and record.has(KEY) and now - record.data["created"] > journal.EXPIRES


def open_staged(context: Context, transaction: str, source: str, name: str) -> Journal:
    """Return the journal in which a staged key is to be installed; one that another transaction staged is taken over by this one."""
    record = journal.load(context.state, source)
    if record is None or record.data["name"] != name or not record.has(KEY):
        raise HostError(f"certificate {name!r}: this host holds no key staged by transaction {source!r}")
    if record.data["attempts"] >= journal.MOST_ATTEMPTS:
        raise HostError(f"certificate {name!r}: what transaction {source!r} staged was refused {record.data['attempts']} times and is not tried again")
    return record if source == transaction else _taken_over(context, record, transaction)


def _taken_over(context: Context, source: Journal, transaction: str) -> Journal:
    kept = {key: source.data[key] for key in ("name", "declared", "request_digest", "spki", "attempts")}
    record = journal.begin(context.state, transaction, context.now(), state="requesting", **kept)
    for name in journal.MATERIAL:
        if source.has(name):
            files.replace(record.path(name), files.read(source.path(name)))
    record.write(state="requested", created=source.data["created"])
    journal.remove_material(source)
    source.write(state="moved", moved_to=transaction)
    return record


def _result(record: Journal, now: float) -> t.Dict[str, t.Any]:
    leaf = found.certificates_in(files.read(record.path(LEAF))) if record.has(LEAF) else ()
    chain = found.certificates_in(files.read(record.path(CHAIN))) if record.has(CHAIN) else ()
    return {
        "transaction": record.transaction,
        "state": record.state,
        "csr": base64_text(files.read(record.path(REQUEST))) if record.has(REQUEST) else None,
        "certificate": base64_text(leaf[0]) if leaf else None,
        "chain": [base64_text(one) for one in chain],
        "spki": record.data.get("spki"),
        "request_digest": record.data.get("request_digest"),
        "attempts": record.data["attempts"],
        "age": now - record.data["created"],
    }
