# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of declared certificates, with the real host program, the real inventory and a real CA; openssl looks at what lies there."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import sqlite3
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.certops.fleet.plugins.module_utils._host.scan import paths
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import owners
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate import keep as keeping
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.found import leaf_from_der
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.look import look
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.work import KeepError, Kept
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import connection
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.spool import replay
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import InventoryError
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.issue import Issuers
from ansible_collections.certops.fleet.tests.unit.plugins.plugin_utils._certificate.conftest import Fleet, checked, openssl

PEM = serialization.Encoding.PEM


def self_signed(fleet: Fleet, name: str = "web", *, days: int) -> None:
    """A pair that ends in so many days."""
    now = datetime.now(timezone.utc)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 7, now - timedelta(days=300), now + timedelta(days=days))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(f"{name}.example.com")]), critical=False)
    (fleet.tls / f"{name}.pem").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(PEM))
    (fleet.tls / f"{name}.key").write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    (fleet.tls / f"{name}.key").chmod(0o600)


def refusing_service(fleet: Fleet, name: str = "web") -> dict[str, t.Any]:
    """A service whose validation says no, whatever it is shown."""
    use = {"certificate": str(fleet.tls / f"{name}.pem"), "key": str(fleet.tls / f"{name}.key"), "names": [], "listeners": []}
    return {"name": "shop", "syntax": "declared", "validate": ["false"], "validates": "pair", "reload": "none", "uses": [use], "listeners": []}


def actions(kept: Kept) -> tuple[str, ...]:
    return kept.looked.decision.actions


def codes(kept: Kept) -> set[str]:
    return {reason.code for reason in kept.looked.decision.reasons}


def test_first_issue(fleet: Fleet) -> None:
    """What is missing is made: key, certificate and chain on the host, issuance, place and events in the inventory."""
    kept = fleet.keep_one()
    assert (kept.outcome, kept.changed, codes(kept)) == ("committed", True, {"missing"})
    assert fleet.verbs == ["inspect", "request", "install"]
    fleet.assert_pair()
    assert (fleet.tls / "web.key").stat().st_mode & 0o777 == 0o600
    assert fleet.states() == ["installed"]
    (place,) = [place for place in fleet.documents("places") if str(fleet.tls / "web.pem") in (place["path"], *place["links"]) and not place["is_ca"]]
    assert place["class"] == "installed"
    assert place["key"] is not None
    kinds = [event["kind"] for event in fleet.documents("events") if event["subject"] == "web"]
    assert kinds == ["certificate.change_begins", "issuance.intent", "issuance.issued", "issuance.installed", "certificate.change_ended"]


