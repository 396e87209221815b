# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_scan_info on the controller: a host that gives nothing is a row with the reason, whatever stands in the way."""

from __future__ import annotations

import base64
import inspect
import pathlib
import sqlite3
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timezone

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.executor import task_executor

from ansible_collections.certops.fleet.plugins.action.host_scan_info import ARGUMENT_SPEC, NOT_SENT, _result, scan
from ansible_collections.certops.fleet.plugins.plugin_utils._action.arguments import checked_arguments
from ansible_collections.certops.fleet.plugins.plugin_utils._host.exchange import ExchangeError
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import connection
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.spool import Recorder, Spool, replay, spool_of
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName, Run, Stated
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host import made


class TaskTimeoutError(BaseException):
    """As ansible-core has it: no Exception, so that no plugin goes on after it."""


FAILURES = [
    AnsibleConnectionFailure("no route to host"),
    AnsibleActionFail("The module interpreter '/usr/bin/python9' was not found."),
    AnsibleError("Missing sudo password"),
    ExchangeError("nothing came back from the host program", "died"),
]
DENIED = [{"path": "/etc/ssl/private", "reason": "Permission denied"}]


@dataclass
class FailingTask:
    """A task whose host cannot be asked."""

    path: pathlib.Path
    failure: BaseException
    record: bool = True
    check_mode: bool = False
    host: HostName = field(default_factory=lambda: HostName("", "web1"))
    warnings: list[str] = field(default_factory=list)

    @property
    def args(self) -> dict[str, t.Any]:
        return checked_arguments({"record": self.record}, ARGUMENT_SPEC)

    def inventory(self) -> t.Any:
        return open_inventory(str(self.path), now=lambda: datetime.now(timezone.utc))

    @property
    def run(self) -> Run:
        return Run("discover.yml", "job 7", hosts_asked=1)

    @property
    def spool(self) -> Spool:
        return spool_of(str(self.path), None, environ={})

    def recorder(self) -> Recorder:
        return Recorder(self.inventory, self.spool, host=self.host, actor="tester", tell=self.warnings.append)

    def stated(self) -> tuple[Stated, list[str]]:
        return Stated(("web",), (("owner", "team web"),)), ["certops_contacts cannot be used"]

    def exchange(self, _verb: str, _args: t.Mapping[str, t.Any]) -> t.NoReturn:
        raise self.failure


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_a_host_that_gives_nothing_is_a_row(failure: Exception, tmp_path: pathlib.Path) -> None:
    """Unreachable, without an interpreter, without become: known to the inventory, with the reason, and the error is the user's all the same."""
    task = FailingTask(tmp_path / "inventory.db", failure)
    with pytest.raises(type(failure)):
        scan(t.cast(t.Any, task))
    with task.inventory() as inventory:
        (host,) = inventory.documents("hosts")
        (run,) = inventory.documents("runs")
    assert host["host"] == "web1"
    assert (run["run"], run["hosts_silent"], run["complete"]) == ("job 7", 1, False)
    assert str(failure) in host["last_scan"]["reason"]
    assert host["last_scan"]["complete"] is False


@pytest.mark.parametrize(
    ("privileged", "problems", "told"),
    [(False, DENIED, True), (False, [], False), (False, [{"path": "/x", "reason": "it vanished"}], False), (True, DENIED, False)],
)
def test_a_scan_that_was_refused_something_is_told(privileged: bool, problems: list[dict[str, str]], told: bool) -> None:
    """Once a run, with the user and what is to be done; a scan as root, or one that may read everything, is not."""
    answer = {"summary": {}, "problems": problems, "skipped": [], "left_over": [], "complete": True, "privileged": privileged, "_host": {"user": "deploy"}}
    task = FailingTask(pathlib.Path(), FAILURES[0])
    warnings = _result(t.cast(t.Any, task), answer, recorded=True, twins=[])["warnings"]
    assert bool(warnings) is told
    assert all("as the user 'deploy'" in text and "set become" in text for text in warnings)


