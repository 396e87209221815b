# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision about one declared certificate."""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.decide import Decision, IssuingChain, Known, decide
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.declaration import Declared, declared_certificate
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.found import Found, FoundFile, Leaf, Probe, Staged
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.lifetime import Window
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.profiles import PROFILES
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.names import canonical_name

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)
CHAIN = IssuingChain("internal", "issuing", "aa", (b"issuing",))
OTHER = IssuingChain("second", "other", "bb", (b"other",))


def declared(**changes: t.Any) -> Declared:
    item = {"name": "web", "names": ["web.example.com"], "certificate_path": "/tls/web.pem", "key_path": "/tls/web.key"}
    defaults = {"profile": "tls_server", "key_type": "auto", "reuse_key": False, "verify": "when_seen_before", "layout": "auto", "rollback": "auto"}
    return declared_certificate({**defaults, "takeover": False, "managed": True, **item, **changes}, "certops_certificates[0]")


def leaf(**changes: t.Any) -> Leaf:
    good = Leaf(
        sha256="a" * 64,
        spki="b" * 64,
        names=frozenset({canonical_name("web.example.com")}),
        not_before=NOW - DAY,
        not_after=NOW + 89 * DAY,
        key_kind="ec",
        key_size=256,
        signature="ecdsa-with-SHA256",
        extended_key_usage=frozenset(PROFILES["tls_server"].extended_key_usage_texts),
        subject="web",
        subject_key=None,
        issuer="issuing",
        authority_key="aa",
    )
    return dataclasses.replace(good, **changes)


def file(role: str, **changes: t.Any) -> FoundFile:
    return dataclasses.replace(FoundFile(role, f"/tls/{role}", "present", "root", "root", "0644"), **changes)


def found(**changes: t.Any) -> Found:
    good = Found(
        files=(file("certificate"), file("key", mode="0600")),
        certificate=b"der",
        leaf=leaf(),
        chain=(b"issuing",),
        pair=True,
        key_readable_by_others=False,
        probes=(),
        owned_by=None,
        contested=None,
        staged=(),
    )
    return dataclasses.replace(good, **changes)


def decided(desired: Declared | None = None, there: Found | None = None, *, digest: str = "", **known: t.Any) -> Decision:
    context = {"now": NOW, "host": "web1", "chains": (CHAIN, OTHER), **known}
    return decide(desired or declared(), there or found(), Known(**context), request_digest=digest)


def test_nothing_to_do() -> None:
    """A certificate as declared leads to no action, and says when it will be due."""
    decision = decided()
    assert decision.actions == ()
    assert decision.reasons == ()
    assert decision.due_at is not None
    assert NOW < decision.due_at < NOW + 89 * DAY


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"files": (file("certificate", state="missing"), file("key")), "leaf": None, "certificate": None}, "missing"),
        ({"files": (file("certificate", state="malformed"), file("key")), "leaf": None, "certificate": None}, "malformed"),
        ({"files": (file("certificate"), file("key", state="missing")), "pair": None}, "missing"),
        ({"files": (file("certificate"), file("key", state="unreadable")), "pair": None}, "unreadable"),
        ({"pair": False}, "key_mismatch"),
        ({"leaf": leaf(not_after=NOW - timedelta(seconds=1))}, "expired"),
        ({"leaf": leaf(key_kind="rsa", key_size=1024)}, "forbidden_algorithm"),
        ({"leaf": leaf(key_kind="dsa", key_size=2048)}, "forbidden_algorithm"),
        ({"leaf": leaf(signature="sha1WithRSAEncryption")}, "forbidden_algorithm"),
        ({"leaf": leaf(signature="ecdsa-with-SHA1")}, "forbidden_algorithm"),
        ({"leaf": leaf(names=frozenset())}, "missing_name"),
        ({"leaf": leaf(issuer="elsewhere", authority_key="cc"), "chain_problem": "the chain does not lead to its issuer"}, "broken_chain"),
    ],
)
def test_reasons_of_now(changes: dict[str, t.Any], code: str) -> None:
    """What cannot wait is issued, with the reason."""
    decision = decided(there=found(**changes))
    assert decision.actions == ("issue",)
    assert code in {reason.code for reason in decision.reasons if reason.when == "now"}


