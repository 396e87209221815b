# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Discover, adopt, say yes, rotate: as a user runs it, against this machine under two names, with certificates of a foreign CA."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import typing as t

import pytest
import yaml

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import now
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.create import ensure_authority
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.settings import authority_settings

PASSPHRASE = "correct horse battery"
COLLECTIONS = os.pathsep.join(path for path in sys.path if os.path.isdir(os.path.join(path, "ansible_collections", "certops")))
SERVER = "basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName="


def openssl(*arguments: t.Any) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Estate:
    """Host C(a) below a folder: one pair, one combined file, one certificate with its chain beside it, and what cannot be adopted. Host C(b) was never seen."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.tls = folder / "tls"
        self.host_vars = folder / "site/host_vars"
        for path in (self.tls, folder / "site", folder / "ca-of-others"):
            path.mkdir()
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "certops_inventory": f"sqlite:///{folder}/inventory.db",
            "certops_issuers": [{"name": "internal", "type": "embedded", "directory": f"{folder}/ca", "passphrase": PASSPHRASE}],
            "discover_paths": [str(self.tls)],
        }
        (folder / "site/hosts.json").write_text(json.dumps({"all": {"hosts": {"a": {}, "b": {}}, "vars": variables}}))
        self.ca = folder / "ca-of-others/ca"
        key, root = self.ca.with_suffix(".key"), self.ca.with_suffix(".pem")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Others", "-days", 900, "-keyout", key, "-out", root)

    def issue(self, name: str, extensions: str, *, days: int = 300, subject: str = "/O=Example & Co/CN=www.example.com") -> pathlib.Path:
        """A key and a certificate of the foreign CA."""
        path = self.tls / f"{name}.pem"
        key, request, config = path.with_suffix(".key"), self.ca.parent / f"{name}.csr", self.ca.parent / f"{name}.cnf"
        config.write_text(extensions + "\n")
        openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", key, "-out", request)
        signer = ["-CA", self.ca.with_suffix(".pem"), "-CAkey", self.ca.with_suffix(".key"), "-CAcreateserial", "-extfile", config]
        openssl("x509", "-req", "-in", request, *signer, "-days", days, "-out", path)
        key.chmod(0o600)
        return path

    def play(self, playbook: str, *arguments: str, code: int = 0) -> str:
        settings = {"ANSIBLE_COLLECTIONS_PATH": COLLECTIONS, "ANSIBLE_HOME": str(self.folder / "ansible"), "ANSIBLE_NOCOLOR": "1"}
        settings |= {"CERTOPS_STATE": str(self.folder / "state"), "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-m", "ansible", "playbook", "-i", str(self.folder / "site/hosts.json"), f"certops.fleet.{playbook}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **settings}, cwd=self.folder)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def declared(self, host: str = "a") -> dict[str, dict[str, t.Any]]:
        items = yaml.safe_load((self.host_vars / host / "certops_certificates.yml").read_text())["certops_certificates"]
        return {pathlib.Path(item["certificate_path"]).name: item for item in items}

    def state(self) -> dict[str, t.Any]:
        """Everything of the files of the host that a renewal could change."""
        every = {}
        for path in sorted(self.tls.rglob("*")):
            status = path.lstat()
            content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
            every[str(path)] = (content, status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        return every


@pytest.fixture(name="estate")
def _estate(tmp_path: pathlib.Path) -> Estate:
    """What a host that nobody manages holds."""
    estate = Estate(tmp_path)
    estate.issue("web", SERVER + "DNS:www.example.com,DNS:example.com,IP:192.0.2.1").with_suffix(".key").chmod(0o640)
    (estate.tls / "link.pem").symlink_to("web.pem")
    both = estate.issue("both", SERVER + "DNS:both.example.com", subject="/CN=both")
    both.write_bytes(both.read_bytes() + estate.ca.with_suffix(".pem").read_bytes() + both.with_suffix(".key").read_bytes())
    both.with_suffix(".key").unlink()
    both.chmod(0o440)
    folder = estate.tls / "pair"
    folder.mkdir()
    cert = estate.issue("cert", SERVER + "DNS:pair.example.com", subject="/CN=pair.example.com").rename(folder / "cert.pem")
    (estate.tls / "cert.key").rename(folder / "privkey.pem")
    (folder / "fullchain.pem").write_bytes(cert.read_bytes() + estate.ca.with_suffix(".pem").read_bytes())
    return estate


def test_nothing_changes_on_the_host(estate: Estate) -> None:
    """Neither while the declarations are not managed, nor after a person has said yes and nothing is due."""
    options = {
        "common_name": "Test",
        "root_lifetime_days": 3650,
        "issuing_lifetime_days": 1825,
        "root_key_type": "ecdsa_p256",
        "issuing_key_type": "ecdsa_p256",
    }
    ensure_authority(authority_settings(options, str(estate.folder / "ca")), PASSPHRASE.encode(), now=now())
    estate.play("discover", "--limit", "a")
    before = estate.state()
    estate.play("adopt", "--limit", "a")
    assert set(estate.declared()) == {"web.pem", "both.pem", "cert.pem"}
    output = estate.play("rotate", "--limit", "a")
    assert (estate.state(), "changed=0" in output) == (before, True)
    path = estate.host_vars / "a/certops_certificates.yml"
    path.write_text(path.read_text().replace("\n  managed: false", "\n  managed: true"))
    assert all(item["managed"] for item in estate.declared().values())
    output = estate.play("rotate", "--limit", "a")
    assert (estate.state(), "changed=0" in output) == (before, True)


def test_what_is_declared(estate: Estate) -> None:
    """The files, names and attributes as they are; check mode writes nothing; what is declared is not declared again; what comes later is put behind it."""
    estate.play("discover", "--limit", "a")
    shown = estate.play("adopt", "--check", "--diff")
    assert ("+  managed: false" in shown, estate.host_vars.exists()) == (True, False)
    output = estate.play("adopt")
    assert "b: the inventory knows nothing of it: discover it first" in output
    web, both, pair = (estate.declared()[name] for name in ("web.pem", "both.pem", "cert.pem"))
    assert (web["name"], web["names"], web["subject"]) == (
        "www.example.com",
        ["www.example.com", "example.com", "192.0.2.1"],
        {"organizationName": "Example & Co"},
    )
    assert (web["key_path"], web["key_mode"], web["mode"], web["profile"]) == (str(estate.tls / "web.key"), "0640", "0644", "tls_server")
    assert (both["key_path"], both["key_mode"], "mode" in both) == (both["certificate_path"], "0440", False)
    assert (pair["fullchain_path"], pair["key_path"]) == (str(estate.tls / "pair/fullchain.pem"), str(estate.tls / "pair/privkey.pem"))
    path = estate.host_vars / "a/certops_certificates.yml"
    path.write_text(path.read_text().replace("- name: www", "- # of the shop\n  name: www"))
    kept = path.read_text()
    assert "changed=0" in estate.play("adopt", "--limit", "a")
    estate.issue("late", SERVER + "DNS:www.example.com")
    estate.play("discover", "--limit", "a")
    estate.play("adopt", "--limit", "a")
    assert path.read_text().startswith(kept)
    assert estate.declared()["late.pem"]["name"] == "www.example.com-late"


def test_what_is_not_adopted(estate: Estate) -> None:
    """Is told with the reason, and nothing of a certificate is ever evaluated."""
    estate.issue("old", SERVER + "DNS:old.example.com", days=0)
    estate.issue("star", SERVER + "DNS:*.example.com")
    estate.issue("mail", "basicConstraints=CA:FALSE\nextendedKeyUsage=emailProtection\nsubjectAltName=DNS:mail.example.com")
    estate.issue("template", SERVER + "DNS:t.example.com", subject="/O={{ 6*7 }}/CN=t")
    estate.issue("lost", SERVER + "DNS:lost.example.com").with_suffix(".key").unlink()
    estate.play("discover", "--limit", "a")
    output = estate.play("adopt", "--limit", "a", "-e", "adopt_path=" + str(estate.folder / "given"))
    for name, reason in {
        "old": "it has expired",
        "star": "must not be a wildcard",
        "mail": "no profile issues its extended key usage E-mail Protection",
        "template": "looks like a template to Ansible",
        "lost": "no private key that fits it was found on the host",
    }.items():
        line = next(line for line in output.splitlines() if f"/{name}.pem: not adopted" in line)
        assert reason in line
    assert len(yaml.safe_load((estate.folder / "given/a/certops_certificates.yml").read_text())["certops_certificates"]) == 3
    assert not estate.host_vars.exists()


def test_files_that_are_left_alone(estate: Estate) -> None:
    """One that holds anything else, and one that would be hidden by a folder of the host's name."""
    estate.play("discover", "--limit", "a")
    estate.host_vars.mkdir()
    (estate.host_vars / "a.yml").write_text("x: 1\n")
    assert "and Ansible reads either it or a folder of that name" in estate.play("adopt", "--limit", "a")
    (estate.host_vars / "a").mkdir()
    (estate.host_vars / "a.yml").rename(estate.host_vars / "a/main.yml")
    other = estate.host_vars / "a/certops_certificates.yml"
    other.write_text("certops_certificates: []\ny: 2\n")
    assert "holds something else than a list" in estate.play("adopt", "--limit", "a")
    other.unlink()
    (estate.host_vars / "a/main.yml").write_text("certops_certificates: [{name: x, names: [x.example.com], certificate_path: /nowhere/x.pem}]\n")
    assert "one of the two would hide the other" in estate.play("adopt", "--limit", "a")
    (estate.host_vars / "a/main.yml").write_text("certops_certificates: a word\n")
    assert "its certops_certificates is no list of dictionaries" in estate.play("adopt", "--limit", "a")
    assert not other.exists()


