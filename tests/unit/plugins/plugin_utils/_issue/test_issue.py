# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import typing as t
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory, open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import HostName, InventoryError, Issuance, SerialTakenError
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.embedded import EmbeddedIssuer
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.issue import IssueError, Issuers, issuers_from_settings, register
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.issuers import IssuerSettingsError
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.profiles import PROFILES
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.provider import Issued, IssuerError
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.request import RequestError
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import certificate_info
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.names import canonical_names

HOST = HostName("test", "web1")


@pytest.fixture
def inventory(tmp_path: pathlib.Path, now: datetime) -> t.Iterator[Inventory]:
    with open_inventory(f"sqlite:///{tmp_path}/inventory.db", now=lambda: now, actor="tester") as opened:
        yield opened


@pytest.fixture
def order(inventory: Inventory, make_csr: t.Callable[..., bytes], now: datetime) -> t.Callable[..., Issuance]:
    """A function that has the given issuers issue for web.example.com."""
    csr = make_csr()

    def run(*providers: t.Any, **other: t.Any) -> Issuance:
        usual = {"csr": csr, "host": HOST, "name": "web", "names": canonical_names(["web.example.com"]), "subject": {}, "profile": PROFILES["tls_server"]}
        return Issuers(providers).issue(inventory, **{**usual, "requester": "tester", "now": now, **other})

    return run


def events(inventory: Inventory) -> list[str]:
    return [event["kind"] for event in inventory.documents("events")]


class Watched(EmbeddedIssuer):
    """An issuer that notes what the inventory holds when it is asked to sign."""

    inventory: Inventory
    seen: tuple[str, ...] = ()

    def issue(self, *args: t.Any, **kwargs: t.Any) -> Issued:
        self.seen = tuple(f"{known.state} {known.serial == kwargs['serial']}" for known in self.inventory.issuances(host=HOST))
        return super().issue(*args, **kwargs)


class Broken(EmbeddedIssuer):
    """An issuer that fails when it should sign."""

    def issue(self, *args: t.Any, **kwargs: t.Any) -> Issued:
        raise IssuerError(f"issuer {self.name!r}: the token was pulled")


def test_the_intent_is_stored_before_the_signature(make_ca: t.Callable[..., EmbeddedIssuer], order: t.Callable[..., Issuance], inventory: Inventory) -> None:
    """With its serial; and the certificate before it is handed out."""
    issuer = Watched(make_ca().settings)
    issuer.inventory = inventory
    issuance = order(issuer)
    assert issuer.seen == ("intent True",)
    assert inventory.issuances(host=HOST) == (issuance,)
    assert (issuance.state, issuance.issuer, issuance.profile, issuance.requester) == ("issued", "internal", "tls_server", "tester")
    assert issuance.certificate is not None
    assert certificate_info(issuance.certificate)["serial_number"] == issuance.serial
    assert events(inventory) == ["issuer.added", "issuance.intent", "issuance.issued"]


def test_a_crash_at_the_signature_leaves_the_intent(make_ca: t.Callable[..., EmbeddedIssuer], order: t.Callable[..., Issuance], inventory: Inventory) -> None:
    """It counts as issued and can be revoked by its serial; the next run begins again."""

    class Killed(EmbeddedIssuer):
        def issue(self, *args: t.Any, **kwargs: t.Any) -> Issued:
            raise KeyboardInterrupt

    issuer = make_ca()
    with pytest.raises(KeyboardInterrupt):
        order(Killed(issuer.settings), transaction="a" * 32)
    (left,) = inventory.issuances(host=HOST)
    assert (left.state, left.serial is not None, left.certificate) == ("intent", True, None)
    assert order(issuer, transaction="a" * 32).state == "issued"
    assert [known.state for known in inventory.issuances(host=HOST)] == ["abandoned", "issued"]
    assert inventory.set_issuance_state(left.id, state="revoked", reason="key_compromise").serial == left.serial


