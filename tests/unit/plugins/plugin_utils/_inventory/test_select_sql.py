# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a database answers of an expression is what JMESPath answers."""

from __future__ import annotations

import json
import typing as t
from dataclasses import replace

import jmespath
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import fields_sql
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.documents import KINDS, NARROWED
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.endpoints import FACTS
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.select import SelectError, selected
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.select_sql import LARGEST
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import EndpointsRecord, HostName
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.ask import Question, answer, within

ODD: list[t.Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    1.5,
    2.0,
    -0.5,
    1e308,
    10**30,
    "",
    "ok",
    "warning",
    "expired",
    "\x00",
    "'\\",
    "é",
    [],
    {},
    "0001-01-01T00:00:00Z",
]
COMPARED = ("==", "!=", "<", "<=", ">", ">=")
ENDINGS = (
    "",
    ".{a: places[?class!='backup'], b: host}",
    ".[path, missing]",
    ".path",
    ".{a: host, b: path}",
    "[0]",
    " | [0]",
    " | [-1]",
    "[].services[]",
    " | length(@)",
    " | [?path]",
    ".places[?!gone_at][]",
)
LISTED = ("path", "host", "class", "gone_at", "alias", "namespace", "first_seen")  # of the places of certificates
OTHERS = (
    "contains(path, 'web')",
    "subject_alt_name",
    "subject_alt_name[?@=='DNS:soon.example']",
    "subject_alt_name[?'IP:soon.example'==@]",
    "places",
    "length(alias)",
    "places[?class=='in_use']",
    "path < `5`",
    "services",
    "@",
    "`true`",
    "subject.commonName == 'soon'",
)


def _many(inventory: Inventory, tools: t.Any, clock: t.Any) -> Inventory:
    """Documents of every kind that is narrowed, with and without values, from certificates on both sides of each limit."""
    ders = [tools.make_der(name, days=days) for name, days in (("gone", 90), ("late", 91), ("soon", 20), ("over", 1), ("edge", 32))]
    places = [
        tools.place(ders[0], "/etc/tls/gone.pem"),
        tools.place(ders[1], "/etc/tls/late.p12", alias="web", **{"class": "in_use", "services": ["nginx"]}),
        tools.place(ders[2], "/etc/tls/soon.pem", format=None, owner=None, size=0),
        tools.place(ders[3], "/etc/tls/over.pem", size=1, hard_links=2),
        tools.place(ders[4], "/etc/tls/édge.pem", **{"class": "backup"}),
    ]
    keys = [{"path": "/etc/tls/k.pem", "entry": 0, "kind": "ec", "encrypted": False, "size": 256, "spki": "a" * 64, "readers": ["www"], "readers_count": 1}]
    keys += [{"path": "/etc/tls/l.pem", "entry": 1, "kind": "", "encrypted": True, "everyone": True, "readers_count": 0}]
    services = [{"name": "nginx", "entry": "nginx", "unit": "nginx.service", "active": True}, {"name": "odd", "active": False, "path": "/x", "status": "ok"}]
    result = tools.answer(*ders, places=places, keys=keys, services=services, locked=[{"path": "/etc/tls/locked.p12", "reason": "password"}])
    tools.record(inventory, result, at=clock())
    tools.record(inventory, {**result, "places": places[1:]}, at=clock.move(days=2))
    tools.record(inventory, tools.answer(ders[2]), host=HostName("", "web2"), at=clock())
    facts = dict.fromkeys(("inventory_host", "address", "protocol", "cipher", "reason", *FACTS))
    seen = {**facts, "state": "seen", "target": "web1", "port": 443, "name": "", "starttls": "", "chain": [tools.sha256(ders[3])]}
    failed = {**facts, "state": "failed", "target": "stranger", "port": 25, "name": "x", "starttls": "smtp", "chain": [], "reason": "refused"}
    inventory.record_endpoints(EndpointsRecord("lab", "", [seen, failed], {}))
    inventory.put_issuer(tools.issuer)
    for number, der in enumerate(ders[:2]):
        inventory.begin_issuance(tools.intent(serial=None, name=f"c{number}", job=None))
        inventory.complete_issuance(number + 1, der=der, chain=())
    inventory.set_issuance_state(1, state="revoked", reason="key_compromise")
    return inventory


