# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A question to the inventory, as the module, the lookup and the export put it.

What the database can answer by itself (pages, numbers) it answers; where it cannot, everything is read and the expression applied. Both give the same.
"""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.documents import KINDS, SORTS
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.pages import Page, Place
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.past import limits
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.rows import parts
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.select import selected
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import iso
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.groups import QuestionError
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.token import read_token, written_token
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.when import as_of_time

Document = dict[str, t.Any]
OPTIONS: dict[str, t.Any] = {
    "kind": {"type": "str", "default": "certificates", "choices": list(KINDS)},
    "select": {"type": "str"},
    "namespace": {"type": "str"},
    "as_of": {"type": "str"},
    "sort": {"type": "str", "choices": sorted({name for names in SORTS.values() for name in names})},
    "limit": {"type": "int"},
    "after": {"type": "str"},
    "count": {"type": "bool", "default": False},
}


@dataclass(frozen=True, slots=True)
class Question:
    """Documents of a kind, those of one namespace or of all, now or at a time that is over, and what an expression makes of their list; a page of that, or
    the number of its elements."""

    kind: str = "certificates"
    select: str | None = None
    namespace: str | None = None
    as_of: datetime | None = None
    sort: str | None = None
    limit: int | None = None
    after: str | None = None
    count: bool = False

    @classmethod
    def from_args(cls, args: t.Mapping[str, t.Any], *, now: datetime) -> Question:
        """From the options of a task that are OPTIONS, among others. Raises QuestionError."""
        given: dict[str, t.Any] = {name: args[name] for name in OPTIONS if name in args}
        return cls(**{**given, "as_of": as_of_time(given.get("as_of"), now=now)})

    def asked(self) -> dict[str, t.Any]:
        """As the audit log has it."""
        return {**asdict(self), "as_of": iso(self.as_of) if self.as_of else None}

    def told(self) -> dict[str, t.Any]:
        """What results say of the time that they are of; nothing where that is now."""
        return {} if self.as_of is None else {"as_of": iso(self.as_of), "as_of_limits": limits(self.kind)}

    def checked(self) -> Question:
        """The same. Raises QuestionError where the options do not go together."""
        if self.limit is not None and self.limit < 1:
            raise QuestionError(f"limit must be 1 or more, got {self.limit!r}")
        if self.sort is not None and self.sort not in SORTS.get(self.kind, ()):
            known = ", ".join(f"{kind} by {' or '.join(names)}" for kind, names in SORTS.items())
            raise QuestionError(f"{self.kind} cannot be sorted by {self.sort!r}, accepted are {known}")
        if self.after is not None and self.limit is None:
            raise QuestionError("after begins a page, and limit says how large it is: limit is missing")
        if self.count and (self.limit is not None or self.after is not None):
            raise QuestionError("count tells the number of all elements: limit and after do not go with it")
        return self

    def identity(self, *, paged: bool) -> list[t.Any]:
        """What the pages of one question have in common, among it who makes them."""
        return [self.kind, self.select, self.namespace, self.asked()["as_of"], self.sort, paged]


@dataclass(frozen=True, slots=True)
class Answer:
    """The elements, and what asks for the next page, None after the last."""

    documents: list[t.Any]
    following: str | None = None


def of_term(term: str, question: Question) -> Question:
    """What a term of the lookup asks: a kind, or an expression on the documents of the kind that is asked for anyway."""
    return replace(question, kind=term) if term in KINDS else replace(question, select=term)


def answer(inventory: Inventory, question: Question) -> Answer:
    """The whole answer, or the page of it that is asked for. Raises QuestionError."""
    question.checked()
    if question.count:
        return Answer([number(inventory, question)])
    if question.limit is None:
        return Answer(selected(found(inventory, question), question.select))
    paged = inventory.pages(question.kind, select=question.select, namespace=question.namespace)
    identity = question.identity(paged=paged)
    behind = read_token(question.after, identity)
    documents, following = _page(inventory, question, question.limit, behind) if paged else _part(inventory, question, question.limit, behind)
    return Answer(documents, None if following is None else written_token(following, identity))


def number(inventory: Inventory, question: Question) -> int:
    """How many elements the whole answer has."""
    counted = inventory.count(question.kind, select=question.select, namespace=question.namespace, as_of=question.as_of)
    if counted is not None:
        return counted
    if question.select is None:
        return sum(1 for _document in found(inventory, question))
    return len(selected(found(inventory, question), question.select))


def stream(inventory: Inventory, question: Question) -> t.Iterator[t.Any]:
    """The same one after the other, as far as no expression needs all documents at once."""
    whole = not question.checked().count and question.limit is None
    if whole and inventory.pages(question.kind, select=question.select, namespace=question.namespace):
        return itertools.chain.from_iterable(selected(part, question.select) for part in parts(found(inventory, question)))
    if whole and question.select is None:
        return found(inventory, question)
    return iter(answer(inventory, question).documents)


def found(inventory: Inventory, question: Question, page: Page | None = None) -> t.Iterator[Document]:
    """One document after the other, before an expression."""
    wanted, space = question.select, question.namespace
    documents = inventory.documents(question.kind, select=wanted, namespace=space, as_of=question.as_of, sort=question.sort, page=page)
    return documents if question.namespace is None else within(documents, question.namespace)


def _page(inventory: Inventory, question: Question, limit: int, behind: Place | None) -> tuple[list[t.Any], Place | None]:
    """A page that the database knows, and where the next one begins."""
    page = Page(limit, behind)
    return selected(found(inventory, question, page), question.select), page.behind


def _part(inventory: Inventory, question: Question, limit: int, behind: Place | None) -> tuple[list[t.Any], Place | None]:
    """A part of the whole answer, by its position in it, and where the next one begins."""
    begin = 0 if behind is None else int(behind[1][0])
    every: t.Iterable[t.Any] = found(inventory, question)
    if question.select is not None:
        every = selected(t.cast("t.Iterable[Document]", every), question.select)
    documents = list(itertools.islice(every, begin, begin + limit + 1))
    return documents[:limit], (0, (begin + limit,)) if len(documents) > limit else None


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
