# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""endpoint_scan_info on the controller: from here or from the host, in parts, recorded or not, and refused before anything is asked."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timezone

import pytest

from ansible_collections.certops.fleet.plugins.action import endpoint_scan_info
from ansible_collections.certops.fleet.plugins.action.endpoint_scan_info import ARGUMENT_SPEC, scan
from ansible_collections.certops.fleet.plugins.module_utils._host import verb_endpoints
from ansible_collections.certops.fleet.plugins.plugin_utils._action.arguments import checked_arguments
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint import scan as scanning
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.scan import SettingError
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.targets import TargetError
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName
from ansible_collections.certops.fleet.tests.unit.plugins.module_utils._host.endpoint import listeners


@dataclass
class OwnTask:
    """A task on this machine, whose host is the same machine."""

    path: pathlib.Path
    given: dict[str, t.Any]
    check_mode: bool = False
    variables: dict[str, t.Any] = field(default_factory=dict)
    host: HostName = field(default_factory=lambda: HostName("lab", "web1"))
    exchanges: list[int] = field(default_factory=list)

    @property
    def args(self) -> dict[str, t.Any]:
        return checked_arguments({"connect_timeout": 2, "handshake_timeout": 5, **self.given}, ARGUMENT_SPEC)

    def inventory(self) -> t.Any:
        return open_inventory(str(self.path), now=lambda: datetime.now(timezone.utc), missing="empty" if self.check_mode else "create")

    def exchange(self, verb: str, args: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        assert verb == "endpoints"
        self.exchanges.append(len(args["probes"]))
        return {**verb_endpoints.run(dict(args), t.cast(t.Any, None)), "_host": {}}


@pytest.fixture(name="port", scope="module")
def _port() -> t.Iterator[int]:
    with listeners.listener(listeners.speaking()) as port:
        yield port


@pytest.fixture(name="said")
def _said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(endpoint_scan_info.Display, "display", lambda _self, text, *_args, **_more: said.append(text))
    return said


def run(task: OwnTask) -> dict[str, t.Any]:
    return scan(t.cast(t.Any, task))


@pytest.mark.parametrize("from_host", [False, True])
def test_seen_and_recorded(from_host: bool, port: int, tmp_path: pathlib.Path, said: list[str]) -> None:
    """By the controller or by the host, with the same result; the last line is the summary."""
    root = listeners.written("root.pem", listeners.made.certificate("authority", ca=True))
    task = OwnTask(tmp_path / "inventory.db", {"targets": [f"127.0.0.1:{port}", "127.0.0.1:1"], "roots": [root], "from_host": from_host})
    result = run(task)
    assert (result["changed"], result["recorded"], result["complete"]) == (False, True, True)
    (row, closed) = result["endpoints"]
    assert (row["state"], row["verified"], row["chain"]) == ("seen", True, listeners.digests())
    assert result["problems"] == [{"endpoint": closed["endpoint"], "reason": "cannot be connected to: Connection refused"}]
    assert said[-1] == result["msg"]
    assert result["msg"].startswith("2 endpoints: 1 showed a certificate (1 have another name); 1 took no connection; ")
    with task.inventory() as inventory:
        (document,) = inventory.documents("endpoints")
    assert (document["seen_from"], document["path"], document["namespace"]) == ("web1" if from_host else "", f"127.0.0.1:{port}", "lab")
    assert task.exchanges == ([2] if from_host else [])


@pytest.mark.parametrize("changes", [{"check_mode": True}, {"given": {"record": False}}])
def test_nothing_is_recorded(changes: dict[str, t.Any], port: int, tmp_path: pathlib.Path, said: list[str]) -> None:
    """In check mode, and where it is not wanted: no file is made."""
    given = {"targets": [f"localhost:{port}"], "return_certificates": True, **changes.get("given", {})}
    task = OwnTask(tmp_path / "inventory.db", given, check_mode=changes.get("check_mode", False))
    result = run(task)
    assert (result["recorded"], result["summary"]["seen"], len(result["certificates"])) == (False, 1, 2)
    assert result["endpoints"][0]["verify_problem"].startswith("its chain ends at")
    assert not task.path.exists()
    assert said


def test_in_parts(port: int, tmp_path: pathlib.Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is an exchange and a transaction; what there is no time for is left over."""
    monkeypatch.setattr(scanning, "BATCH", 2)
    ports = [f"127.0.0.{last}:{port}" for last in range(1, 6)]
    task = OwnTask(tmp_path / "inventory.db", {"targets": ports, "from_host": True})
    result = run(task)
    assert task.exchanges == [2, 2, 1]
    assert [row["endpoint"] for row in result["endpoints"]] == ports
    clock = iter([0.0, 0.0, 0.0, 100.0, 100.0, 100.0, 100.0, 100.0, 100.0])
    monkeypatch.setattr(endpoint_scan_info.time, "monotonic", lambda: next(clock, 100.0))
    result = run(OwnTask(tmp_path / "inventory.db", {"targets": ports, "from_host": True, "max_seconds": 50}))
    assert (result["complete"], result["left_over"] > 0) == (False, True)
    assert said


def test_the_roots_of_the_inventory_count(port: int, tmp_path: pathlib.Path, said: list[str]) -> None:
    """What the internal CA issued verifies without an option."""
    from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import Issuer

    task = OwnTask(tmp_path / "inventory.db", {"targets": [f"127.0.0.1:{port}"]})
    with task.inventory() as inventory:
        inventory.put_issuer(Issuer(name="internal", kind="embedded", certificate=listeners.made.in_der(listeners.made.certificate("authority", ca=True))))
    assert run(task)["endpoints"][0]["verified"] is True
    assert said


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({}, TargetError, "targets and groups are empty: name at least one endpoint such as 'www.example.com:443'"),
        ({"targets": ["http://x"]}, TargetError, "has the scheme 'http'"),
        ({"groups": ["web"]}, TargetError, "groups: 'web' is neither a group nor a host of the inventory"),
        ({"targets": ["10.0.0.0/8"]}, TargetError, "are more than 65536 endpoints"),
        ({"targets": ["x"], "rate": -1}, SettingError, "rate must be a number from 0 to 100000, got -1"),
    ],
)
def test_refused_before_anything_is_asked(given: dict[str, t.Any], error: type[Exception], message: str, tmp_path: pathlib.Path) -> None:
    """In one sentence, and no inventory is made."""
    task = OwnTask(tmp_path / "inventory.db", given)
    with pytest.raises(error, match=message):
        run(task)
    assert not task.path.exists()


def test_without_the_packages_it_imports_and_says_what_is_missing() -> None:
    """The import test of Ansible's sanity checks runs with ansible-core alone."""
    code = (
        "import sys\n"
        "for name in ('sqlalchemy', 'alembic', 'jmespath', 'cryptography', 'netaddr'):\n"
        "    sys.modules[name] = None\n"
        "from ansible_collections.certops.fleet.plugins.action.endpoint_scan_info import scan\n"
        "try:\n"
        "    scan(None)\n"
        "except ValueError as exc:\n"
        "    print(exc)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
    assert done.stdout.startswith("the Python that runs Ansible needs the package 'cryptography', version 42 or later")