@pytest.fixture(name="many")
def _fixture(inventory: Inventory, tools: t.Any, clock: t.Any) -> Inventory:
    return _many(inventory, tools, clock)


def _literal(value: t.Any) -> str:
    return "`" + json.dumps(value).replace("`", "\\`") + "`"


def _conditions(kind: str, documents: t.Sequence[t.Mapping[str, t.Any]]) -> st.SearchStrategy[str]:
    """Conditions on fields that these documents have or lack, above all those that are columns, with values that they have or that are near."""
    columns = st.sampled_from(sorted(getattr(fields_sql, kind)()))
    fields = columns | columns | st.sampled_from(sorted({name for document in documents for name in document if name.isidentifier()} | {"missing", "null"}))

    def literals(field: str) -> st.SearchStrategy[str]:
        own = [value for value in (jmespath.search(field, document) for document in documents) if isinstance(value, (str, int, float))]
        near = [value + step for value in own if not isinstance(value, (str, bool)) for step in (-1, -0.5, 0, 0.5, 1)]
        return st.sampled_from([*own, *near] or [None]).map(_literal) | st.sampled_from(ODD).map(_literal) | st.just("null")

    places = [place for document in documents for place in document.get("places", ())]
    listed = st.sampled_from(LISTED).flatmap(
        lambda field: st.tuples(st.just(field), st.sampled_from(COMPARED), st.sampled_from([place[field] for place in places] or [None]))
    )
    in_places = listed.map(lambda parts: f"places[?{parts[0]} {parts[1]} {_literal(parts[2])}]")
    comparisons = fields.flatmap(lambda field: st.tuples(st.just(field), st.sampled_from(COMPARED), literals(field)))
    atoms = (
        fields
        | st.sampled_from(OTHERS)
        | (in_places if places else comparisons.map(" ".join))
        | comparisons.map(" ".join)
        | comparisons.map(" ".join)
        | comparisons.map(lambda parts: " ".join(reversed(parts)))
    )

    def extend(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        pairs = st.tuples(inner, st.sampled_from(("&&", "||")), inner).map(lambda parts: f"({' '.join(parts)})")
        return pairs | inner.map(lambda part: f"!({part})")

    return st.recursive(atoms, extend, max_leaves=4)


def _answer(documents: t.Iterable[dict[str, t.Any]], expression: str) -> t.Any:
    try:
        return selected(documents, expression)
    except SelectError as exc:
        return str(exc)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_same_result_either_way(many: Inventory, tools: t.Any, data: st.DataObject) -> None:
    """Of every kind, now and before some of it had gone: the same documents in the same order, and the same error."""
    kind, as_of = data.draw(st.sampled_from(sorted(NARROWED))), data.draw(st.sampled_from([None, tools.START]))
    every = list(many.documents(kind, as_of=as_of))
    condition = data.draw(_conditions(kind, every))
    expression = data.draw(st.sampled_from([f"[?{condition}]", f"[?{condition}]{data.draw(st.sampled_from(ENDINGS))}"]))
    expression = data.draw(st.sampled_from([expression, expression, expression, f"length({expression})", f"[0] || {expression}", f"[{expression}, length(@)]"]))
    assert _answer(many.documents(kind, select=expression, as_of=as_of), expression) == _answer(every, expression)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_same_pages_and_number_either_way(many: Inventory, data: st.DataObject) -> None:
    """Of every kind, in a namespace or in all, all pages together are the whole answer, and it has as many elements as are counted."""
    kind = data.draw(st.sampled_from(KINDS))
    namespace = data.draw(st.sampled_from((None, None, "", "lab", "nowhere")))
    sort = data.draw(st.sampled_from((None, "not_after"))) if kind == "certificates" else None
    every = _in_namespace(list(many.documents(kind)), namespace, sort)
    expression = None
    if kind in NARROWED and data.draw(st.booleans()):
        condition = data.draw(_conditions(kind, every))
        expression = data.draw(st.sampled_from((f"[?{condition}]", f"[?{condition}]", f"[?{condition}]{data.draw(st.sampled_from(ENDINGS))}", "[].{a: host}")))
    question = Question(kind, expression, namespace, sort=sort)
    expected = _answer(every, expression)
    assert _paged(many, question, data.draw(st.integers(1, 4))) == expected
    assert _asked(many, replace(question, count=True)) == ([len(expected)] if isinstance(expected, list) else expected)
    assert _asked(many, question) == expected


def _in_namespace(every: list[dict[str, t.Any]], namespace: str | None, sort: str | None) -> list[dict[str, t.Any]]:
    if sort:
        every = sorted(every, key=lambda document: (document["not_after"] is None, document["not_after"]))
    return every if namespace is None else list(within(every, namespace))


def _asked(inventory: Inventory, question: Question) -> t.Any:
    try:
        return answer(inventory, question).documents
    except SelectError as exc:
        return str(exc)


def _paged(inventory: Inventory, question: Question, limit: int) -> t.Any:
    """All pages, one after the other."""
    documents: list[t.Any] = []
    following = None
    while True:
        try:
            page = answer(inventory, replace(question, limit=limit, after=following))
        except SelectError as exc:
            return str(exc)
        assert len(page.documents) <= limit
        documents += page.documents
        following = page.following
        if following is None:
            return documents


@pytest.mark.parametrize(
    ("kind", "expression", "read"),
    [
        ("certificates", "[?status=='expired'].subject", ["over"]),
        ("certificates", "[?status!='ok' && places[?class=='in_use']]", ["over"]),
        ("certificates", "[?places[?host=='web2' && namespace=='']]", ["soon"]),
        ("certificates", "[?subject_alt_name[?@=='DNS:late.example']].subject", ["late"]),
        ("certificates", "[?issuer.commonName=='edge' && subject.commonName!='x']", ["edge"]),
        ("certificates", "[?days_remaining < `19` && contains(serial, 'a')]", ["over", "soon"]),
        ("certificates", "[?days_remaining <= `30` && `0` < days_remaining]", ["edge", "soon"]),
        ("certificates", "length([?!(status=='ok' || status=='expired')])", ["soon"]),
        ("places", "[?class=='in_use' && !gone_at].path", ["late"]),
        ("places", "[?state=='locked']", ["edge", "gone", "late", None, "over", "soon", "soon"]),
        ("places", "[?alias] | [0]", ["late"]),
        ("endpoints", "[?!reason]", ["over"]),
        ("issuances", "[?state=='revoked']", ["c0"]),
        ("events", "[?kind=='host.merged']", []),
        ("keys", "[?!encrypted]", ["ec"]),
        ("services", "[?active]", ["nginx"]),
    ],
)
def test_what_is_read(many: Inventory, kind: str, expression: str, read: list[str | None]) -> None:
    """No more than can match, as far as SQL can tell."""
    documents = list(many.documents(kind, select=expression))
    names = [_name(document) for document in documents]
    assert sorted(map(str, names)) == sorted(map(str, read))


def _name(document: t.Mapping[str, t.Any]) -> str | None:
    if "subject_ordered" in document:
        return str(document["subject"]["commonName"])
    return t.cast("str | None", document["common_name"] if "common_name" in document else document.get("kind") or document.get("name"))


@pytest.mark.parametrize(
    "expression",
    ["[0]", "length(@)", "[].path", "{a: [?gone_at], b: @}", "[?contains(path, 'x') && gone_at]", "[?path < `5` || gone_at]", "[?", "[[?gone_at]]"],
)
def test_what_sql_cannot_tell(many: Inventory, expression: str) -> None:
    """Leaves it all to JMESPath."""
    assert len(list(many.documents("places", select=expression))) == len(list(many.documents("places")))


def test_conditions_of_any_length(many: Inventory) -> None:
    """Those that a database would refuse are not given to it."""
    expression = f"[?{' || '.join(['gone_at'] * (LARGEST * 2))}]"
    assert len(list(many.documents("places", select=expression))) == 7
