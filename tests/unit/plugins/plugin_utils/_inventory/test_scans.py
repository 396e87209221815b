# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recording scans: what is new, seen again, gone, or not to be believed."""

from __future__ import annotations

import base64
import contextlib
import sqlite3
import time
import typing as t
from datetime import datetime, timezone

import pytest
from alembic import command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import migrate
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName, InventoryError, ScanRecord


def _raw(path: str, statement: str) -> list[tuple[t.Any, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as raw:
        return raw.execute(statement).fetchall()


def _places(path: str) -> dict[str, tuple[bool, int, int]]:
    """Path to (is it gone, first seen, last seen)."""
    rows = _raw(path, "SELECT path, gone_at IS NOT NULL, first_seen, seen_until FROM places JOIN scans ON scans.id = scan_id")
    return {row[0]: (bool(row[1]), row[2], row[3]) for row in rows}


def test_a_scan_is_stored(inventory: Inventory, path: str, tools: t.Any, clock: t.Any) -> None:
    """Another program reads the host, the certificate with its DER and its names, the place and the scan."""
    der = tools.make_der("web", serial=0x00AB12)
    recorded = tools.record(inventory, tools.answer(der), at=clock(), machine_id="m1")
    assert (recorded.changed, recorded.new_certificates, recorded.gone, recorded.problems) == (True, 1, 0, ())
    assert _raw(path, "SELECT namespace, name FROM hosts") == [("lab", "web1")]
    assert _raw(path, "SELECT sha256, der, serial, not_after FROM certificates") == [
        (tools.sha256(der), der, "ab12", int(tools.START.timestamp()) + 90 * 86400)
    ]
    assert _raw(path, "SELECT kind, name FROM certificate_names") == [("dns", "web.example")]
    assert _raw(path, "SELECT certificate, path, mode, class FROM places") == [(tools.sha256(der), "/etc/tls/0.pem", "0644", "installed")]
    assert _raw(path, "SELECT complete, privileged, duration FROM scans") == [(1, 1, 2.0)]
    assert _raw(path, "SELECT kind, host FROM events") == [("scan.recorded", "web1")]


def test_an_unchanged_host_costs_one_row(inventory: Inventory, path: str, tools: t.Any, clock: t.Any) -> None:
    """The same result adds a scan that refers to the stored one, moves the time until which that one holds, and writes no event."""
    ders = [tools.make_der(name) for name in ("a", "b")]
    skipped = {"path": "/etc/x", "reason": "FIFO, socket or device", "count": 1}
    result = tools.answer(*ders, skipped=[skipped])
    tools.record(inventory, result, at=clock(), machine_id="m1")
    again = {**result, "places": result["places"][::-1], "summary": {"seconds": 9.0}, "skipped": [{**skipped, "path": "/etc", "count": 2}]}
    recorded = tools.record(inventory, again, at=clock.move(days=1), machine_id="m1")
    assert (recorded.changed, recorded.new_certificates) == (False, 0)
    tools.record(inventory, result, at=clock.move(days=1), machine_id="m1")
    start = int(tools.START.timestamp())
    assert _places(path) == {f"/etc/tls/{index}.pem": (False, start, start + 2 * 86400) for index in (0, 1)}
    assert _raw(path, "SELECT same_as, scope_json IS NULL FROM scans ORDER BY id") == [(None, 0), (1, 1), (1, 1)]
    assert _raw(path, "SELECT count(*) FROM events") == [(1,)]
    assert _raw(path, "SELECT first_seen, seen_until FROM host_evidence JOIN scans ON scans.id = scan_id") == [(start, start + 2 * 86400)]


def test_an_unchanged_host_writes_none_of_its_things(inventory: Inventory, path: str, tools: t.Any, clock: t.Any) -> None:
    """Not even the time: a trigger on every other table would refuse it."""
    result = tools.answer(tools.make_der("a"))
    tools.record(inventory, result, at=clock(), machine_id="m1")
    with contextlib.closing(sqlite3.connect(path)) as raw:
        found = {row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")}
        tables = found - {"scans", "hosts", "alembic_version"}
        for table in tables:
            for what in ("INSERT", "UPDATE", "DELETE"):
                raw.execute(f"CREATE TRIGGER no_{what}_{table} BEFORE {what} ON \"{table}\" BEGIN SELECT RAISE(ABORT, '{table}'); END")
    assert not tools.record(inventory, result, at=clock.move(days=1), machine_id="m1").changed
    with pytest.raises(InventoryError, match="host_evidence"):
        tools.record(inventory, tools.answer(), at=clock.move(days=1), machine_id="m1")


def test_times_survive_the_migrations(url: str, inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Down to the schema in which every row had its own time, which is the one of the last equal scan, and up again."""
    stays, goes = tools.make_der("a"), tools.make_der("b")
    result = tools.answer(stays, goes)
    for addresses in (["192.0.2.1"], ["192.0.2.2"], ["192.0.2.2"]):
        tools.record(inventory, result, at=clock.move(days=1), addresses=addresses)
    tools.record(inventory, tools.answer(stays), at=clock.move(days=1), addresses=["192.0.2.2"])
    before = {kind: list(inventory.documents(kind)) for kind in ("hosts", "places", "scans")}
    start = int(tools.START.timestamp())
    with inventory._write_alone() as opened:
        command.downgrade(migrate.configuration(opened), "0005")
        places = opened.exec_driver_sql("SELECT path, first_seen, last_seen, gone_at FROM places ORDER BY path").all()
        evidence = opened.exec_driver_sql("SELECT value, first_seen, last_seen FROM host_evidence ORDER BY value").all()
    day = 86400
    assert places == [("/etc/tls/0.pem", start + day, start + 4 * day, None), ("/etc/tls/1.pem", start + day, start + 3 * day, start + 4 * day)]
    assert evidence == [("192.0.2.1", start + day, start + day), ("192.0.2.2", start + 2 * day, start + 4 * day)]
    with open_inventory(url, now=clock) as again:
        assert {kind: list(again.documents(kind)) for kind in before} == before


def test_what_is_ours_makes_no_difference(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """The first scan leaves a folder of ours behind; the second, which passes it over, costs a row all the same."""
    der = tools.make_der("a")
    tools.record(inventory, tools.answer(der), at=clock())
    ours = {"path": "/var/lib/certops", "reason": "kept by certops itself", "count": 1}
    assert not tools.record(inventory, tools.answer(der, skipped=[ours]), at=clock.move(days=1)).changed
    other = {"path": "/srv/x", "reason": "excluded", "count": 1}
    assert tools.record(inventory, tools.answer(der, skipped=[ours, other]), at=clock.move(days=1)).changed


def test_seen_again_does_not_move_what_was_not_seen(inventory: Inventory, path: str, tools: t.Any, clock: t.Any) -> None:
    """A place outside of what two equal scans looked at keeps its last_seen."""
    outside, inside = tools.make_der("a"), tools.make_der("b")
    tools.record(inventory, tools.answer(outside, places=[tools.place(outside, "/srv/a.pem")], done=["/srv"]), at=clock())
    for _scan in range(2):
        tools.record(inventory, tools.answer(inside), at=clock.move(days=1))
    start = int(tools.START.timestamp())
    assert _places(path) == {"/srv/a.pem": (False, start, start), "/etc/tls/0.pem": (False, start + 86400, start + 2 * 86400)}


@pytest.mark.parametrize(
    ("other", "gone"),
    [
        ({}, True),
        ({"done": ["/"]}, True),
        ({"done": ["/opt"]}, False),
        ({"done": []}, False),
        ({"problems": [{"path": "/etc/tls", "reason": "Permission denied"}]}, False),
        ({"problems": [{"path": "/etc/tls/0.pem", "reason": "truncated"}]}, False),
        ({"problems": [{"path": "/etc/tls2", "reason": "Permission denied"}]}, True),
        ({"problems": [{"path": "/", "reason": "9 more paths had problems"}]}, False),
        ({"left_over": ["/etc/tls"], "complete": False}, False),
        ({"skipped": [{"path": "/etc/tls", "reason": "excluded", "count": 1}]}, False),
        ({"skipped": [{"path": "/etc", "reason": "excluded", "count": 2}]}, False),
        ({"skipped": [{"path": "/etc", "reason": "excluded", "count": 2}], "unseen": ["/etc/other"]}, True),
        ({"skipped": [], "unseen": ["/etc/tls"]}, False),
        ({"done": ["/etc/tls"], "left_over": ["/etc"]}, True),
    ],
)
def test_gone_is_only_what_was_looked_for(inventory: Inventory, path: str, tools: t.Any, clock: t.Any, *, other: t.Any, gone: bool) -> None:
    """A place is gone when the scan saw everything where it lay, and at no other time."""
    der = tools.make_der("a")
    tools.record(inventory, tools.answer(der), at=clock())
    recorded = tools.record(inventory, tools.answer(**other), at=clock.move(days=1))
    assert recorded.gone == int(gone)
    assert _places(path)["/etc/tls/0.pem"][0] is gone


@pytest.mark.parametrize(("problems", "gone"), [([], 1), ([{"path": "/etc/tls/0.pem", "reason": "it changed while it was read"}], 0)])
def test_a_replaced_certificate_is_gone(inventory: Inventory, tools: t.Any, clock: t.Any, *, problems: list[t.Any], gone: int) -> None:
    """A scan of nothing but the file that holds another certificate now is enough, if it could be read as a whole."""
    tools.record(inventory, tools.answer(tools.make_der("old")), at=clock())
    recorded = tools.record(inventory, tools.answer(tools.make_der("new"), done=[], problems=problems), at=clock.move(days=1))
    assert recorded.gone == gone
    assert [document["gone_at"] is None for document in inventory.documents("places")].count(True) == 2 - gone


def test_what_comes_back_is_not_gone(inventory: Inventory, path: str, tools: t.Any, clock: t.Any) -> None:
    """It keeps the day on which it was seen first."""
    der = tools.make_der("a")
    for result in (tools.answer(der), tools.answer(), tools.answer(der)):
        tools.record(inventory, result, at=clock.move(days=1))
    start = int(tools.START.timestamp())
    assert _places(path) == {"/etc/tls/0.pem": (False, start + 86400, start + 3 * 86400)}


def test_places_that_moved_inside_a_file_are_the_same(inventory: Inventory, path: str, tools: t.Any, clock: t.Any) -> None:
    """The entry is an attribute: a certificate put before another one makes neither new, and one that stands twice is one place."""
    first, second = tools.make_der("a"), tools.make_der("b")
    for order in ((first, second), (second, first, second)):
        places = [tools.place(der, "/etc/tls/all.pem", entry=entry) for entry, der in enumerate(order)]
        tools.record(inventory, tools.answer(first, second, places=places), at=clock.move(days=1))
    rows = dict(_raw(path, "SELECT certificate, entry FROM places JOIN scans ON scans.id = scan_id WHERE gone_at IS NULL AND first_seen < seen_until"))
    assert rows == {tools.sha256(first): 1, tools.sha256(second): 0}


def test_keys_and_services_are_stored_and_end(inventory: Inventory, path: str, tools: t.Any, clock: t.Any) -> None:
    """Keys by path and public key, services by name; a service ends only with a scan that may see as much as the last one."""
    keys = [{"path": "/etc/tls/k.pem", "entry": 0, "kind": "rsa", "format": "pkcs8", "encrypted": False, "size": 2048, "spki": "a" * 64}]
    keys += [{"path": "/etc/tls/k.pem", "entry": 1, "kind": "unknown", "format": "encrypted_pkcs8", "encrypted": True, "size": None, "spki": None}]
    service = {"name": "nginx", "entry": "nginx", "unit": "nginx.service", "active": True, "configuration": "/etc/nginx/nginx.conf", "pids": [7], "uses": []}
    tools.record(inventory, tools.answer(keys=keys, services=[service]), at=clock())
    same = tools.record(inventory, tools.answer(keys=keys, services=[{**service, "pids": [8]}]), at=clock.move(days=1))
    assert not same.changed
    assert _raw(path, "SELECT identity FROM keys ORDER BY entry") == [("a" * 64,), ("entry 1",)]
    assert tools.record(inventory, tools.answer(privileged=False), at=clock.move(days=1)).gone == 2
    assert _raw(path, "SELECT name, facts_json, gone_at FROM services") == [("nginx", '{"uses":[]}', None)]
    tools.record(inventory, tools.answer(), at=clock.move(days=1))
    assert _raw(path, "SELECT gone_at IS NOT NULL FROM services") == [(1,)]


def _bundle(tools: t.Any, ders: t.Sequence[bytes] | None, path: str = "/etc/ssl/certs/ca-certificates.crt") -> dict[str, t.Any]:
    members = None if ders is None else [tools.sha256(der) for der in ders]
    return {"sha256": "b" * 64, "count": 2, "certificates": members, "places": [{"path": path, "owner": "root", "links": [], "class": "trust_store"}]}


def test_a_bundle_is_stored_once(inventory: Inventory, path: str, tools: t.Any, clock: t.Any) -> None:
    """The second host only refers to it, and its certificates need not travel again; that they did not is no change."""
    ders = [tools.make_der(name) for name in ("a", "b")]
    assert inventory.known_bundles() == ()
    tools.record(inventory, tools.answer(*ders, places=[], bundles=[_bundle(tools, ders)]), at=clock())
    assert inventory.known_bundles() == ("b" * 64,)
    other = HostName(namespace="lab", name="web2")
    for host, changed in ((tools.web, False), (other, True)):
        assert tools.record(inventory, tools.answer(bundles=[_bundle(tools, None)]), at=clock.move(days=1), host=host).changed is changed
    assert _raw(path, "SELECT certificate FROM bundle_members ORDER BY position") == [(tools.sha256(der),) for der in ders]
    assert _raw(path, "SELECT host_id, path, gone_at FROM bundle_places") == [(number, "/etc/ssl/certs/ca-certificates.crt", None) for number in (1, 2)]


def test_what_a_host_need_not_send_again(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """The certificates of its places and its bundles, as long as they are there; not those of another host."""
    alone, *bundled = (tools.make_der(name) for name in ("a", "b", "c"))
    result = tools.answer(alone, *bundled, places=[tools.place(alone, "/etc/tls/a.pem")], bundles=[_bundle(tools, bundled)])
    tools.record(inventory, result, at=clock(), host=tools.web)
    assert set(inventory.known_certificates(tools.web)) == {tools.sha256(der) for der in (alone, *bundled)}
    assert inventory.known_certificates(HostName(namespace="lab", name="web2")) == ()
    tools.record(inventory, tools.answer(), at=clock.move(days=1), host=tools.web)
    assert inventory.known_certificates(tools.web) == ()


def test_certificates_in_parts(inventory: Inventory, path: str, tools: t.Any, clock: t.Any) -> None:
    """What came before the scan is there when it is recorded; what is not what it is called is not stored."""
    first, second = tools.make_der("a"), tools.make_der("b")
    result = tools.answer(first, second)
    told = dict(result["certificates"])
    assert inventory.lacking_certificates(list(told)) == set(told)
    inventory.add_certificates({**told, "0" * 64: told[tools.sha256(first)]})
    assert inventory.lacking_certificates([*told, "0" * 64]) == {"0" * 64}
    recorded = tools.record(inventory, {**result, "certificates": {}}, at=clock())
    assert (recorded.problems, len(_places(path))) == ((), 2)


def test_a_bundle_that_cannot_be_known_is_asked_for_again(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """A database that was restored lacks what the host left out: the bundle stays unknown until a host sends all of it."""
    ders = [tools.make_der(name) for name in ("a", "b")]
    tools.record(inventory, tools.answer(bundles=[_bundle(tools, None)]), at=clock())
    tools.record(inventory, tools.answer(ders[0], places=[], bundles=[_bundle(tools, ders)]), at=clock.move(days=1), machine_id="m")
    assert inventory.known_bundles() == ()
    tools.record(inventory, tools.answer(*ders, places=[], bundles=[_bundle(tools, ders)]), at=clock.move(days=1))
    assert inventory.known_bundles() == ("b" * 64,)


def test_one_machine_under_two_names_is_told(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Equal machine-ids and ssh host keys make twins, equal addresses and product UUIDs do not."""
    evidence = {"machine_id": "m1", "product_uuid": "u1", "ssh_host_keys": ["k1", "k2"], "addresses": ["192.0.2.1"]}
    tools.record(inventory, tools.answer(), at=clock(), **evidence)
    names = {"same": {"machine_id": "m1"}, "key": {"ssh_host_keys": ["k2"]}, "other": {"product_uuid": "u1", "addresses": ["192.0.2.1"], "machine_id": "m2"}}
    twins = {}
    for name, own in names.items():
        twins[name] = [twin.name for twin in tools.record(inventory, tools.answer(), at=clock(), host=HostName("lab", name), **own).twins]
    assert twins == {"same": ["web1"], "key": ["web1"], "other": []}
    equal = {host["host"]: [(other["host"], other["evidence"]) for other in host["equal_evidence"]] for host in inventory.documents("hosts")}
    assert equal["web1"] == [("same", ["machine_id"]), ("key", ["ssh_host_key"]), ("other", ["product_uuid"])]


def test_a_silent_host_is_a_row_with_a_reason(inventory: Inventory, path: str, tools: t.Any, clock: t.Any) -> None:
    """What it had is not gone, and the same silence again is no event."""
    tools.record(inventory, tools.answer(tools.make_der("a")), at=clock())
    for _night in range(2):
        clock.move(days=1)
        inventory.record_silent_host(tools.web, reason="unreachable: no route to host")
    inventory.record_silent_host(HostName("lab", "never"), reason="sudo: a password is required")
    assert _raw(path, "SELECT complete, reason, digest IS NULL FROM scans WHERE id > 1 AND host_id = 1") == [(0, "unreachable: no route to host", 1)] * 2
    assert _raw(path, "SELECT kind, host FROM events WHERE seq > 1") == [("scan.nothing", "web1"), ("scan.nothing", "never")]
    assert _raw(path, "SELECT last_seen FROM hosts WHERE name = 'never'") == [(None,)]
    assert _places(path)["/etc/tls/0.pem"][0] is False
    assert tools.record(inventory, tools.answer(tools.make_der("a")), at=clock.move(days=1)).changed is False


def test_a_certificate_under_a_false_name_is_not_stored(inventory: Inventory, path: str, tools: t.Any, clock: t.Any) -> None:
    """A host cannot give another certificate, or something that is no base64, the fingerprint that other hosts refer to."""
    good, bad = tools.make_der("a"), tools.make_der("b")
    result = tools.answer(good)
    result["certificates"] = {tools.sha256(good): base64.b64encode(bad).decode(), "f" * 64: "*", "e" * 64: 7}
    recorded = tools.record(inventory, result, at=clock())
    assert len([text for text in recorded.problems if "does not have that SHA-256" in text]) == 3
    assert f"place '/etc/tls/0.pem': the host's answer lacks its certificate {tools.sha256(good)!r}" in recorded.problems
    assert _raw(path, "SELECT count(*) FROM certificates") == [(0,)]


def test_what_is_no_certificate_is_stored_with_its_problem(inventory: Inventory, path: str, tools: t.Any, clock: t.Any) -> None:
    """Nothing that the host found is dropped because no parser takes it."""
    tools.record(inventory, tools.answer(b"\x30\x03\x02\x01\x01", b""), at=clock())
    assert _raw(path, "SELECT count(*) FROM certificates WHERE problem IS NOT NULL AND not_after IS NULL") == [(2,)]
    assert {document["status"] for document in inventory.documents("certificates")} == {None}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"places": [{"path": "/a"}]}, "result.places[0].certificate of the host's answer is missing"),
        ({"places": [{"path": "/a", "certificate": "xyz"}]}, "result.places[0].certificate of the host's answer is 'xyz': a SHA-256 in hexadecimal"),
        ({"places": [{"certificate": "a" * 64}]}, "result.places[0].path of the host's answer is None: a text is expected"),
        ({"places": "x"}, "result.places of the host's answer is 'x': a list is expected"),
        ({"places": ["x"]}, "result.places[0] of the host's answer is 'x': an object is expected"),
        ({"keys": [{"path": "/a", "entry": "0"}]}, "result.keys[0].entry of the host's answer is '0': a whole number is expected"),
        ({"keys": [{"path": "/a", "encrypted": 1}]}, "result.keys[0].encrypted of the host's answer is 1: true or false is expected"),
        ({"keys": [{"path": "/a", "mtime": True}]}, "result.keys[0].mtime of the host's answer is True: a number is expected"),
        ({"services": [{"name": 7}]}, "result.services[0].name of the host's answer is 7: a text is expected"),
        ({"left_over": [7]}, "result.left_over of the host's answer holds something else than texts"),
        ({"certificates": []}, None),
        ({"certificates": ["x"]}, "result.certificates of the host's answer is ['x']: an object is expected"),
        ({"bundles": [{"places": []}]}, "result.bundles[0].sha256 of the host's answer is missing"),
    ],
)
def test_an_answer_of_another_shape_is_refused(inventory: Inventory, path: str, tools: t.Any, clock: t.Any, *, other: t.Any, message: str | None) -> None:
    """One sentence says what is wrong, and nothing of the answer is stored."""
    if message is None:
        tools.record(inventory, tools.answer(**other), at=clock())
        return
    with pytest.raises(InventoryError) as error:
        tools.record(inventory, tools.answer(**other), at=clock())
    assert str(error.value).startswith(message)
    assert _raw(path, "SELECT count(*) FROM scans") == [(0,)]