def test_places_that_were_not_told(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the look after a change fails, the change stands, and the host is asked once more for its places."""

    def broken(*_arguments: object) -> t.NoReturn:
        raise RuntimeError("the table of mounts cannot be read")

    monkeypatch.setattr(paths, "what_lies_at", broken)
    kept = fleet.keep_one()
    assert (kept.outcome, fleet.verbs) == ("committed", ["inspect", "request", "install", "scan"])
    assert any(str(fleet.tls / "web.pem") in (place["path"], *place["links"]) for place in fleet.documents("places"))


def test_second_run(fleet: Fleet) -> None:
    """The second run looks, once, and changes nothing."""
    fleet.keep()
    before = fleet.snapshot()
    kept = fleet.keep_one()
    assert (kept.outcome, kept.changed, fleet.verbs) == ("unchanged", False, ["inspect"])
    after = fleet.snapshot()
    assert {path for path in before if before[path] != after.get(path)} <= {str(fleet.folder)}
    assert after.keys() == before.keys()


@pytest.mark.parametrize(("days", "code"), [(-3, "expired"), (4, "window")])
def test_ends(fleet: Fleet, days: int, code: str) -> None:
    """What has ended or is about to is replaced, with the reason."""
    self_signed(fleet, days=days)
    kept = fleet.keep_one()
    assert (kept.outcome, actions(kept)) == ("committed", ("issue",))
    assert code in codes(kept)
    fleet.assert_pair()


def test_swapped_key(fleet: Fleet) -> None:
    """A key that does not belong to its certificate is told, and both are replaced."""
    fleet.keep()
    self_signed(fleet, "other", days=90)
    os.replace(fleet.tls / "other.key", fleet.tls / "web.key")
    kept = fleet.keep_one()
    assert (kept.outcome, codes(kept)) == ("committed", {"key_mismatch"})
    assert any("private key is not the one" in told for told in kept.looked.decision.told)
    fleet.assert_pair()


def test_chain_deleted(fleet: Fleet) -> None:
    """A chain that is gone comes back without a new certificate."""
    fleet.keep()
    leaf = openssl("x509", "-in", str(fleet.tls / "web.pem"))
    (fleet.tls / "web.pem").write_text(leaf)
    kept = fleet.keep_one()
    assert (kept.outcome, actions(kept), fleet.verbs) == ("committed", ("chain",), ["inspect", "install"])
    assert (fleet.tls / "web.pem").read_text().startswith(leaf)
    fleet.assert_pair()
    assert fleet.keep_one().outcome == "unchanged"
    assert len(fleet.issuances()) == 1


@pytest.mark.parametrize("option", ["chain_path", "fullchain_path"])
def test_chain_file_deleted(fleet: Fleet, option: str) -> None:
    """A file of the chain alone, or of everything that is sent, comes back as well."""
    path = fleet.tls / "more.pem"
    fleet.keep(fleet.item(**{option: str(path)}))
    before = path.read_bytes()
    path.unlink()
    kept = fleet.keep_one(fleet.item(**{option: str(path)}))
    assert (kept.outcome, actions(kept)) == ("committed", ("chain",))
    assert path.read_bytes() == before
    assert fleet.keep_one(fleet.item(**{option: str(path)})).outcome == "unchanged"


def test_mode(fleet: Fleet) -> None:
    """A declared mode is brought back, also that of the number that YAML makes of 0640; the certificate stays."""
    item = fleet.item(mode=0o640, key_mode="0600")
    fleet.keep(item)
    certificate = fleet.tls / "web.pem"
    assert certificate.stat().st_mode & 0o777 == 0o640
    content = certificate.read_bytes()
    certificate.chmod(0o644)
    kept = fleet.keep_one(item)
    assert (kept.outcome, actions(kept)) == ("committed", ("attributes",))
    assert (certificate.stat().st_mode & 0o777, certificate.read_bytes()) == (0o640, content)


def test_mode_of_one_file_of_everything(fleet: Fleet) -> None:
    """A combined file has the key's mode where both are declared, and nothing is done again and again."""
    item = fleet.item(mode="0644", key_mode="0600", key_path=str(fleet.tls / "web.pem"))
    assert fleet.keep_one(item).outcome == "committed"
    assert (fleet.tls / "web.pem").stat().st_mode & 0o777 == 0o600
    assert fleet.keep_one(item).outcome == "unchanged"


def test_chain_and_mode(fleet: Fleet) -> None:
    """Of several small changes the first may do all: it counts as a change."""
    item = fleet.item(mode="0640")
    fleet.keep(item)
    (fleet.tls / "web.pem").write_text(openssl("x509", "-in", str(fleet.tls / "web.pem")))
    (fleet.tls / "web.pem").chmod(0o600)
    kept = fleet.keep_one(item)
    assert (kept.outcome, actions(kept)) == ("committed", ("chain", "attributes"))
    assert fleet.keep_one(item).outcome == "unchanged"


@pytest.mark.parametrize(
    ("lost", "verbs", "issued"),
    [
        (("request", "before"), ["inspect", "request", "install"], 1),
        (("request", "after"), ["inspect", "install"], 1),
        (("install", "before"), ["inspect", "install"], 1),
        (("install", "after"), ["inspect"], 1),
    ],
)
def test_connection_lost(fleet: Fleet, lost: tuple[str, str], verbs: list[str], issued: int) -> None:
    """The run after a broken connection goes on where it ended: never a second key or certificate, and the inventory knows the end."""
    fleet.lose = lost
    kept = fleet.keep_one()
    assert (kept.outcome, kept.failed) == ("unknown", True)
    assert "the connection broke" in kept.message
    fleet.lose = None
    again = fleet.keep_one()
    assert not again.failed
    assert fleet.verbs == verbs
    assert fleet.states() == ["installed"] * issued
    fleet.assert_pair()
    assert fleet.keep_one().outcome == "unchanged"


class Away:
    """Takes the inventory of a fleet away after an answer of its host, until it is closed: another process does not give it free."""

    def __init__(self, fleet: Fleet, verb: str) -> None:
        self.holder = sqlite3.connect(fleet.folder / "inventory.db", isolation_level=None, check_same_thread=False)
        fleet.then = (verb, self.take)

    def take(self) -> None:
        if not self.holder.in_transaction:
            self.holder.execute("BEGIN EXCLUSIVE")


@pytest.mark.parametrize("told", [True, False])
def test_inventory_goes_away_after_the_installation(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, told: bool) -> None:
    """The host keeps what it has, the next certificate is not begun, and what is recorded afterwards is what would have been, once."""
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.1)
    if not told:
        monkeypatch.setattr(paths, "what_lies_at", None)
    fleet.states()
    away = Away(fleet, "install")
    first, second = fleet.keep(fleet.item(), fleet.item("mail"))
    assert (first.outcome, second.outcome, fleet.verbs.count("install")) == ("committed", "failed", 1)
    assert "cannot be written: database is locked" in second.message
    assert (len(fleet.warnings), "what was done there is not in the inventory yet" in fleet.warnings[0]) == (2, True)
    fleet.assert_pair()
    away.holder.close()
    assert fleet.states() == ["issued"]
    with fleet.inventory() as inventory:
        assert replay(inventory, fleet.spool()) == [f"what earlier runs left in the spool {fleet.spool().folder!r} is in the inventory now, records: 3"]
    assert fleet.states() == ["installed"]
    assert any(str(fleet.tls / "web.pem") in (place["path"], *place["links"]) for place in fleet.documents("places"))
    kinds = [event["kind"] for event in fleet.documents("events") if event["subject"] == "web"]
    assert kinds == ["certificate.change_begins", "issuance.intent", "issuance.issued", "issuance.installed", "certificate.change_ended"]
    fleet.then = None
    assert [kept.outcome for kept in fleet.keep(fleet.item(), fleet.item("mail"))] == ["unchanged", "committed"]