@pytest.mark.parametrize(
    ("desired", "changes", "code"),
    [
        ({}, {"leaf": leaf(names=frozenset({canonical_name("web.example.com"), canonical_name("old.example.com")}))}, "extra_name"),
        ({"profile": "tls_peer"}, {}, "profile"),
        ({"key_type": "rsa", "key_size": 3072}, {}, "key_type"),
        ({}, {"leaf": leaf(issuer="other", authority_key="bb"), "chain": (b"other",)}, "preferred_issuer"),
        ({}, {"leaf": leaf(issuer="Public CA", authority_key="cc"), "chain": (b"public",)}, "preferred_issuer"),
    ],
)
def test_reasons_at_renewal_wait(desired: dict[str, t.Any], changes: dict[str, t.Any], code: str) -> None:
    """What can wait for the window is told, and nothing is issued."""
    decision = decided(declared(**desired), found(**changes))
    assert decision.actions == ()
    assert [(reason.when, reason.code) for reason in decision.reasons] == [("at_renewal", code)]


def test_window() -> None:
    """A third of the lifetime before its end, the certificate is due."""
    decision = decided(there=found(leaf=leaf(not_before=NOW - 70 * DAY, not_after=NOW + 20 * DAY)))
    assert decision.actions == ("issue",)
    assert [reason.code for reason in decision.reasons] == ["window"]


def test_revoked() -> None:
    """A revoked certificate is replaced now."""
    assert decided(revoked=True).actions == ("issue",)


def test_other_chain_is_no_new_certificate() -> None:
    """A renewed or cross-signed issuing CA means a new chain, not a new certificate."""
    assert decided(there=found(chain=(b"issuing before",))).actions == ("chain",)
    assert decided(there=found(chain=())).actions == ("chain",)


ISSUING = hashlib.sha256(b"issuing").hexdigest()


@pytest.mark.parametrize(
    ("role", "held", "sentence"),
    [
        ("fullchain", ("a" * 64, ISSUING), None),
        ("fullchain", ("a" * 64, ISSUING, "d" * 64), None),
        ("fullchain", ("c" * 64, ISSUING), "/tls/fullchain begins with another certificate"),
        ("fullchain", ("a" * 64,), "/tls/fullchain does not hold the issuer's chain"),
        ("chain", (ISSUING,), None),
        ("chain", ("d" * 64,), "/tls/chain does not hold the issuer's chain"),
    ],
)
def test_what_stands_in_the_files_beside(role: str, held: tuple[str, ...], sentence: str | None) -> None:
    """A file that is for the chain, or for certificate and chain, is written again when something else stands in it."""
    decision = decided(there=found(files=(file("certificate"), file("key"), file(role, certificates=held))))
    assert decision.actions == (("chain",) if sentence else ())
    assert list(decision.told) == ([sentence] if sentence else [])


def test_a_stale_file_beside_a_certificate_of_somebody_else() -> None:
    """Where the chain is not known, it is at least the certificate that must be the same."""
    files = (file("certificate"), file("fullchain", certificates=("c" * 64,)))
    there = found(leaf=leaf(issuer="Public CA", authority_key="cc"), chain=(b"public",), files=files)
    assert decided(there=there).actions == ("chain",)


def test_not_loaded_is_a_reload() -> None:
    """On disk but not loaded is a reason to reload, never to issue."""
    probe = Probe("nginx", "127.0.0.1", 443, "web.example.com", "ec", "c" * 64, None)
    decision = decided(there=found(services=("nginx",), probes=(probe,)))
    assert decision.actions == ("reload",)
    assert any("127.0.0.1:443" in told for told in decision.told)


def test_another_process_in_the_place_of_a_stopped_service() -> None:
    """A service that does not run is not reloaded; that something else listens in its place is told."""
    probe = Probe("nginx", "127.0.0.1", 443, "web.example.com", "ec", "c" * 64, None)
    decision = decided(there=found(services=("nginx",), stopped=("nginx",), probes=(probe,)))
    assert decision.actions == ()
    assert any("nginx does not run, and what listens in its place at 127.0.0.1:443" in told for told in decision.told)


@pytest.mark.parametrize("served", ["a" * 64, None])
def test_loaded_or_not_seen_is_no_reload(served: str | None) -> None:
    """What is served as on disk, or could not be seen, is left alone."""
    probes = (
        Probe("nginx", "127.0.0.1", 443, None, "ec", served, None if served else "timed out"),
        Probe("nginx", "127.0.0.1", 443, None, "rsa", "c" * 64, None),
    )
    assert decided(there=found(services=("nginx",), probes=probes if served else probes[:1])).actions == ()