@pytest.mark.skipif(shutil.which("nginx") is None, reason="this machine has no nginx")
def test_a_real_service(estate: Estate) -> None:
    """nginx is found with its files, declared, validated and looked at, and neither its files nor its processes change."""
    pair = estate.tls / "pair"
    pair.joinpath("privkey.pem").chmod(0o400)
    configuration = estate.folder / "nginx.conf"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = f"listen 127.0.0.1:{port} ssl; server_name pair.example.com; ssl_certificate {pair}/fullchain.pem; ssl_certificate_key {pair}/privkey.pem;"
    logs = f"pid {estate.folder}/nginx.pid; error_log {estate.folder}/error.log;"
    configuration.write_text(f"{logs} events {{}} http {{ access_log off; server {{ {server} }} }}")
    nginx = subprocess.Popen(["nginx", "-p", str(estate.folder), "-c", str(configuration), "-g", "daemon off;"])
    try:
        _wait_for(port)
        options = {"common_name": "Test", "root_lifetime_days": 3650, "issuing_lifetime_days": 1825}
        kinds = {"root_key_type": "ecdsa_p256", "issuing_key_type": "ecdsa_p256"}
        ensure_authority(authority_settings({**options, **kinds}, str(estate.folder / "ca")), PASSPHRASE.encode(), now=now())
        estate.play("discover", "--limit", "a")
        estate.play("adopt", "--limit", "a")
        item = estate.declared()["cert.pem"]
        assert [name.partition("@")[0] for name in item["services"]] == ["nginx"]
        assert (item["fullchain_path"], item["key_mode"]) == (f"{pair}/fullchain.pem", "0400")
        path = estate.host_vars / "a/certops_certificates.yml"
        path.write_text(path.read_text().replace("\n  managed: false", "\n  managed: true"))
        before, workers = estate.state(), _children(nginx.pid)
        output = estate.play("rotate", "--limit", "a")
        assert (estate.state(), _children(nginx.pid), "changed=0" in output) == (before, workers, True)
    finally:
        nginx.terminate()
        nginx.wait(20)


def _wait_for(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens at {port}")


def _children(pid: int) -> str:
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