def test_the_same_transaction_gets_the_same_certificate(
    make_ca: t.Callable[..., EmbeddedIssuer], order: t.Callable[..., Issuance], make_csr: t.Callable[..., bytes], inventory: Inventory
) -> None:
    """Also in another job; another request of the transaction gets another one."""
    issuer = make_ca()
    first = order(issuer, transaction="b" * 32)
    assert order(EmbeddedIssuer(issuer.settings), transaction="b" * 32) == first
    assert order(issuer, csr=make_csr(), transaction="b" * 32).id != first.id
    assert len(inventory.issuances(host=HOST)) == 2


def test_the_next_issuer_is_tried_and_the_reason_is_stored(
    make_ca: t.Callable[..., EmbeddedIssuer], order: t.Callable[..., Issuance], inventory: Inventory
) -> None:
    """Not there, other profiles, about to end, broken: the fifth issues."""
    missing = EmbeddedIssuer(replace(make_ca("gone").settings, directory="/nowhere"))
    other = EmbeddedIssuer(replace(make_ca("clients").settings, profiles=("tls_client",)))
    ending = make_ca("ending", issuing_lifetime_days=1)
    broken = Broken(make_ca("broken").settings)
    issuance = order(missing, other, ending, broken, make_ca("good"))
    assert issuance.issuer == "good"
    reasons = [event["detail"]["reason"] for event in inventory.documents("events") if event["kind"] == "issuer.passed_over"]
    assert "there is no CA in '/nowhere'" in reasons[0]
    assert reasons[1] == "issuer 'clients' does not issue profile 'tls_server'"
    assert "less than a day is left" in reasons[2]
    assert reasons[3] == "issuer 'broken': the token was pulled"
    failed = inventory.issuances(host=HOST)[0]
    assert (failed.issuer, failed.state, failed.reason) == ("broken", "failed", reasons[3])


def test_without_a_willing_issuer_every_reason_is_told(make_ca: t.Callable[..., EmbeddedIssuer], order: t.Callable[..., Issuance]) -> None:
    """One sentence that names the certificate."""
    with pytest.raises(IssueError, match="certificate 'web': no issuer gave one: issuer 'internal': the token was pulled"):
        order(Broken(make_ca().settings))
    with pytest.raises(IssueError, match="certificate 'web': no issuer gave one: none is declared"):
        order()


def test_a_bad_request_reaches_no_issuer(make_ca: t.Callable[..., EmbeddedIssuer], order: t.Callable[..., Issuance], inventory: Inventory) -> None:
    """Nothing is stored."""
    with pytest.raises(RequestError):
        order(make_ca(), names=canonical_names(["other.example.com"]))
    assert inventory.issuances(host=HOST) == ()
    assert events(inventory) == []