def test_declared_attributes() -> None:
    """A declared mode is brought back; what is not declared is left as it is."""
    there = found(files=(file("certificate"), file("key", mode="0644")), key_readable_by_others=True)
    assert decided(declared(key_mode="0600"), there).actions == ("attributes",)
    open_key = decided(there=there)
    assert open_key.actions == ()
    assert any("can be read by others" in told for told in open_key.told)


def test_foreign_owner_is_refused() -> None:
    """Files of another renewer are refused with its name, unless they are taken over."""
    there = found(owned_by="certbot: /etc/letsencrypt/renewal/web.conf", leaf=leaf(not_after=NOW - DAY))
    refused = decided(there=there)
    assert refused.actions == ()
    assert refused.refused is not None
    assert "certbot" in refused.refused
    assert decided(declared(takeover=True), there).actions == ("issue",)


STAGED = Staged("1" * 32, "undone", "digest", b"csr", b"der", (), 1, 60)


@pytest.mark.parametrize(
    ("changes", "action", "used"),
    [
        ({}, "install_staged", True),
        ({"certificate": None}, "issue", True),
        ({"attempts": 2}, "issue", False),
        ({"age": 8 * 86400}, "issue", False),
        ({"request_digest": "another"}, "issue", False),
    ],
)
def test_staged_is_used_once_more(changes: dict[str, t.Any], action: str, used: bool) -> None:
    """A staged key or certificate of the same request is used once more, then never again."""
    staged = dataclasses.replace(STAGED, **changes)
    decision = decided(there=found(pair=False, staged=(staged,)), digest="digest")
    assert decision.actions == (action,)
    assert (decision.staged is not None) is used


def test_staged_alone_is_no_reason() -> None:
    """A certificate that is not due is not exchanged for what an earlier run left."""
    assert decided(there=found(staged=(STAGED,)), digest="digest").actions == ()


def test_contested_is_told() -> None:
    """What somebody put back since our last install is told, and judged as it is."""
    decision = decided(there=found(contested="/tls/web.pem was changed since its last installation"))
    assert decision.actions == ()
    assert any("was changed" in told for told in decision.told)


lifetimes = st.timedeltas(timedelta(minutes=6), timedelta(days=4000))
windows = st.one_of(st.floats(0.001, 36499).map(lambda days: Window(days=days)), st.floats(0.1, 99.9).map(lambda share: Window(percent=share)))
errors = st.timedeltas(-DAY, DAY)


@given(
    lifetime=lifetimes, ca_left=lifetimes, window=windows, error=errors, name=st.text(max_size=20), backdated=st.timedeltas(timedelta(0), timedelta(hours=1))
)
@example(lifetime=timedelta(minutes=6), ca_left=timedelta(minutes=6), window=Window(days=1), error=DAY, name="", backdated=timedelta(seconds=650))
def test_no_endless_renewal(*, lifetime: timedelta, ca_left: timedelta, window: Window, error: timedelta, name: str, backdated: timedelta) -> None:
    """For no declaration, lifetime, end of the CA and clock error within a day does a freshly installed certificate come out due."""
    not_before = NOW - backdated
    fresh = leaf(not_before=not_before, not_after=max(min(NOW + lifetime, NOW + ca_left), not_before))
    ours = NOW + error
    desired = dataclasses.replace(declared(), renew_before=window)
    decision = decide(desired, found(leaf=fresh), Known(now=ours, host=name, chains=(CHAIN,), issued_at=ours))
    assert not decision.due, decision.reasons


@given(window=windows, jump=st.timedeltas(timedelta(0), DAY), name=st.text(max_size=20), days=st.floats(4, 4000))
def test_no_renewal_within_a_day(window: Window, jump: timedelta, name: str, days: float) -> None:
    """A clock that jumps by a day after the installation makes no certificate due that lives four days or longer."""
    fresh = leaf(not_before=NOW - timedelta(minutes=5), not_after=NOW + timedelta(days=days))
    desired = dataclasses.replace(declared(), renew_before=window)
    decision = decide(desired, found(leaf=fresh), Known(now=NOW + jump, host=name, chains=(CHAIN,), issued_at=NOW))
    assert not decision.due, decision.reasons


def test_cut_window_is_told() -> None:
    """A window longer than the lifetime counts as a third of it, with a warning."""
    decision = decided(declared(renew_before=90))
    assert decision.actions == ()
    assert any("counts as a third" in told for told in decision.told)