def test_hostile_text_is_stored_as_text(inventory: Inventory, path: str, tools: t.Any, clock: t.Any) -> None:
    """SQL, NUL characters, lone surrogates, a megabyte, numbers beyond every column and numbers that are none."""
    der = tools.make_der("a")
    nasty = "'; DROP TABLE places; -- \x00 \ud800 {{ 1 + 1 }} \x1b[2J"
    places = [tools.place(der, nasty, owner="o" * 1_000_000, size=2**80, mtime=float("nan"), ctime=float("inf"), entry=2**40, links=[nasty] * 2000)]
    service = {"name": nasty, "uses": [[[nasty]]], "listeners": {nasty: [2**70, float("inf")]}}
    tools.record(inventory, tools.answer(der, places=places, services=[service]), at=clock(), machine_id=nasty, addresses=[nasty] * 3)
    stored = _raw(path, "SELECT path, length(owner), size, mtime, ctime, entry, links_json FROM places")[0]
    assert stored[0] == nasty.replace("\x00", "\\u0000").replace("\ud800", "\\ud800")
    assert stored[1] < 4300
    assert stored[2:6] == (None, None, None, None)
    document = next(iter(inventory.documents("places")))
    assert len(document["links"]) == 1001
    assert document["links"][-1] == "… [2000 entries]"
    assert next(iter(inventory.documents("services")))["listeners"] == {stored[0]: ["400000000000000000", None]}


