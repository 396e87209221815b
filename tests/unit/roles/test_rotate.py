# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook C(rotate) as a user runs it, against this machine under several names."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import now
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.create import ensure_authority
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.settings import authority_settings

PASSPHRASE = "correct horse battery"
COLLECTIONS = os.pathsep.join(path for path in sys.path if os.path.isdir(os.path.join(path, "ansible_collections", "certops")))


class Fleet:
    """Hosts h1, h2, … with two declared certificates each, all of them this machine."""

    def __init__(self, folder: pathlib.Path, hosts: int) -> None:
        self.folder = folder
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "certops_inventory": f"sqlite:///{folder}/inventory.db",
            "certops_issuers": [{"name": "internal", "type": "embedded", "directory": f"{folder}/ca", "passphrase": PASSPHRASE}],
        }
        self.hosts = {f"h{number}": self._host(f"h{number}") for number in range(1, hosts + 1)}
        self.inventory: dict[str, t.Any] = {"all": {"hosts": {"localhost": {}, **self.hosts}, "vars": variables}}
        (folder / "hosts.json").touch()

    def _host(self, name: str) -> dict[str, t.Any]:
        (self.folder / name).mkdir()
        paths = {f"{name}-{kind}": self.folder / name / f"{kind}.pem" for kind in ("web", "mail")}
        return {"certops_certificates": [{"name": key, "names": [f"{key}.example.com"], "certificate_path": str(path)} for key, path in paths.items()]}

    def play(self, playbook: str, *arguments: str, code: int = 0, debug: bool = False) -> str:
        (self.folder / "hosts.json").write_text(json.dumps(self.inventory))
        settings = {"ANSIBLE_COLLECTIONS_PATH": COLLECTIONS, "ANSIBLE_HOME": str(self.folder / "ansible"), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_DEBUG": str(debug)}
        state = {"CERTOPS_STATE": str(self.folder / "state"), "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-m", "ansible", "playbook", "-i", str(self.folder / "hosts.json"), f"certops.fleet.{playbook}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **settings, **state}, cwd=self.folder)
        output = done.stdout + done.stderr
        assert done.returncode == code, output
        return output

    def changed(self, output: str) -> set[str]:
        """The hosts that a run changed."""
        return set(re.findall(r"^(h\d+) +: ok=\d+ +changed=[1-9]", output, re.MULTILINE))

    def failed(self, output: str) -> set[str]:
        return set(re.findall(r"^(h\d+) +: .* failed=[1-9]", output, re.MULTILINE))

    def served(self) -> set[str]:
        """Hosts with both certificates, each of them verified by openssl."""
        verify = ["openssl", "verify", "-CAfile", str(self.folder / "ca/root.pem"), "-untrusted"]
        return {
            name
            for name in self.hosts
            if all(
                (self.folder / name / f"{kind}.pem").is_file()
                and subprocess.run([*verify, *2 * [str(self.folder / name / f"{kind}.pem")]], capture_output=True, check=False).returncode == 0
                for kind in ("web", "mail")
            )
        }


@pytest.fixture
def fleet(tmp_path: pathlib.Path) -> Fleet:
    """Three hosts, a CA and an empty inventory."""
    fleet = Fleet(tmp_path, 3)
    options = {"common_name": "Test", "root_lifetime_days": 3650, "issuing_lifetime_days": 1825}
    kinds = {"root_key_type": "ecdsa_p256", "issuing_key_type": "ecdsa_p256"}
    ensure_authority(authority_settings({**options, **kinds}, str(tmp_path / "ca")), PASSPHRASE.encode(), now=now())
    with open_inventory(str(tmp_path / "inventory.db"), now=now) as inventory:
        inventory.check_writable()
    return fleet


def test_rotate(fleet: Fleet) -> None:
    """Check mode changes nothing and shows what would be; the run does it; the second run changes nothing."""
    before = set(fleet.folder.rglob("*"))
    shown = fleet.play("rotate", "--check", "--diff")
    # Two processes that leave an SQLite file in the same moment both leave its helper files to the next.
    ours = ("ansible", "inventory.db-wal", "inventory.db-shm")
    assert {path for path in set(fleet.folder.rglob("*")) - before if path.relative_to(fleet.folder).parts[0] not in ours} == set()
    assert fleet.changed(shown) == {"h1", "h2", "h3"}
    assert "+subject_alt_name: ['DNS:h1-web.example.com']" in shown
    assert fleet.changed(fleet.play("rotate", "--diff")) == {"h1", "h2", "h3"}
    assert fleet.served() == {"h1", "h2", "h3"}
    again = fleet.play("rotate")
    assert (fleet.changed(again), fleet.failed(again)) == (set(), set())


def test_fuse(fleet: Fleet) -> None:
    """More than max_due stops the run before the first key is made, also with batches and in check mode; force goes on."""
    for arguments in ([], ["-e", "certops_serial=1"], ["--check"]):
        stopped = fleet.play("rotate", "-e", "certificate_max_due=5", *arguments, code=2)
        assert "6 of 6 declared certificates are due, more than max_due (5): nothing is renewed" in stopped
        assert not (fleet.folder / "state").exists()
        assert fleet.changed(stopped) == set()
    forced = fleet.play("rotate", "-v", "-e", "certificate_max_due=5", "-e", "certificate_force=true")
    assert "more than max_due (5); forced" in forced
    assert fleet.served() == {"h1", "h2", "h3"}


def test_one_host_fails(fleet: Fleet) -> None:
    """What fails on one host is told with the certificate's name; its other certificate and the other hosts are done."""
    path = fleet.folder / "nowhere/web.pem"
    fleet.hosts["h2"]["certops_certificates"][0]["certificate_path"] = str(path)
    fleet.hosts["h3"]["certops_certificates"][0]["names"] = ["-bad-"]
    output = fleet.play("rotate", code=2)
    assert (fleet.failed(output), fleet.served()) == ({"h2", "h3"}, {"h1"})
    assert f"certificate 'h2-web': folder '{path.parent}' does not exist" in output
    assert "certops_certificates[0].names[0]: name '-bad-'" in output
    assert (fleet.folder / "h2/mail.pem").is_file()


def test_limit_tags_and_serial(fleet: Fleet) -> None:
    """A limit is kept, foreign tags do nothing, and batches go through all hosts."""
    assert fleet.changed(fleet.play("rotate", "--tags", "report")) == set()
    assert fleet.changed(fleet.play("rotate", "--limit", "h2")) == {"h2"}
    assert fleet.served() == {"h2"}
    assert fleet.changed(fleet.play("site", "--tags", "rotate", "-e", "target=h1")) == {"h1"}
    output = fleet.play("rotate", "-e", "certops_serial=1")
    assert output.count("PLAY [Renew what is due, without an outage]") == 4
    assert fleet.changed(output) == {"h3"}


def test_no_secret_is_printed(fleet: Fleet) -> None:
    """At no verbosity is there a passphrase or a key in the output, nor in what is left on disk beside the keys."""
    output = fleet.play("rotate", "-vvvvv", "--limit", "h1", "--diff", debug=True)
    assert PASSPHRASE not in output
    assert "PRIVATE KEY" not in output
    key = "".join((fleet.folder / "h1/web.key").read_text().splitlines()[1:-1])
    assert len(key) > 100
    assert not any(key[start : start + 40] in output for start in range(0, len(key) - 40, 10))
    with_key = {path.name for path in fleet.folder.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()}
    assert with_key == {"web.key", "mail.key", "root.key", "issuing.key"}


def test_whole_site(fleet: Fleet) -> None:
    """Check mode of everything leaves no inventory and no report behind; the run makes both."""
    (fleet.folder / "inventory.db").unlink()
    fleet.inventory["all"]["vars"].update(discover_paths=[str(fleet.folder / "h1")], report_path=str(fleet.folder / "report"))
    fleet.play("site", "--check", "--limit", "h1,localhost")
    assert not (fleet.folder / "inventory.db").exists()
    assert not (fleet.folder / "report").exists()
    fleet.play("site", "--limit", "h1,localhost")
    assert "h1-web.example.com" in (fleet.folder / "report/places.csv").read_text()