def test_a_host_that_hangs_is_a_row(tmp_path: pathlib.Path) -> None:
    """When the task's time is over, the host is known to have given nothing, and the task ends as Ansible ends it."""
    task = FailingTask(tmp_path / "inventory.db", TaskTimeoutError())
    with pytest.raises(TaskTimeoutError):
        scan(t.cast(t.Any, task))
    with task.inventory() as inventory:
        (host,) = inventory.documents("hosts")
    assert host["last_scan"]["reason"] == "it did not answer within the timeout of the task"


def test_an_interrupted_run_says_nothing_of_the_host(tmp_path: pathlib.Path) -> None:
    """Whoever stops the run has learnt nothing about the host."""
    task = FailingTask(tmp_path / "inventory.db", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        scan(t.cast(t.Any, task))
    with task.inventory() as inventory:
        assert list(inventory.documents("hosts")) == []


def test_ansible_core_has_the_timeout_by_this_name() -> None:
    """What is looked for by its name is what ansible-core catches around a task."""
    assert "TaskTimeoutError as " in inspect.getsource(task_executor) or "TaskTimeoutError) as " in inspect.getsource(task_executor)


@dataclass
class AnsweringTask(FailingTask):
    """A task whose host has four certificates and sends one of them at a time, the last one never."""

    failure: BaseException = field(default_factory=ValueError)
    everything: bool = False
    asked: list[t.Mapping[str, t.Any]] = field(default_factory=list)

    @property
    def args(self) -> dict[str, t.Any]:
        return checked_arguments({"record": self.record, "return_certificates": self.everything}, ARGUMENT_SPEC)

    def exchange(self, _verb: str, args: t.Mapping[str, t.Any]) -> dict[str, t.Any]:  # type: ignore[override]
        self.asked.append(args)
        if "certificates" in args:
            return {"certificates": {digest: SENT[digest] for digest in args["certificates"][:1] if digest != sorted(SENT)[-1]}}
        empty: dict[str, t.Any] = {name: [] for name in ("keys", "bundles", "services", "locked", "crls", "requests", "problems", "skipped", "left_over")}
        places = [{"certificate": digest, "path": f"/tls/{number}.pem", "entry": 0} for number, digest in enumerate(sorted(SENT))]
        told = {"complete": True, "privileged": True, "summary": {}, "certificates": {}, "places": places, "done": ["/tls"], "_host": {}}
        return {**empty, **told}


SENT = {made.digest(made.certificate(name)): base64.b64encode(made.in_der(made.certificate(name))).decode() for name in ("self", "other", "leaf", "root")}


@pytest.mark.parametrize(("record", "everything"), [(True, False), (True, True), (False, True)])
def test_certificates_beyond_one_answer(record: bool, everything: bool, tmp_path: pathlib.Path) -> None:
    """They are asked for until they are there; what does not come is said, and the host is not complete."""
    task = AnsweringTask(tmp_path / "inventory.db", record=record, everything=everything)
    result = scan(t.cast(t.Any, task))
    assert (result["complete"], result["passed_over"]) == (False, [{"path": "/", "reason": NOT_SENT, "count": 1}])
    assert len(task.asked) == 5
    if everything:
        assert {found["sha256"] for found in result["certificates"]} == set(sorted(SENT)[:-1])
    assert ("certops_contacts cannot be used" in result["warnings"]) is record
    if record:
        with task.inventory() as inventory:
            (stated,) = [event["detail"]["after"] for event in inventory.documents("events") if event["kind"] == "ownership.variables"]
            assert stated == {"owner": "team web"}
            assert inventory.lacking_certificates(list(SENT)) == {sorted(SENT)[-1]}


@dataclass
class PartialTask(AnsweringTask):
    """A task whose host tells its places one by one, and is cut off before the last one where that is asked for."""

    cut: bool = False

    def exchange(self, _verb: str, args: t.Mapping[str, t.Any]) -> dict[str, t.Any]:  # type: ignore[override]
        places = [{"certificate": digest, "path": f"/tls/{number}.pem", "entry": 0} for number, digest in enumerate(sorted(SENT))]
        if "part" in args:
            if self.cut and args["part"]["number"] == 2:
                raise self.failure
            return {"places": [places[args["part"]["number"] + 1]], "_host": {}}
        answer = super().exchange(_verb, args)
        return answer if "certificates" in args else {**answer, "places": places[:1], "more": {"token": "t", "count": 3}}


@pytest.mark.parametrize(("record", "everything"), [(True, False), (True, True), (False, True)])
def test_rows_beyond_one_answer(record: bool, everything: bool, tmp_path: pathlib.Path) -> None:
    """They are asked for and recorded, or returned; that a certificate does not come is said once."""
    task = PartialTask(tmp_path / "inventory.db", record=record, everything=everything)
    result = scan(t.cast(t.Any, task))
    assert (result["complete"], result["passed_over"]) == (False, [{"path": "/", "reason": NOT_SENT, "count": 1}])
    if everything:
        assert {found["sha256"]: len(found["places"]) for found in result["certificates"]} == dict.fromkeys(sorted(SENT)[:-1], 1)
    if record:
        with task.inventory() as inventory:
            assert [place["path"] for place in inventory.documents("places")] == [f"/tls/{number}.pem" for number in range(3)]
            assert next(iter(inventory.documents("events")))["detail"]["new_certificates"] == 3


def test_a_scan_that_is_cut_off_between_its_parts(tmp_path: pathlib.Path) -> None:
    """It gave nothing, as far as the inventory knows: what was there stays there."""
    scan(t.cast(t.Any, PartialTask(tmp_path / "inventory.db", ValueError())))
    task = PartialTask(tmp_path / "inventory.db", FAILURES[-1], cut=True)
    with pytest.raises(ExchangeError):
        scan(t.cast(t.Any, task))
    with task.inventory() as inventory:
        assert [place["gone_at"] for place in inventory.documents("places")] == [None] * 3
        (host,) = inventory.documents("hosts")
    assert (host["last_scan"]["complete"], host["last_scan"]["reason"]) == (False, str(FAILURES[-1]))


@pytest.mark.parametrize("asked", [1, 2])
def test_an_inventory_that_goes_away(asked: int, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the host is asked, or between the parts of its answer: the scan waits for the next run, with all that the host has sent."""
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.1)
    task = AnsweringTask(tmp_path / "inventory.db")
    with task.inventory():
        pass
    holder = sqlite3.connect(task.path, isolation_level=None)
    exchange = task.exchange

    def lock_and_exchange(verb: str, args: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        if len(task.asked) == asked - 1:
            holder.execute("BEGIN EXCLUSIVE")
        return exchange(verb, args)

    monkeypatch.setattr(task, "exchange", lock_and_exchange)
    result = scan(t.cast(t.Any, task))
    assert (result["recorded"], result["spooled"], "failed" in result, len(task.warnings)) == (False, True, False, 1)
    holder.close()
    with task.inventory() as inventory:
        replay(inventory, task.spool)
        assert inventory.lacking_certificates(list(SENT)) == {sorted(SENT)[-1]}
        assert [host["host"] for host in inventory.documents("hosts")] == ["web1"]


def test_a_silent_host_and_no_inventory(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason waits for the next run, too; the error is the user's all the same."""
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.1)
    task = FailingTask(tmp_path / "inventory.db", FAILURES[0])
    with task.inventory():
        pass
    holder = sqlite3.connect(task.path, isolation_level=None)

    def lock_and_fail(_verb: str, _args: t.Mapping[str, t.Any]) -> t.NoReturn:
        holder.execute("BEGIN EXCLUSIVE")
        raise task.failure

    monkeypatch.setattr(task, "exchange", lock_and_fail)
    with pytest.raises(AnsibleConnectionFailure):
        scan(t.cast(t.Any, task))
    holder.close()
    with task.inventory() as inventory:
        replay(inventory, task.spool)
        (host,) = inventory.documents("hosts")
    assert "no route to host" in host["last_scan"]["reason"]


def test_a_summary_alone_asks_for_nothing_more(tmp_path: pathlib.Path) -> None:
    """Where nothing is recorded or returned, no certificate is needed."""
    task = AnsweringTask(tmp_path / "inventory.db", record=False)
    assert scan(t.cast(t.Any, task))["complete"]
    assert len(task.asked) == 1