def test_a_certificate_with_twenty_thousand_names(inventory: Inventory, path: str, tools: t.Any, clock: t.Any) -> None:
    """The first thousand are kept, and how many there were."""
    tools.record(inventory, tools.answer(tools.make_der("many", names=20_000)), at=clock())
    assert _raw(path, "SELECT names_count FROM certificates") == [(20_000,)]
    assert _raw(path, "SELECT count(*) FROM certificate_names") == [(1000,)]
    assert next(iter(inventory.documents("certificates")))["subject_alt_name"][1000:] == ["… [20000 entries]"]


def test_a_thousand_certificates_are_recorded_at_once(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """A host with 1,065 places that were known before, all of them changed: the measured 0.06 s with a wide margin."""
    der = tools.make_der("a")
    results = [tools.answer(der, places=[tools.place(der, f"/etc/tls/{index}.pem", mtime=mtime) for index in range(1065)]) for mtime in (1.0, 2.0)]
    tools.record(inventory, results[0], at=clock())
    before = time.process_time()
    tools.record(inventory, results[1], at=clock.move(days=1))
    assert time.process_time() - before < 0.5


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("a/\x00\x1b\ud800\udfff\u20ac'{"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("a\ud800"), inner, max_size=4),
    max_leaves=12,
)
_FIELDS = ("certificates", "places", "keys", "bundles", "services", "summary", "problems", "skipped", "left_over", "done", "complete", "privileged")
_ROWS = st.fixed_dictionaries(
    {"path": st.text("/a\x00\udfff", min_size=1)}, optional=dict.fromkeys(("certificate", "links", "mode", "spki", "places", "name"), _JSON)
)