@pytest.mark.parametrize("verb", ["inspect", "request"])
def test_inventory_goes_away_before_the_installation(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    """Then nothing is installed, and the next run begins again or goes on."""
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.1)
    fleet.states()
    away = Away(fleet, verb)
    kept = fleet.keep_one()
    assert (kept.outcome, "install" in fleet.verbs, os.listdir(fleet.tls)) == ("failed", False, [])
    away.holder.close()
    fleet.then = None
    with fleet.inventory() as inventory:
        replay(inventory, fleet.spool())
    assert (fleet.keep_one().outcome, fleet.states()) == ("committed", ["installed"])


def test_no_key_in_the_spool(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is what would be recorded: certificates and places, no key."""
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.1)
    fleet.states()
    away = Away(fleet, "install")
    fleet.keep()
    away.holder.close()
    key = "".join((fleet.tls / "web.key").read_text().splitlines()[1:-1])
    files = list(pathlib.Path(fleet.spool().folder).glob("*.json"))
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * 2
    assert all("PRIVATE" not in text and key not in text and key[:40] not in text for text in (file.read_text() for file in files))


def test_staged_key_is_used(fleet: Fleet) -> None:
    """The key that a broken run left on the host is the one that is installed."""
    fleet.lose = ("request", "after")
    fleet.keep()
    (staged,) = fleet.look().looked[0].found.staged
    assert staged.csr is not None
    fleet.lose = None
    assert fleet.keep_one().outcome == "committed"
    asked = x509.load_der_x509_csr(staged.csr).public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert openssl("pkey", "-in", str(fleet.tls / "web.key"), "-pubout").encode() == asked


def test_interrupted_by_something_else(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends the whole task leaves an end in the audit log, too."""

    def interrupted(*_args: t.Any, **_more: t.Any) -> t.NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(keeping, "_request", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fleet.keep()
    events = [(event["kind"], event["detail"].get("outcome")) for event in fleet.documents("events")]
    assert events == [("certificate.change_begins", None), ("certificate.change_ended", "unknown")]


def test_refused_twice(fleet: Fleet) -> None:
    """A certificate that a service refuses is tried once more, then given up and listed; only then another one is issued."""
    fleet.services = (refusing_service(fleet),)
    first = fleet.keep_one()
    assert (first.outcome, actions(first), fleet.states()) == ("undone", ("issue",), ["issued"])
    assert first.message.startswith("certificate 'web': ")
    assert not (fleet.tls / "web.pem").exists()
    second = fleet.keep_one()
    assert (second.outcome, actions(second), fleet.states()) == ("undone", ("install_staged",), ["issued_nowhere"])
    assert fleet.issuances()[0].reason == second.text
    fleet.services = ()
    third = fleet.keep_one()
    assert (third.outcome, actions(third), fleet.states()) == ("committed", ("issue",), ["issued_nowhere", "installed"])


def test_revoked_while_staged(fleet: Fleet) -> None:
    """A certificate that was revoked before it was installed is not installed."""
    fleet.lose = ("install", "before")
    fleet.keep()
    fleet.lose = None
    with fleet.inventory() as inventory:
        inventory.set_issuance_state(fleet.issuances()[0].id, state="revoked")
    assert actions(fleet.keep_one()) == ("issue",)
    assert fleet.states() == ["revoked", "installed"]


def test_due_at_once(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be due at once is not installed, neither now nor by the next run."""
    real = leaf_from_der

    def short(der: bytes) -> t.Any:
        leaf = real(der)
        return dataclasses.replace(leaf, signature="sha1WithRSAEncryption") if leaf.names else leaf

    monkeypatch.setattr(keeping, "leaf_from_der", short)
    kept = fleet.keep_one()
    assert kept.outcome == "failed"
    assert "would be due at once" in kept.message
    assert (fleet.states(), fleet.verbs) == (["issued_nowhere"], ["inspect", "request"])
    monkeypatch.undo()
    os.environ["CERTOPS_STATE"] = str(fleet.folder / "state")
    assert actions(fleet.keep_one()) == ("issue",)
    assert fleet.states() == ["issued_nowhere", "installed"]


@pytest.mark.parametrize("minutes", [6, -6])
def test_clocks(fleet: Fleet, minutes: int) -> None:
    """Clocks that differ by more than five minutes stop issuing, with both times; the host is only looked at."""
    fleet.host_skew = timedelta(minutes=minutes)
    kept = fleet.keep_one()
    assert (kept.outcome, fleet.verbs, fleet.issuances()) == ("failed", ["inspect"], [])
    assert "clocks of controller (" in kept.message
    assert "host 'web1' (" in kept.message
    assert fleet.preview()[0].failed
    fleet.host_skew = timedelta(minutes=4 if minutes > 0 else -4)
    assert fleet.keep_one().outcome == "committed"


def test_clocks_of_what_is_not_due(fleet: Fleet) -> None:
    """Where nothing is to be issued the clocks do not matter."""
    fleet.keep()
    fleet.host_skew = timedelta(minutes=6)
    (fleet.tls / "web.pem").write_text(openssl("x509", "-in", str(fleet.tls / "web.pem")))
    assert actions(fleet.keep_one()) == ("chain",)
    assert fleet.keep_one().outcome == "unchanged"


def test_owned_by_another(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """What certbot keeps is refused with its name, left alone where it is not managed, and taken over on demand."""
    monkeypatch.setattr(owners, "CERTBOT", os.fsencode(fleet.tls) + b"/")
    (fleet.tls / "live").mkdir()
    paths = {"certificate_path": str(fleet.tls / "live/web.pem"), "key_path": str(fleet.tls / "live/web.key")}
    kept = fleet.keep_one(fleet.item(**paths))
    assert (kept.outcome, fleet.verbs, fleet.issuances()) == ("failed", ["inspect"], [])
    assert "its files belong to certbot: web." in kept.message
    assert fleet.keep_one(fleet.item(**paths, managed=False)).outcome == "unchanged"
    assert fleet.keep_one(fleet.item(**paths, takeover=True)).outcome == "committed"


def test_not_managed(fleet: Fleet) -> None:
    """What is not managed is looked at and told, never due and never changed."""
    fleet.host_skew = timedelta(minutes=6)
    kept = fleet.keep_one(fleet.item(managed=False))
    assert (kept.outcome, actions(kept), kept.looked.decision.due) == ("unchanged", (), False)
    assert kept.looked.decision.told == ("it is not managed, so this is left alone: issue",)
    assert not fleet.preview(fleet.item(managed=False))[0].failed
    assert list(fleet.tls.iterdir()) == []


def test_next_issuer(fleet: Fleet) -> None:
    """An issuer that fails is passed over, which is written down; the next one issues."""
    fleet.issuers = Issuers((fleet.ca("first", passphrase=b"wrong"), fleet.ca("second")))
    kept = fleet.keep_one()
    assert kept.outcome == "committed"
    fleet.assert_pair(issuer="second")
    (event,) = [event for event in fleet.documents("events") if event["kind"] == "issuer.passed_over"]
    assert event["subject"] == "first"
    assert "passphrase" in event["detail"]["reason"]
    assert fleet.keep_one().outcome == "unchanged"


def test_no_issuer(fleet: Fleet) -> None:
    """Where no issuer gives one, the certificate that is there stays, and the reason of each issuer is told."""
    self_signed(fleet, days=-1)
    before = (fleet.tls / "web.pem").read_bytes()
    fleet.issuers = Issuers((fleet.ca("first", passphrase=b"wrong"),))
    kept = fleet.keep_one()
    assert kept.outcome == "failed"
    assert "no issuer gave one: issuer 'first'" in kept.message
    assert (fleet.tls / "web.pem").read_bytes() == before


def test_one_of_several_fails(fleet: Fleet) -> None:
    """A certificate that cannot be kept does not keep the others from it."""
    lost = {"certificate_path": str(fleet.folder / "nowhere/b.pem"), "key_path": str(fleet.folder / "nowhere/b.key")}
    kept = fleet.keep(fleet.item("a"), fleet.item("b", **lost), fleet.item("c"))
    assert [one.outcome for one in kept] == ["committed", "failed", "committed"]
    assert "'b'" in kept[1].message
    assert "does not exist" in kept[1].message
    fleet.assert_pair("a")
    fleet.assert_pair("c")
    assert fleet.states() == ["installed", "installed"]


def test_looking_changes_nothing(fleet: Fleet) -> None:
    """A look gives the same actions as the run and changes no file, neither on the host nor on the controller."""
    self_signed(fleet, days=-3)
    fleet.documents("hosts")
    before = fleet.snapshot()
    (seen,) = fleet.preview()
    assert {path for path, state in fleet.snapshot().items() if before.get(path) != state} <= {str(fleet.folder)}
    assert (seen.outcome, seen.changed) == ("pending", True)
    kept = fleet.keep_one()
    assert (actions(kept), kept.looked.decision.reasons) == (actions(seen), seen.looked.decision.reasons)


def test_diff(fleet: Fleet) -> None:
    """The difference shows both certificates and no key, before as after; nothing is shown of what stays."""
    self_signed(fleet, days=-3)
    old = openssl("x509", "-in", str(fleet.tls / "web.pem"), "-noout", "-serial").strip().partition("=")[2]
    expected = fleet.preview()[0].diff()
    done = fleet.keep_one()
    shown = done.diff()
    assert expected is not None
    assert shown is not None
    assert f"serial_number: {int(old, 16)}\n" in shown["before"]
    assert expected["before"] == shown["before"]
    assert "DNS:web.example.com" in expected["after"]
    new = openssl("x509", "-in", str(fleet.tls / "web.pem"), "-noout", "-serial").strip().partition("=")[2]
    assert f"serial_number: {int(new, 16)}\n" in shown["after"]
    assert fleet.keep_one().diff() is None
    secret = "".join((fleet.tls / "web.key").read_text().splitlines()[1:-1])
    told = json.dumps([expected, shown, done.to_result()])
    assert "PRIVATE" not in told
    assert secret[:40] not in told


def test_absent_service(fleet: Fleet) -> None:
    """A declared service that the host does not have is told by every look, and nothing is issued for it."""
    kept = fleet.keep_one(fleet.item(services=["nginx-of-another-host"]))
    (told,) = kept.looked.decision.told
    assert kept.outcome == "failed"
    assert told.startswith("certificate 'web': service 'nginx-of-another-host' was not found on this host; found: ")
    assert fleet.issuances() == []


def test_key_kind_stays(fleet: Fleet) -> None:
    """Where no key type is declared the kind that is there stays."""
    fleet.keep(fleet.item(key_type="rsa"))
    (fleet.tls / "web.key").unlink()
    fleet.keep()
    assert "Public-Key: (3072 bit)" in openssl("x509", "-in", str(fleet.tls / "web.pem"), "-noout", "-text")
    fleet.assert_pair()


def test_left_open(fleet: Fleet) -> None:
    """A transaction that was interrupted is told by a look and ended by the next run."""
    fleet.lose = ("request", "after")
    fleet.keep()
    (journal,) = pathlib.Path(fleet.folder, "state/transactions").glob("*/journal.json")
    journal.write_text(json.dumps({**json.loads(journal.read_text()), "state": "requesting"}))
    fleet.lose = None
    (told,) = fleet.look().recovered
    assert "it was interrupted while it was requesting" in told
    healed = look(fleet.work(), checked([fleet.item()]), heal=True)
    assert [text.partition(": ")[2] for text in healed.recovered] == ["the request was interrupted; its key was removed"]
    assert fleet.look().recovered == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"certificates": None}, "it told nothing of certificate 'web'"),
        ({"certificates": []}, "it told nothing of certificate 'web'"),
        ({"certificates": ["web", 7]}, "it told nothing of certificate 'web'"),
        ({"certificates": [{"name": "web"}]}, "it told nothing of certificate 'web'"),
        ({"certificates": [{"name": "web", "declared": {}, "certificate": "%"}]}, "cannot be read (Error)"),
        ({"certificates": [{"name": "web", "declared": {}, "files": [{}]}]}, "cannot be read (KeyError)"),
        ({"certificates": [{"name": "web", "declared": {}, "services": 5}]}, "cannot be read (TypeError)"),
        ({"certificates": [{"name": "web", "declared": {}, "key": "root"}]}, "cannot be read (AttributeError)"),
        ({"_host": {}}, "the time that it told cannot be read"),
        ({"_host": {"now": "soon"}}, "the time that it told cannot be read"),
        ({"_host": {"now": 1e400}}, "the time that it told cannot be read"),
    ],
)
def test_host_that_tells_nonsense(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, change: dict[str, t.Any], message: str) -> None:
    """An answer of another form is refused with the host's name."""
    real = fleet.exchange
    monkeypatch.setattr(fleet, "exchange", lambda verb, args, **more: {**real(verb, args, **more), **change})
    with pytest.raises(KeepError, match="host 'web1': ") as caught:
        fleet.keep()
    assert message in str(caught.value)


def test_nothing_declared(fleet: Fleet) -> None:
    """A host without a declared certificate is not contacted."""
    assert look(fleet.work(), (), heal=True).looked == ()
    assert fleet.verbs == []


def test_key_that_is_gone(fleet: Fleet) -> None:
    """What was issued for a key that its host has no more, because another run was faster or a week went by, is listed as issued nowhere."""
    fleet.lose = ("install", "before")
    assert fleet.keep_one().outcome == "unknown"
    fleet.lose = None
    shutil.rmtree(fleet.folder / "state")
    (looked,) = fleet.look().looked
    assert [unrecorded.state for unrecorded in looked.unrecorded] == ["issued_nowhere"]
    assert fleet.states() == ["issued"]  # looking changes nothing
    assert fleet.keep_one().outcome == "committed"
    assert fleet.states() == ["issued_nowhere", "installed"]
    assert fleet.look().looked[0].unrecorded == ()


def test_two_runs_at_once(fleet: Fleet) -> None:
    """The slower one is told so before anything is touched, and what it was issued does not stay behind."""
    slow, fast = fleet.work(), fleet.work()
    slow_look, fast_look = (look(work, checked([fleet.item()]), heal=True) for work in (slow, fast))

    def overtaken(verb: str, args: t.Mapping[str, t.Any], *, transaction: str | None = None) -> dict[str, t.Any]:
        if verb == "install":
            assert keeping.keep(fast, fast_look)[0].outcome == "committed"
        return fleet.exchange(verb, args, transaction=transaction)

    (kept,) = keeping.keep(dataclasses.replace(slow, exchange=overtaken), slow_look)
    assert kept.outcome == "failed"
    assert kept.text.endswith("the key of what was issued is on this host no more; another run may have renewed it meanwhile")
    fleet.assert_pair()
    fleet.keep()
    assert fleet.states() == ["issued_nowhere", "installed"]


def staged_keys(fleet: Fleet) -> list[pathlib.Path]:
    return [path for path in (fleet.folder / "state").rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]


def test_request_with_the_look(fleet: Fleet) -> None:
    """What an earlier look found due is asked for together with the next look, under the same events; a second certificate is asked for by itself."""
    items = (fleet.item(), fleet.item("mail"))
    kept = fleet.keep_looked(fleet.looked(*items), *items)
    assert [one.outcome for one in kept] == ["committed", "committed"]
    assert fleet.verbs == ["request", "install", "request", "install"]
    fleet.assert_pair()
    fleet.assert_pair("mail")
    kinds = [event["kind"] for event in fleet.documents("events") if event["subject"] == "web"]
    assert kinds == ["certificate.change_begins", "issuance.intent", "issuance.issued", "issuance.installed", "certificate.change_ended"]
    assert fleet.keep_looked(fleet.looked(*items), *items)[0].outcome == "unchanged"
    assert fleet.verbs == ["inspect"]


def test_request_that_nobody_wants(fleet: Fleet) -> None:
    """Where the second look calls for nothing, or for another key, the key that was made with it is taken back."""
    looked = fleet.looked()
    fleet.keep()
    installed = (fleet.tls / "web.key").read_bytes()
    (kept,) = fleet.keep_looked(looked)
    assert (kept.outcome, kept.changed, fleet.verbs) == ("unchanged", False, ["request", "discard"])
    assert ((fleet.tls / "web.key").read_bytes(), staged_keys(fleet)) == (installed, [])
    events = [event["kind"] for event in fleet.documents("events") if event["subject"] == "web"]
    assert events[-2:] == ["certificate.change_begins", "certificate.change_ended"]
    other = fleet.looked(fleet.item("mail"))
    (kept,) = fleet.keep_looked(other, fleet.item("mail", key_type="rsa", key_size=2048))
    assert (kept.outcome, fleet.verbs) == ("committed", ["request", "discard", "request", "install"])
    assert "2048 bit" in openssl("pkey", "-in", str(fleet.tls / "mail.key"), "-noout", "-text")
    assert staged_keys(fleet) == []


def test_clocks_of_a_request_with_the_look(fleet: Fleet) -> None:
    """Clocks that differ stop the issuing, and the key goes."""
    looked = fleet.looked()
    fleet.host_skew = timedelta(minutes=10)
    (kept,) = fleet.keep_looked(looked)
    assert (kept.outcome, fleet.verbs, fleet.states(), staged_keys(fleet)) == ("failed", ["request", "discard"], [], [])
    assert "clock" in kept.text


def test_request_with_the_look_is_refused(fleet: Fleet) -> None:
    """What the host refuses is told of that certificate, and the look stands for the others."""
    fleet.keep(fleet.item("mail"))
    items = (fleet.item(services=["shop"]), fleet.item("mail"))
    looked = fleet.looked(fleet.item(), fleet.item("mail"))
    web, mail = fleet.keep_looked(looked, *items)
    assert (web.outcome, mail.outcome, fleet.verbs) == ("failed", "unchanged", ["request"])
    assert web.message.startswith("certificate 'web': service 'shop' was not found on this host; found: ")
    ended = [event["detail"]["outcome"] for event in fleet.documents("events") if event["kind"] == "certificate.change_ended" and event["subject"] == "web"]
    assert ended == ["failed"]


@pytest.mark.parametrize(("lost", "verbs"), [("before", ["inspect", "request", "install"]), ("after", ["inspect", "install"])])
def test_connection_lost_in_a_request_with_the_look(fleet: Fleet, lost: str, verbs: list[str]) -> None:
    """The change that began has an end in the audit log, and the next run goes on with the key that was made."""
    looked = fleet.looked()
    fleet.lose = ("request", lost)
    with pytest.raises(ValueError, match="the connection broke"):
        fleet.keep_looked(looked)
    events = [(event["kind"], event["detail"].get("outcome")) for event in fleet.documents("events")]
    assert events == [("certificate.change_begins", None), ("certificate.change_ended", "unknown")]
    fleet.lose = None
    assert (fleet.keep_one().outcome, fleet.verbs) == ("committed", verbs)
    fleet.assert_pair()


@pytest.mark.parametrize(
    "looked",
    [
        None,
        {},
        {"certificates": "web"},
        {"certificates": [None, {"name": "other", "outcome": "pending", "new_key": {}}]},
        {"certificates": [{"name": "web", "outcome": "failed", "new_key": {"type": "ec", "size": 256, "curve": "secp256r1", "reuse": False}}]},
        {"certificates": [{"name": "web", "outcome": "pending", "new_key": {"type": "ec"}}]},
        {"certificates": [{"name": "web", "outcome": "pending", "new_key": {"type": "ec", "size": 256, "curve": "secp256r1", "reuse": False}}]},
        {"certificates": [{"name": "web", "outcome": "pending", "new_key": "ec"}]},
    ],
)
def test_a_look_that_cannot_be_read(fleet: Fleet, looked: t.Any) -> None:
    """Without a look that says what is due, the run looks first."""
    (kept,) = fleet.keep_looked(looked)
    assert (kept.outcome, fleet.verbs) == ("committed", ["inspect", "request", "install"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"request": None}, "the request that it made cannot be read (AttributeError)"),
        ({"request": {}}, "the request that it made cannot be read (KeyError)"),
        ({"request": {"csr": 5}}, "the request that it made cannot be read (TypeError)"),
        ({"certificates": []}, "it told nothing of certificate 'web'"),
    ],
)
def test_nonsense_with_a_request(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, change: dict[str, t.Any], message: str) -> None:
    """An answer of another form is refused with the host's name, and the change that began has an end."""
    looked, real = fleet.looked(), fleet.exchange
    monkeypatch.setattr(fleet, "exchange", lambda verb, args, **more: {**real(verb, args, **more), **change})
    with pytest.raises(KeepError, match="host 'web1': ") as caught:
        fleet.keep_looked(looked)
    assert message in str(caught.value)
    assert [event["kind"] for event in fleet.documents("events")] == ["certificate.change_begins", "certificate.change_ended"]


@pytest.mark.parametrize("looked_before", [False, True])
def test_events_cannot_be_written(fleet: Fleet, looked_before: bool) -> None:
    """Then nothing is changed on the host, and nothing is issued."""
    looked = fleet.looked()
    with contextlib.closing(sqlite3.connect(fleet.folder / "inventory.db")) as raw:
        raw.execute("CREATE TRIGGER refused BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no event is taken'); END")
    if looked_before:
        with pytest.raises(InventoryError, match="no event is taken"):
            fleet.keep_looked(looked)
    else:
        (kept,) = fleet.keep()
        assert kept.outcome == "failed"
        assert "no event is taken" in kept.message
    assert fleet.verbs == ([] if looked_before else ["inspect"])
    assert (list(fleet.tls.iterdir()), staged_keys(fleet), fleet.issuances()) == ([], [], [])
