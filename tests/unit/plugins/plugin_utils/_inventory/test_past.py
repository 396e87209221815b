# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was there at a time is what a replay of the scans until then gives."""

from __future__ import annotations

import typing as t
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.assignments import Wanted
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.endpoints import FACTS
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import EndpointsRecord, HostName, Stated
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.rules import rule_from

PATHS = ("/etc/a", "/etc/b", "/opt/c")
LASTING = ("namespace", "path", "alias", "name", "sha256", "spki", "state", "not_after", "days_remaining", "status", "first_seen", "gone_at")
ELSEWHERE = ("host", "shared_with", "shared_count")
KINDS_OF_HOSTS = ("places", "keys", "services", "renewers", "crls", "trust_stores")
SCANS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from(PATHS), st.integers(0, 1), st.sampled_from(["0644", "0600"])), max_size=4, unique_by=lambda seen: seen[:2]),
        st.sampled_from([["/etc", "/opt"], ["/etc"], ["/opt/c"], []]),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


def _result(tools: t.Any, seen: t.Sequence[tuple[str, int, str]], done: list[str], more: bool) -> dict[str, t.Any]:
    ders = [tools.make_der(name) for name in ("first", "second")]
    places = [tools.place(ders[number], path, mode=mode) for path, number, mode in seen]
    keys = [{"path": path, "entry": 0, "spki": "ab"[number] * 64, "mode": mode} for path, number, mode in seen]
    kept = [{"kind": "certbot", "name": path, "configuration": "/x", "paths": [path]} for path, _number, _mode in seen]
    records = [{"path": path, "sha256": "cd"[number] * 64} for path, number, _mode in seen]
    trust = [{"path": path, "kind": "debian", "count": number} for path, number, _mode in {each[0]: each for each in seen}.values()]
    services = [{"name": "nginx", "unit": "nginx.service"}] if more else []
    other = {"keys": keys, "renewers": kept, "crls": records, "trust": trust, "services": services, "done": done}
    return dict(tools.answer(*ders, places=places, **other))


def _check(past: list[dict[str, t.Any]], replayed: list[dict[str, t.Any]]) -> None:
    """Equal, but for what was overwritten of a thing that was seen again."""
    for before, then in zip(past, replayed, strict=True):
        names = LASTING if before["last_seen"] is None else before
        assert {name: before.get(name) for name in names} == {name: then.get(name) for name in names}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scans=SCANS, data=st.data())
def test_as_of_is_a_replay(inventory: Inventory, tools: t.Any, clock: t.Any, scans: list[t.Any], data: st.DataObject) -> None:
    """Of everything that lies on a host; one host was scanned all the time, the other only until then."""
    number = sum(1 for _name in inventory.host_names())
    until = data.draw(st.integers(0, len(scans)))
    for index, (seen, done, more) in enumerate(scans):
        for name in (f"all{number}", *([f"some{number}"] if index < until else [])):
            tools.record(inventory, _result(tools, seen, done, more), at=tools.START + timedelta(hours=index), host=HostName("lab", name), partial=not more)
    clock.time = tools.START + timedelta(hours=until - 1, minutes=data.draw(st.integers(0, 59)))
    for kind in KINDS_OF_HOSTS:
        _check(_of(inventory, kind, f"all{number}", clock()), _of(inventory, kind, f"some{number}", None))


def _of(inventory: Inventory, kind: str, host: str, as_of: t.Any) -> list[dict[str, t.Any]]:
    found = (document for document in inventory.documents(kind, select=f"[?host=='{host}']", as_of=as_of) if document["host"] == host)
    return [{name: value for name, value in document.items() if name not in ELSEWHERE} for document in found]


def _endpoint(inventory: Inventory, tools: t.Any, der: bytes | None, **changes: t.Any) -> None:
    told: dict[str, t.Any] = dict.fromkeys(("inventory_host", "address", "protocol", "cipher", "reason", *FACTS))
    told |= {"state": "seen", "target": "www", "port": 443, "name": "", "starttls": "", "chain": [tools.sha256(der)] if der else []}
    inventory.record_endpoints(EndpointsRecord("lab", "", [{**told, **changes}], {tools.sha256(der): der} if der else {}))