@pytest.fixture(scope="module", name="shared")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Inventory]:
    with open_inventory(str(tmp_path_factory.mktemp("shared") / "inventory.db"), now=lambda: datetime.now(timezone.utc)) as inventory:
        yield inventory


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    answer=st.dictionaries(st.sampled_from(_FIELDS), _JSON | st.lists(_ROWS, max_size=3)),
    evidence=st.dictionaries(st.sampled_from(("machine_id", "addresses")), _JSON),
)
def test_whatever_a_host_answers(shared: Inventory, answer: t.Any, evidence: t.Any) -> None:
    """It is stored or refused by one sentence; either way the inventory stays readable and its audit log whole."""
    now = datetime.now(timezone.utc)
    with contextlib.suppress(InventoryError):
        shared.record_scan(ScanRecord(host=HostName("lab", "fuzzed"), started=now, ended=now, result=answer, evidence=evidence))
    for kind in ("hosts", "places", "keys", "services"):
        list(shared.documents(kind))


def _in_parts(tools: t.Any, ders: t.Sequence[bytes], clock: t.Any, *, broken: bool = False) -> ScanRecord:
    """A scan that tells one place in its answer and each of the others in a part of its own."""
    whole = tools.answer(*ders)
    more: list[t.Any] = [{"places": [place], "keys": None} for place in whole["places"][1:]] + ([{"places": [{"path": 1}]}] if broken else [])
    return ScanRecord(tools.web, clock.time, clock.time, {**whole, "places": whole["places"][:1]}, {}, more=more, stored=5)