def test_an_inventory_that_cannot_store_ends_it(
    make_ca: t.Callable[..., EmbeddedIssuer], order: t.Callable[..., Issuance], inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that is not stored is not handed out, and no other issuer is asked."""

    def full(*_args: t.Any, **_kwargs: t.Any) -> t.NoReturn:
        raise InventoryError("the disk is full")

    monkeypatch.setattr(inventory, "complete_issuance", full)
    with pytest.raises(InventoryError, match="the disk is full"):
        order(make_ca("first"), make_ca("second"))
    assert [(known.issuer, known.state) for known in inventory.issuances(host=HOST)] == [("first", "intent")]


def test_a_used_serial_is_not_used_again(make_ca: t.Callable[..., EmbeddedIssuer], order: t.Callable[..., Issuance]) -> None:
    """Another one is drawn, three times at most."""

    class Repeating(EmbeddedIssuer):
        serials: t.ClassVar[list[int]] = [1 << 100, 1 << 100, 1 << 101, *[1 << 100] * 3]

        def new_serial(self) -> int:
            return self.serials.pop(0)

    issuer = Repeating(make_ca().settings)
    assert order(issuer).serial == 1 << 100
    assert order(issuer).serial == 1 << 101
    with pytest.raises(SerialTakenError):
        order(issuer)


def test_an_issuer_is_registered_once(make_ca: t.Callable[..., EmbeddedIssuer], inventory: Inventory) -> None:
    """With the CA above it; a second time changes nothing."""
    issuer = make_ca()
    assert register(issuer, inventory)
    assert not register(issuer, inventory)
    stored = inventory.get_issuer("internal")
    assert stored is not None
    assert (stored.kind, stored.certificate, stored.chain) == ("embedded", issuer.certificate, issuer.above)


def test_chains_are_those_of_the_readable_issuers(make_ca: t.Callable[..., EmbeddedIssuer], tmp_path: pathlib.Path) -> None:
    """In their order; the root is not sent."""
    issuer = make_ca()
    declared = [{"name": name, "type": "embedded", "directory": f"{tmp_path}/{name}", "passphrase": "x"} for name in ("gone", "internal")]
    assert issuers_from_settings(declared).chains() == (("internal", issuer.certificate, (issuer.certificate,)),)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("internal", "certops_issuers must be a list, got a value of the type str"),
        (["x"], "certops_issuers[0] must be a dictionary with the keys name, type, directory, passphrase, profiles, got a value of the type str"),
        ([{"type": "embedded"}], "certops_issuers[0].name must be a text that is not empty, got None"),
        ([{"name": "a b", "type": "embedded"}], "certops_issuers[0].name must be letters, digits, '.', '_' and '-', at most 63, got 'a b'"),
        ([{"name": "a", "type": "vault"}], "certops_issuers[0].type must be one of embedded, got 'vault'"),
        ([{"name": "a", "type": ["embedded"]}], "certops_issuers[0].type must be one of embedded, got ['embedded']"),
        ([{"name": "a", "type": "embedded", "directory": "ca"}], "certops_issuers[0].directory must be an absolute path, got 'ca'"),
        ([{"name": "a", "type": "embedded", "passphrase": 5}], "certops_issuers[0].passphrase must be a text, got a value of the type int"),
        ([{"name": "a", "type": "embedded", "profiles": []}], "certops_issuers[0].profiles must be a list of profiles, or be left out to allow all, got []"),
        ([{"name": "a", "type": "embedded", "profiles": ["x"]}], "certops_issuers[0].profiles[0] must be one of tls_client, tls_peer, tls_server, got 'x'"),
        ([{"name": "a", "type": "embedded", "profiles": [["x"]]}], "certops_issuers[0].profiles[0] must be one of tls_client, tls_peer, tls_server, got ['x']"),
        ([{"name": "a", "type": "embedded", "path": "/x"}], "certops_issuers[0].path is not known, the keys are name, type, directory, passphrase, profiles"),
        ([{"name": "a", "type": "embedded"}] * 2, "certops_issuers: the name 'a' is given twice"),
    ],
)
def test_bad_settings_are_told_with_their_path(value: t.Any, message: str) -> None:
    """One sentence each, without the passphrase."""
    with pytest.raises(IssuerSettingsError) as caught:
        issuers_from_settings(value, environ={})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("environ", "directory"),
    [
        ({"XDG_DATA_HOME": "/data"}, "/data/certops/ca"),
        ({"HOME": "/home/x"}, "/home/x/.local/share/certops/ca"),
        ({"XDG_DATA_HOME": "rel", "HOME": "/h"}, "/h/.local/share/certops/ca"),
    ],
)
def test_without_settings_there_is_one_embedded_issuer(environ: dict[str, str], directory: str) -> None:
    """In the user's data folder; a relative XDG_DATA_HOME does not count."""
    for value in (None, []):
        (issuer,) = issuers_from_settings(value, environ=environ).providers
        assert (issuer.name, issuer.type, issuer.settings.directory, issuer.settings.profiles) == ("internal", "embedded", directory, None)


def test_lifetimes_never_pass_the_issuer(make_ca: t.Callable[..., EmbeddedIssuer], order: t.Callable[..., Issuance], now: datetime) -> None:
    """At any moment of the issuer's life a certificate is refused or ends with it at the latest."""
    issuer = make_ca(issuing_lifetime_days=120)
    end = issuer.status(now).not_after
    assert end is not None
    for days in (0, 1, 29, 31, 100, 118, 118.99, 119, 119.5, 121):
        try:
            issuance = order(issuer, now=now + timedelta(days=days))
        except IssueError:
            assert end - (now + timedelta(days=days)) < timedelta(days=1)
            continue
        assert issuance.certificate is not None
        assert certificate_info(issuance.certificate)["not_after"] <= f"{end:%Y%m%d%H%M%SZ}"
