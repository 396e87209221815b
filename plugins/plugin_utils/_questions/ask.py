# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A question to the inventory, as the module, the lookup and the export put it."""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.documents import KINDS
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.past import limits
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.select import selected
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import iso
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.when import as_of_time

Document = dict[str, t.Any]
OPTIONS: dict[str, t.Any] = {
    "kind": {"type": "str", "default": "certificates", "choices": list(KINDS)},
    "select": {"type": "str"},
    "namespace": {"type": "str"},
    "as_of": {"type": "str"},
    "limit": {"type": "int"},
}


@dataclass(frozen=True, slots=True)
class Question:
    """Documents of a kind, those of one namespace or of all, now or at a time that is over, and what an expression makes of their list."""

    kind: str = "certificates"
    select: str | None = None
    namespace: str | None = None
    as_of: datetime | None = None
    limit: int | None = None

    @classmethod
    def from_args(cls, args: t.Mapping[str, t.Any], *, now: datetime) -> Question:
        """From the options of a task that are OPTIONS, among others. Raises QuestionError."""
        told: dict[str, t.Any] = {name: args.get(name) for name in OPTIONS}
        return cls(**{**told, "as_of": as_of_time(told["as_of"], now=now)})

    def asked(self) -> dict[str, t.Any]:
        """As the audit log has it."""
        return {**asdict(self), "as_of": iso(self.as_of) if self.as_of else None}

    def told(self) -> dict[str, t.Any]:
        """What results say of the time that they are of; nothing where that is now."""
        return {} if self.as_of is None else {"as_of": iso(self.as_of), "as_of_limits": limits(self.kind)}


def of_term(term: str, question: Question) -> Question:
    """What a term of the lookup asks: a kind, or an expression on the documents of the kind that is asked for anyway."""
    return replace(question, kind=term) if term in KINDS else replace(question, select=term)


def answer(inventory: Inventory, question: Question) -> list[t.Any]:
    """The whole answer."""
    return selected(found(inventory, question), question.select, limit=question.limit)


def stream(inventory: Inventory, question: Question) -> t.Iterator[t.Any]:
    """The same, one after the other; an expression needs all documents at once."""
    if question.select is not None:
        return iter(answer(inventory, question))
    return itertools.islice(found(inventory, question), question.limit)


def found(inventory: Inventory, question: Question) -> t.Iterator[Document]:
    """One document after the other, before an expression."""
    documents = inventory.documents(question.kind, select=question.select, as_of=question.as_of)
    return documents if question.namespace is None else within(documents, question.namespace)


def within(documents: t.Iterable[Document], namespace: str) -> t.Iterator[Document]:
    """Those of a namespace: what lies in several places, with its places there alone. What belongs to no namespace, such as an issuer, is in each."""
    for document in documents:
        if "namespace" in document:
            if document["namespace"] == namespace:
                yield document
        elif "places" in document:
            here = [place for place in document["places"] if place["namespace"] == namespace]
            if here:
                yield {**document, "places": here}
        else:
            yield document
