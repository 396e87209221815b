# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of one host in a temporary folder: the real host program in this process, the real inventory, a real CA."""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import subprocess
import typing as t
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.certops.fleet.plugins.module_utils._host.program import answer
from ansible_collections.certops.fleet.plugins.plugin_utils._action.arguments import checked_arguments
from ansible_collections.certops.fleet.plugins.plugin_utils._action.variables import SHARED
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.declaration import OPTIONS, Declared, declared_certificates
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.keep import keep
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.look import look, preview, wished
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.work import Kept, Look, Work
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.spool import Recorder, Spool, spool_of
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName, Issuance
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.create import ensure_authority
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.embedded import EmbeddedIssuer
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.issue import Issuers
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.provider import IssuerSettings
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.settings import authority_settings

PASSPHRASE = b"correct horse battery"
HOST = HostName("test", "web1")
CA: dict[str, t.Any] = {"root_key_type": "ecdsa_p256", "issuing_key_type": "ecdsa_p256", "root_lifetime_days": 3650, "issuing_lifetime_days": 1825}


class LostError(ValueError):
    """An exchange that broke off."""

    kind = "unknown"


def openssl(*arguments: str) -> str:
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=True).stdout


def checked(items: t.Any) -> tuple[Declared, ...]:
    """Declared certificates, by the way that the action plugin takes."""
    spec = {"certificates": {"type": "list", "elements": "dict", "options": OPTIONS}}
    return declared_certificates(checked_arguments({"certificates": items}, spec, SHARED)["certificates"])


class Fleet:
    """One controller and one host below C(folder).

    C(lose) names a verb whose exchange breaks off, C(before) the host acts or after; C(then) is called after the host has answered its verb.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.tls = folder / "tls"
        self.tls.mkdir()
        self.skew = timedelta(0)
        self.host_skew = timedelta(0)
        self.lose: tuple[str, str] | None = None
        self.then: tuple[str, t.Callable[[], object]] | None = None
        self.verbs: list[str] = []
        self.issuers = Issuers((self.ca("internal"),))
        self.services: tuple[dict[str, t.Any], ...] = ()
        self.warnings: list[str] = []
        self._numbers = itertools.count(1)

    def ca(self, name: str, passphrase: bytes = PASSPHRASE) -> EmbeddedIssuer:
        directory = str(self.folder / name)
        ensure_authority(authority_settings({"common_name": name, **CA}, directory), PASSPHRASE, now=datetime.now(timezone.utc))
        return EmbeddedIssuer(IssuerSettings(name, "embedded", directory, passphrase))

    def now(self) -> datetime:
        return datetime.now(timezone.utc) + self.skew

    def inventory(self) -> AbstractContextManager[Inventory]:
        return open_inventory(str(self.folder / "inventory.db"), now=self.now, actor="tester")

    def spool(self) -> Spool:
        return spool_of(str(self.folder / "inventory.db"), None, environ={})

    def exchange(self, verb: str, args: t.Mapping[str, t.Any], *, transaction: str | None = None) -> dict[str, t.Any]:
        self.verbs.append(verb)
        if self.lose == (verb, "before"):
            raise LostError(f"the connection broke before {verb}")
        answered = answer({"verb": verb, "nonce": "n", "transaction": transaction, "actor": "tester", "args": dict(args)})
        if self.then and self.then[0] == verb:
            self.then[1]()
        if self.lose == (verb, "after"):
            raise LostError(f"the connection broke after {verb}")
        if not answered["ok"]:
            raise ValueError(answered["error"])
        answered["host"]["now"] += self.host_skew.total_seconds()
        return {**answered["result"], "_host": answered["host"]}

    def work(self) -> Work:
        return Work(
            host=HOST,
            exchange=self.exchange,
            inventory=self.inventory,
            recorder=Recorder(self.inventory, self.spool(), host=HOST, actor="tester", tell=self.warnings.append),
            issuers=self.issuers,
            services=self.services,
            now=self.now,
            new_transaction=lambda: f"{next(self._numbers):08x}{0:024x}",
            requester="tester",
        )

    def item(self, name: str = "web", **options: t.Any) -> dict[str, t.Any]:
        """A declaration whose files lie below C(tls)."""
        paths = {"certificate_path": str(self.tls / f"{name}.pem"), "key_path": str(self.tls / f"{name}.key")}
        return {"name": name, "names": [f"{name}.example.com"], **paths, **options}

    def look(self, *items: dict[str, t.Any]) -> Look:
        return look(self.work(), checked(items or [self.item()]), heal=False)

    def preview(self, *items: dict[str, t.Any]) -> tuple[Kept, ...]:
        look_at = self.look(*items)
        return tuple(preview(looked, look_at.clocks) for looked in look_at.looked)

    def keep(self, *items: dict[str, t.Any]) -> tuple[Kept, ...]:
        """One run for these declarations, by default for one named C(web)."""
        self.verbs = []
        work = self.work()
        return keep(work, look(work, checked(items or [self.item()]), heal=True))

    def looked(self, *items: dict[str, t.Any]) -> dict[str, t.Any]:
        """What a look returns to a play, as JSON has it."""
        return t.cast(dict[str, t.Any], json.loads(json.dumps({"certificates": [kept.to_result() for kept in self.preview(*items)]})))

    def keep_looked(self, looked: t.Any, *items: dict[str, t.Any]) -> tuple[Kept, ...]:
        """One run that was told what an earlier look returned."""
        self.verbs = []
        work, certificates = self.work(), checked(items or [self.item()])
        return keep(work, look(work, certificates, heal=True, wish=wished(certificates, looked)))

    def keep_one(self, *items: dict[str, t.Any]) -> Kept:
        (kept,) = self.keep(*items)
        return kept

    def issuances(self) -> list[Issuance]:
        with self.inventory() as inventory:
            return list(inventory.issuances())

    def states(self) -> list[str]:
        return [issuance.state for issuance in self.issuances()]

    def documents(self, kind: str) -> list[dict[str, t.Any]]:
        with self.inventory() as inventory:
            return list(inventory.documents(kind))

    def assert_pair(self, name: str = "web", issuer: str = "internal") -> None:
        """What openssl says: the pair matches, and the file alone leads a client from the certificate to the root."""
        certificate, key = str(self.tls / f"{name}.pem"), str(self.tls / f"{name}.key")
        assert openssl("x509", "-in", certificate, "-noout", "-pubkey") == openssl("pkey", "-in", key, "-pubout")
        options = ["-x509_strict", "-purpose", "sslserver", "-verify_hostname", f"{name}.example.com", "-no-CApath"]
        assert openssl("verify", *options, "-CAfile", str(self.folder / issuer / "root.pem"), "-untrusted", certificate, certificate).endswith(": OK\n")

    def snapshot(self) -> dict[str, tuple[int, int, bytes]]:
        """Every file below the folder with mode, time of change and content."""
        paths = [pathlib.Path(folder, name) for folder, folders, names in os.walk(self.folder) for name in (*folders, *names)]
        return {str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in paths}


@pytest.fixture
def fleet(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """A controller with a CA, and a host that has no certificate yet."""
    monkeypatch.setenv("CERTOPS_STATE", str(tmp_path / "state"))
    return Fleet(tmp_path)