def test_endpoints_show_what_they_showed(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """The certificate of then, whether it was gone, and the times as far as they are known."""
    first, second = tools.make_der("first"), tools.make_der("second")
    for der, changes in ((first, {}), (first, {}), (second, {}), (None, {"state": "closed"}), (second, {}), (None, {"state": "failed", "reason": "alert"})):
        _endpoint(inventory, tools, der, **changes)
        clock.move(days=1)
    told = []
    for days in range(6):
        (document,) = inventory.documents("endpoints", as_of=tools.START + timedelta(days=days, hours=1))
        told.append((document["common_name"], document["gone_at"], document["last_seen"], document["reason"]))
    assert told[0][:3] == ("first", None, None)
    assert told[1][:3] == ("first", None, "2026-03-02T12:00:00Z")
    assert told[2][:3] == ("second", None, "2026-03-03T12:00:00Z")
    assert told[3][:3] == ("second", "2026-03-04T12:00:00Z", "2026-03-03T12:00:00Z")
    assert [each[1] for each in told[4:]] == [None, None]
    assert [each[3] for each in told] == [None] * 5 + ["alert"]
    assert list(inventory.documents("endpoints", as_of=tools.START - timedelta(seconds=1))) == []


def test_who_answered_for_it_then(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """By what the Ansible inventory said and by assignments that were there."""

    def owner(**ago: float) -> list[t.Any]:
        return [document["owner"] for document in inventory.documents("hosts", as_of=clock() - timedelta(**ago))]

    for name in ("web", "ops"):
        inventory.record_silent_host(tools.web, reason="unreachable", stated=Stated(("all",), (("owner", name),)))
        clock.move(days=1)
    rule = rule_from({"host": "web1"}, {"owner": "rules"}, source="manual", origin="", where="rule")
    inventory.record_silent_host(tools.web, reason="unreachable", stated=Stated())
    inventory.assign(Wanted("manual", "", (rule,), rule.match))
    clock.move(days=1)
    inventory.assign(Wanted("manual", "", (), rule.match))
    assert [owner(days=3), owner(days=2), owner(days=1), owner()] == [["web"], ["ops"], ["rules"], [None]]
    (assignment,) = inventory.documents("assignments", as_of=clock() - timedelta(days=1))
    assert (assignment["removed_at"], assignment["removed_by"]) == (None, None)


def test_certificates_and_issuances(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """With the health of that time; what was issued later was an intent then."""
    inventory.put_issuer(tools.issuer)
    der = tools.make_der("web", days=31)
    issuance = inventory.begin_issuance(tools.intent(serial=None))
    clock.move(days=1)
    inventory.complete_issuance(issuance.id, der=der, chain=())
    tools.record(inventory, tools.answer(der), at=clock.move(days=1))
    inventory.set_issuance_state(issuance.id, state="installed")
    clock.move(days=60)
    states = [[document["state"] for document in inventory.documents("issuances", as_of=tools.START + timedelta(days=days, hours=1))] for days in range(3)]
    assert states == [["intent"], ["issued"], ["installed"]]
    told = []
    for days in (0, 1, 2, 40):
        told += [
            (days, document["status"], len(document["places"])) for document in inventory.documents("certificates", as_of=tools.START + timedelta(days=days))
        ]
    assert told == [(1, "ok", 0), (2, "warning", 1), (40, "expired", 1)]


def test_two_hosts_that_are_one(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """What one of them lacked for a time the other had; an absence of what only one has stays."""
    both, one = ("/etc/a", 0, "0644"), ("/etc/b", 0, "0644")
    for host in (tools.web, HostName("lab", "web2")):
        for seen in ([both, one], [], [both, one]):
            mine = seen if host is tools.web else [each for each in seen if each is both]
            tools.record(inventory, _result(tools, mine, ["/etc", "/opt"], False), at=clock.move(hours=1), host=host)
    inventory.merge_host(HostName("lab", "web2"), tools.web)
    gone = {document["path"]: document["gone_at"] for document in inventory.documents("places", as_of=tools.START + timedelta(hours=2))}
    assert gone == {"/etc/a": None, "/etc/b": "2026-03-01T14:00:00Z"}
