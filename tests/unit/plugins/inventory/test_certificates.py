# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory plugin as a play meets it: ansible reads its file, and no text of a certificate is ever a template."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.certops.fleet.plugins.inventory.certificates import EXAMPLES
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import values
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.assignments import Wanted
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName, ScanRecord
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.rules import rule_from

COLLECTIONS = pathlib.Path(values.__file__).parents[6]
PLAY = """
- hosts: cert_expiring_30d
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "names {{ certops_certificates_found | map(attribute='common_name') | list }} first {{ first }}"
"""


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _der(common_name: str, issuer: str, days: int) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in (issuer, common_name)]
    builder = x509.CertificateBuilder(*names, key.public_key(), 7, _now() - timedelta(days=99), _now() + timedelta(days=days))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _record(inventory: t.Any, host: str, der: bytes) -> None:
    sha256 = hashlib.sha256(der).hexdigest()
    place = {"certificate": sha256, "path": "/etc/tls/web.pem", "class": "in_use", "services": ["nginx"], "links": []}
    result = {"certificates": {sha256: base64.b64encode(der).decode()}, "places": [place], "done": ["/etc"], "complete": True, "privileged": True}
    inventory.record_scan(ScanRecord(HostName("lab", host), _now(), _now(), result))


class Folder:
    """A folder with an inventory and the file of the plugin."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.evil = "{{ lookup('pipe', 'touch evil') }}"
        (path / "play.yml").write_text(PLAY, encoding="utf-8")
        with open_inventory(str(path / "inventory.db"), now=_now) as inventory:
            _record(inventory, "web1", _der(self.evil, self.evil, 20))
            _record(inventory, "web2", _der("web2", "Internal CA", -3))
            inventory.record_silent_host(HostName("prod", "dead"), reason="unreachable")
            self.owner = "T\u00e9am & <b>"
            rule = rule_from({"host": "web2"}, {"owner": self.owner, "criticality": "1"}, source="rules", origin="ops", where="rule")
            inventory.assign(Wanted("rules", "ops", (rule,)))

    def configure(self, name: str = "certops.yml", **options: t.Any) -> str:
        own = {"plugin": "certops.fleet.certificates", "inventory": str(self.path / "inventory.db"), **options}
        (self.path / name).write_text(yaml.safe_dump({key: value for key, value in own.items() if value is not None}), encoding="utf-8")
        return name

    def run(self, program: str, *arguments: str, **environment: str) -> str:
        own = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_HOME": str(self.path / "home"), "ANSIBLE_NOCOLOR": "1", "COLUMNS": "500"}
        command = [str(pathlib.Path(sys.executable).with_name(program)), *arguments]
        done = subprocess.run(command, env={**own, **environment}, cwd=self.path, capture_output=True, text=True, check=False)
        return done.stdout + " ".join(done.stderr.split())

    def listed(self, *arguments: str, **environment: str) -> dict[str, t.Any]:
        output = self.run("ansible-inventory", "--list", *arguments, **environment)
        found: dict[str, t.Any] = json.JSONDecoder().raw_decode(output[output.index("{") :])[0]
        return found


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("estate"))


def _hosts(listed: t.Mapping[str, t.Any]) -> dict[str, list[str]]:
    return {name: sorted(group["hosts"]) for name, group in listed.items() if name != "_meta" and group.get("hosts")}


def test_groups(folder: Folder) -> None:
    """By the state of certificates and by what the file adds; a name in it is a name only."""
    documented = {**yaml.safe_load(EXAMPLES), "existing_hosts_only": False, "expiring_days": [30], "namespace": None, "strict": True}
    keyed = [*documented.pop("keyed_groups"), {"key": "certops_certificates_found | map(attribute='issuer') | list", "prefix": "by"}]
    keyed.append({"key": "certops_certificates_found | map(attribute='owner') | select | list", "prefix": "of"})
    source = folder.configure(**{**documented, "inventory": str(folder.path / "inventory.db"), "keyed_groups": keyed})
    found = _hosts(folder.listed("-i", source))
    issuers = {re.sub("_[0-9a-f]{8}$", "", name): own for name, own in found.items() if name.startswith("cert_issuer_")}
    assert issuers == {"cert_issuer_internal_ca": ["web2"], "cert_issuer_self": ["web1"]}
    assert (found["cert_expiring_30d"], found["cert_expired"], found["by_Internal_CA"]) == (["web1"], ["web2"], ["web2"])
    assert (found["nginx_expiring"], found["key_ECC"]) == (["web2"], ["web1", "web2"])
    assert found["ungrouped"] == ["dead"]
    owners = {re.sub("_[0-9a-f]{8}$", "", name): own for name, own in found.items() if re.match("cert_(owner|criticality)_", name)}
    assert owners == {"cert_owner_none": ["web1"], "cert_owner_t_am_b": ["web2"], "cert_criticality_1": ["web2"]}
    assert [own for name, own in found.items() if name.startswith("of_T")] == [["web2"]]
    assert not (folder.path / "evil").exists()


def test_a_play_on_a_group(folder: Folder) -> None:
    """What the certificate says arrives as it stands there, in the variable and in what is composed of it."""
    source = folder.configure(compose={"first": "certops_certificates_found[0].common_name"})
    told = folder.run("ansible-playbook", "-i", source, "play.yml")
    assert re.search(r"ok: \[web1\]", told)
    assert "web2" not in told
    assert told.count("touch evil") == 2
    assert not (folder.path / "evil").exists()


def test_the_inventory_comes_from_elsewhere(folder: Folder) -> None:
    """From the environment or from -e, for one namespace and for hosts that another inventory has."""
    own, where = folder.configure(inventory=None, namespace="lab", existing_hosts_only=True), str(folder.path / "inventory.db")
    for arguments, environment in (((), {"CERTOPS_INVENTORY": where}), (("-e", f"certops_inventory={where}"), {})):
        found = folder.listed("-i", "web2,other", "-i", own, *arguments, **environment)
        assert _hosts(found)["cert_expired"] == ["web2"]
        assert "web2" in found["_meta"]["hostvars"]
        assert not {"web1", "dead"} & {*found["_meta"]["hostvars"], *(name for own in _hosts(found).values() for name in own)}


def test_the_cache(folder: Folder) -> None:
    """Keeps what was read, for the same question only."""
    options = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(folder.path / "cache")}
    before = folder.listed("-i", folder.configure(**options))
    (folder.path / "inventory.db").rename(folder.path / "away.db")
    try:
        after = folder.listed("-i", "certops.yml")
        sources = ("-i", "certops.yml", "-i", folder.configure("lab.certops.yml", namespace="lab", **options))
        both = folder.run("ansible-inventory", "--graph", *sources)
    finally:
        (folder.path / "away.db").rename(folder.path / "inventory.db")
    assert _hosts(after) == _hosts(before)
    assert "does not exist: it is made by the first run that records something" in both
    assert not (folder.path / "evil").exists()


def test_one_sentence(folder: Folder) -> None:
    """Says what is wrong with each file; one of another name is not the plugin's."""
    sources = [
        folder.configure("place.certops.yml", inventory="relative.db"),
        folder.configure("days.certops.yml", expiring_days=[0]),
        folder.configure("hosts.yml"),
    ]
    told = folder.run("ansible-inventory", "--graph", *(argument for source in sources for argument in ("-i", source)))
    assert "certops_inventory is 'relative.db': accepted are" in told
    assert "expiring_days must be a number from 1 to 99999, got 0" in told
    assert "could not be verified by inventory plugin 'certops.fleet.certificates'" in told
