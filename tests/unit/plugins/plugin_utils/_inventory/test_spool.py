# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The spool: what is done while the database is away comes into it later, once, whatever happens to the files meanwhile."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import pathlib
import shutil
import sqlite3
import typing as t
from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import connection, spool
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.entries import Entry
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.location import locate
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.spool import Recorder, Spool, SpoolError, replay, spool_of
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Event, HostName, ScanRecord, Settled, SilentHost, Stated

FORK = multiprocessing.get_context("fork")
WEB = HostName("lab", "web1")
Away = t.Callable[[], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def _locked(path: str) -> t.Iterator[None]:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    yield
    holder.close()


@contextlib.contextmanager
def _closed(cluster: t.Any, database: str) -> t.Iterator[None]:
    cluster.sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
    yield
    cluster.sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is locked is away at once."""
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.1)


@pytest.fixture(name="away")
def _away(url: str, backend: str, request: pytest.FixtureRequest) -> Away:
    """Takes the database away: a file that another process does not give free, a server that ends every connection."""
    if backend == "sqlite":
        return lambda: _locked(url)
    cluster, server = request.getfixturevalue("cluster"), locate(url, environ={}).server
    assert server is not None
    return lambda: _closed(cluster, server.parameters["dbname"])


@pytest.fixture(name="place")
def _place(inventory: Inventory, tmp_path: pathlib.Path) -> Spool:
    return Spool(str(tmp_path / "spool"), inventory.path)


class Told(Recorder):
    """A recorder that keeps what it tells."""

    def __init__(self, inventory: Inventory, place: Spool) -> None:
        self.told: list[str] = []
        super().__init__(lambda: contextlib.nullcontext(inventory), place, host=WEB, actor="first", tell=self.told.append)


def _files(place: Spool) -> list[pathlib.Path]:
    return sorted(pathlib.Path(place.folder).glob("*.json"))


def _scan(tools: t.Any, *, at: datetime) -> ScanRecord:
    return ScanRecord(WEB, at - timedelta(seconds=2), at, tools.answer(tools.make_der("spooled")), {}, stated=Stated(("web",), (("owner", "team"),)))


def _events(inventory: Inventory) -> list[dict[str, t.Any]]:
    return list(inventory.documents("events"))


def _spool_event(inventory: Inventory, place: Spool, away: Away, subject: str = "web") -> Told:
    recorder = Told(inventory, place)
    with away():
        recorder.put(Event("test.done", subject, WEB, {"transaction": subject}))
        recorder.flush()
    return recorder


def _issue(inventory: Inventory, tools: t.Any) -> int:
    inventory.put_issuer(tools.issuer)
    issuance = inventory.begin_issuance(tools.intent(serial=7)).id
    inventory.complete_issuance(issuance, der=tools.make_der("issued", serial=7), chain=())
    return issuance


def test_what_was_done_meanwhile_comes_later(inventory: Inventory, place: Spool, away: Away, tools: t.Any, clock: t.Any) -> None:
    """The state, the places and the events of one transaction: in one file for its owner alone, then in the inventory, with their time and actor."""
    issuance, recorder = _issue(inventory, tools), Told(inventory, place)
    with away():
        recorder.put(Settled(issuance, WEB, "installed", transaction="1" * 32))
        assert recorder.put(_scan(tools, at=clock())) is None
        recorder.put(Event("certificate.change_ended", "web", WEB, {"outcome": "committed"}))
        recorder.flush()
    (path,) = _files(place)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert (recorder.spooled, recorder.lost, str(path) in recorder.told[0]) == (True, [], True)
    assert [one.state for one in inventory.issuances()] == ["issued"]
    assert replay(inventory, place) == [f"what earlier runs left in the spool {place.folder!r} is in the inventory now, records: 3"]
    assert [one.state for one in inventory.issuances()] == ["installed"]
    assert [found["path"] for found in inventory.documents("places")] == ["/etc/tls/0.pem"]
    late = _events(inventory)[-5:]
    assert [event["kind"] for event in late[:3]] == ["issuance.installed", "scan.recorded", "ownership.variables"]
    assert all(event["detail"]["spooled"]["actor"] == "first" for event in late[:4])
    assert (late[4]["kind"], late[4]["detail"]["records"], inventory.verify_chain()) == ("spool.replayed", 3, ())
    assert (_files(place), replay(inventory, place)) == ([], [])


def test_a_file_that_comes_again_is_only_removed(inventory: Inventory, place: Spool, away: Away, tmp_path: pathlib.Path) -> None:
    """As when a run was killed between what it wrote and the removal."""
    _spool_event(inventory, place, away)
    (path,) = _files(place)
    shutil.copy(path, tmp_path / "kept")
    replay(inventory, place)
    before = _events(inventory)
    shutil.copy(tmp_path / "kept", path)
    assert replay(inventory, place) == []
    assert (_events(inventory), _files(place)) == (before, [])


def _replay(url: str, place: Spool, start: t.Any) -> None:
    start.wait()
    with open_inventory(url, now=lambda: datetime.now(timezone.utc)) as inventory:
        replay(inventory, place)
    os._exit(len(_files(place)))


def test_four_at_once(inventory: Inventory, url: str, place: Spool, away: Away) -> None:
    """Each file is replayed by one of them, and nobody goes on before all are."""
    for number in range(6):
        _spool_event(inventory, place, away, f"web{number}")
    start = FORK.Event()
    forks = [FORK.Process(target=_replay, args=(url, place, start)) for _fork in range(4)]
    for fork in forks:
        fork.start()
    start.set()
    for fork in forks:
        fork.join(60)
    assert [fork.exitcode for fork in forks] == [0] * 4
    assert sorted(event["subject"] for event in _events(inventory) if event["kind"] == "test.done") == [f"web{number}" for number in range(6)]
    assert inventory.verify_chain() == ()


def test_two_spools_of_one_file(inventory: Inventory, url: str, place: Spool, away: Away, tmp_path: pathlib.Path) -> None:
    """The lock of the folder is not what makes it once: two controllers may have a copy of it each."""
    _spool_event(inventory, place, away)
    other = Spool(str(tmp_path / "other"), place.inventory)
    shutil.copytree(place.folder, other.folder)
    start = FORK.Event()
    forks = [FORK.Process(target=_replay, args=(url, each, start)) for each in (place, other)]
    for fork in forks:
        fork.start()
    start.set()
    for fork in forks:
        fork.join(60)
    assert [event["kind"] for event in _events(inventory)] == ["test.done", "spool.replayed"]


def test_written_and_not_known(inventory: Inventory, place: Spool, away: Away, tools: t.Any, clock: t.Any) -> None:
    """A connection that is lost after the end of a transaction: what is in the spool, too, is not written again."""
    scan, event = _scan(tools, at=clock()), Event("test.done", "web", WEB, {"transaction": "1"})
    spooled = spool.Spooled("a" * 32, place.inventory, WEB, "first", clock(), (Entry(clock(), scan), Entry(clock(), event)))
    spool.write(place.folder, spooled)
    inventory.record_scan(scan)
    inventory.append_event(event.kind, subject=event.subject, host=event.host, detail=event.detail)
    replay(inventory, place)
    assert [event["kind"] for event in _events(inventory)] == ["scan.recorded", "ownership.variables", "test.done", "spool.replayed"]
    assert _events(inventory)[-1]["detail"]["passed_over"] == ["scan: it is there, or something newer", "event: it is there, or something newer"]


def test_what_is_newer_stands(inventory: Inventory, place: Spool, away: Away, tools: t.Any, clock: t.Any) -> None:
    """A scan since then, a certificate revoked since then, a host that answered since then."""
    issuance, recorder = _issue(inventory, tools), Told(inventory, place)
    with away():
        recorder.put(Settled(issuance, WEB, "installed"))
        recorder.put(Settled(issuance + 1, WEB, "installed"))
        recorder.put(_scan(tools, at=clock()))
        recorder.put(SilentHost(WEB, "it is off", clock(), clock()))
        recorder.flush()
    inventory.set_issuance_state(issuance, state="revoked")
    tools.record(inventory, tools.answer(), at=clock.move(hours=1))
    assert replay(inventory, place) == []
    passed_over = _events(inventory)[-1]["detail"]["passed_over"]
    assert passed_over[0].startswith(f"issuance {issuance} of 'web' is 'revoked' and cannot become 'installed'")
    assert passed_over[1:] == [f"issuance {issuance + 1} is not in the inventory", *["scan: it is there, or something newer"] * 2]
    assert list(inventory.documents("places")) == []


def _truncated(path: pathlib.Path) -> None:
    path.write_text(path.read_text()[:-20])


def _changed(name: str, value: t.Any) -> t.Callable[[pathlib.Path], None]:
    def change(path: pathlib.Path) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))

    return change


def _linked(path: pathlib.Path) -> None:
    path.rename(path.with_suffix(".away"))
    path.symlink_to(path.with_suffix(".away"))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_truncated, "it is no file of the spool, or not whole (JSONDecodeError)"),
        (lambda path: path.write_text("[]"), "it is no file of the spool, or not whole (TypeError)"),
        (lambda path: path.write_bytes(b"\xff\x00"), "it is no file of the spool, or not whole (UnicodeDecodeError)"),
        (_changed("certops_spool", 2), "it has the format 2, this release reads 1"),
        (_changed("inventory", "postgresql://other/db"), "it belongs to the inventory 'postgresql://other/db', this one is "),
        (_changed("entries", [{"at": "2026-01-01T00:00:00+00:00", "secret": {}}]), "it is no file of the spool, or not whole (KeyError)"),
        (_changed("entries", [{"at": "2026-01-01T00:00:00+00:00", "event": {"kind": "x", "subject": 5}}]), "it holds something that is no record (TypeError)"),
        (lambda path: path.chmod(0o644), "it must be a file of this user, with the mode 0600"),
        (_linked, "it cannot be read: "),
    ],
)
def test_a_file_that_cannot_be_used(inventory: Inventory, place: Spool, away: Away, spoil: t.Callable[[pathlib.Path], t.Any], told: str) -> None:
    """Is told and kept, and holds up nothing: neither the others nor the run."""
    _spool_event(inventory, place, away, "spoilt")
    (path,) = _files(place)
    spoil(path)
    _spool_event(inventory, place, away, "good")
    for _run in range(2):
        sentences = replay(inventory, place)
        assert sentences[-1].startswith(f"spool file {str(path)!r} is kept and was not replayed: {told}")
    assert _files(place) == [path]
    assert [event["subject"] for event in _events(inventory) if event["kind"] == "test.done"] == ["good"]


def test_a_spool_that_cannot_be_written(inventory: Inventory, away: Away, tmp_path: pathlib.Path) -> None:
    """What was done is then told as not recorded."""
    (tmp_path / "file").write_text("")
    recorder = _spool_event(inventory, Spool(str(tmp_path / "file"), inventory.path), away)
    assert (recorder.spooled, recorder.told) == (False, [])
    assert "what was done there is not recorded: inventory " in recorder.lost[0]
    assert "; set certops_spool to a folder that this user can write" in recorder.lost[0]


def test_the_database_goes_away_again(inventory: Inventory, place: Spool, away: Away) -> None:
    """What was not replayed then waits on."""
    _spool_event(inventory, place, away)
    with away(), pytest.raises(connection.UnavailableError):
        replay(inventory, place)
    assert len(_files(place)) == 1
    replay(inventory, place)
    assert [event["kind"] for event in _events(inventory)] == ["test.done", "spool.replayed"]


@pytest.mark.parametrize(
    ("inventory_name", "folder", "found"),
    [
        ("/srv/inventory.db", None, "/srv/inventory.db.spool"),
        ("/srv/inventory.db", "/mnt/spool/", "/mnt/spool"),
        ("postgresql://db/certops", None, "/home/op/.local/share/certops/spool"),
    ],
)
def test_where_it_lies(inventory_name: str, folder: str | None, found: str) -> None:
    """Where it was asked for, beside the file, or below the data of the user."""
    assert spool_of(inventory_name, folder, environ={"HOME": "/home/op"}) == Spool(found, inventory_name)


def test_a_relative_folder_is_refused() -> None:
    """It would lie elsewhere with each run."""
    with pytest.raises(SpoolError, match="certops_spool must be an absolute path of a folder, got 'spool'"):
        spool_of("/srv/inventory.db", "spool", environ={})
