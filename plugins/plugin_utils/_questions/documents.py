# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users make of an answer that JMESPath cannot say: times, classes of places, and who is to be written to. Pure."""

from __future__ import annotations

import re
import typing as t
from datetime import datetime, timedelta

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import ALARMED
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.groups import QuestionError

Document = t.Mapping[str, t.Any]
_FORMATS = ("%Y-%m-%dT%H:%M:%SZ", "%Y%m%d%H%M%SZ")
_LONGEST = 100_000  # days


def expiring(documents: t.Any, days: t.Any, *, now: datetime, expired: bool) -> list[t.Any]:
    """Those that end within so many days, the first one first; those that have ended, too, where that is wanted. What has no end does not end."""
    if isinstance(days, bool) or not isinstance(days, int) or not 0 < days < _LONGEST:
        raise QuestionError(f"days must be a number from 1 to {_LONGEST - 1}, got {days!r}")
    ends = [(_end(document, index), index, document) for index, document in enumerate(checked(documents))]
    last = now + timedelta(days=days)
    return [document for end, _index, document in sorted(_dated(ends)) if end < last and (expired or end >= now)]


def in_use(documents: t.Any) -> list[t.Any]:
    """Those that are in use or installed and not gone: places themselves, of others what has such places, with these alone."""
    found: list[t.Any] = []
    for document in checked(documents):
        if "places" not in document:
            found += [document] if _is_in_use(document) else []
        else:
            places = [place for place in document["places"] if _is_in_use(place)]
            found += [{**document, "places": places}] if places else []
    return found


def by_owner(documents: t.Any) -> list[dict[str, t.Any]]:
    """Of each owner whom to write to and about what, in the order of their names; what nobody owns comes last. A certificate of several owners is with each."""
    found: dict[str | None, list[t.Any]] = {}
    for document in checked(documents):
        for owner in _owners(document):
            found.setdefault(owner, []).append(document)
    told = [{"owner": owner, "contacts": _contacts(own, owner), "documents": own} for owner, own in found.items()]
    return sorted(told, key=lambda each: (each["owner"] is None, str(each["owner"])))


def names(document: t.Any) -> list[str]:
    """The DNS names and addresses that a certificate is for, in small letters, each once; its common name where it has no others."""
    (checked_document,) = checked([document])
    alternative = [str(name).partition(":") for name in checked_document.get("subject_alt_name") or ()]
    own = [name.lower() for kind, _separator, name in alternative if kind in ("DNS", "IP")]
    subject = checked_document.get("subject")
    common = checked_document.get("common_name") or (subject.get("commonName") if isinstance(subject, dict) else None)
    return list(dict.fromkeys(own or ([str(common).lower()] if common else [])))


def checked(documents: t.Any) -> list[Document]:
    """The list of dictionaries that a filter is given. Raises QuestionError."""
    if not isinstance(documents, (list, tuple)) or not all(isinstance(document, dict) for document in documents):
        raise QuestionError(f"documents must be a list of dictionaries, got a value of the type {type(documents).__name__}")
    return list(documents)


def _end(document: Document, index: int) -> datetime | None:
    told = document.get("not_after")
    if told is None:
        return None
    for form in _FORMATS:
        try:
            return datetime.strptime(re.sub("Z$", "Z+0000", str(told)), f"{form}%z")
        except ValueError:
            pass
    raise QuestionError(f"documents[{index}].not_after must be a time such as '2026-11-23T09:43:04Z' or '20261123094304Z', got {str(told)[:60]!r}")


def _dated(ends: t.Iterable[tuple[datetime | None, int, Document]]) -> t.Iterator[tuple[datetime, int, Document]]:
    for end, index, document in ends:
        if end is not None:
            yield end, index, document


def _is_in_use(place: Document) -> bool:
    return place.get("class") in ALARMED and place.get("gone_at") is None


def _owners(document: Document) -> list[str | None]:
    if document.get("owners"):
        return list(dict.fromkeys(str(owner) for owner in document["owners"]))
    # The owner of a place is the account that owns the file; who answers for it is in its ownership.
    told = (document.get("ownership") or {}).get("owner") if "ownership" in document else document.get("owner")
    return [None if told is None else str(told)]


def _contacts(documents: t.Sequence[Document], owner: str | None) -> list[str]:
    """Of those documents whose only owner it is: the contacts of another one are not for him."""
    ownerships = [document.get("ownership") or {} for document in documents]
    return sorted({str(contact) for ownership in ownerships if ownership.get("owner") == owner for contact in ownership.get("contacts") or ()})