def test_a_scan_in_parts(inventory: Inventory, tools: t.Any, clock: t.Any) -> None:
    """Every part is stored, the same again costs a row, and what a later one lacks is gone; its event counts what was stored before."""
    ders = [tools.make_der(name) for name in "abcd"]
    first = inventory.record_scan(_in_parts(tools, ders, clock))
    assert (first.changed, first.new_certificates, first.gone) == (True, 9, 0)
    clock.move(days=1)
    assert inventory.record_scan(_in_parts(tools, ders, clock)).changed is False
    clock.move(days=1)
    assert inventory.record_scan(_in_parts(tools, ders[:3], clock)).gone == 1
    assert [place["gone_at"] is not None for place in inventory.documents("places")] == [False, False, False, True]
    assert [event["detail"]["new_certificates"] for event in inventory.documents("events")] == [9, 5]


def test_a_part_that_is_none(inventory: Inventory, path: str, tools: t.Any, clock: t.Any) -> None:
    """Nothing of the scan is there: no place of it, and what was there before is not gone."""
    ders = [tools.make_der(name) for name in "ab"]
    inventory.record_scan(_in_parts(tools, ders, clock))
    clock.move(days=1)
    with pytest.raises(InventoryError, match="places"):
        inventory.record_scan(_in_parts(tools, [tools.make_der(name) for name in "cd"], clock, broken=True))
    assert [gone for gone, _first, _last in _places(path).values()] == [False, False]
    assert _raw(path, "SELECT count(*) FROM scans") == [(1,)]
