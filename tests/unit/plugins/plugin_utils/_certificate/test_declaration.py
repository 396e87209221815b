# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared certificates: three keys suffice, and what is wrong is said with its path."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import declared as host_side
from ansible_collections.certops.fleet.plugins.plugin_utils._action.arguments import ArgumentError
from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.declaration import DeclarationError
from ansible_collections.certops.fleet.tests.unit.plugins.plugin_utils._certificate.conftest import checked

LEAST = {"name": "web", "names": ["web.example.com"], "certificate_path": "/tls/web.pem"}


def test_three_keys_suffice() -> None:
    """Everything else has a default, and the host is told no path that it is to find out itself."""
    (declared,) = checked([LEAST])
    assert (declared.profile.name, declared.key_type, declared.verify, declared.layout, declared.managed) == (
        "tls_server",
        "auto",
        "when_seen_before",
        "auto",
        True,
    )
    assert declared.renew_before.percent == 33
    told = declared.for_host()
    assert (told["key_path"], told["services"], told["check"], told["names"], told["listens"]) == (None, None, None, ["web.example.com"], True)


def test_host_takes_what_it_is_told() -> None:
    """Every option that is for the host arrives there."""
    options: dict[str, t.Any] = {"key_path": "/tls/web.key", "chain_path": "/tls/chain.pem", "fullchain_path": "/tls/full.pem", "owner": "web", "group": "tls"}
    options |= {"mode": "0640", "key_mode": "600", "services": ["nginx"], "check": ["/bin/check", "x"], "verify": "required"}
    (declared,) = checked([{**LEAST, **options, "layout": "in_place", "rollback": "never", "takeover": True, "profile": "tls_client"}])
    arrived = host_side.from_args(declared.for_host())
    assert [role.name for role in arrived.roles] == ["key", "certificate", "chain", "fullchain"]
    assert (arrived.owner, arrived.group, arrived.mode, arrived.key_mode) == ("web", "tls", "0640", "0600")
    assert (arrived.services, arrived.check, arrived.listens) == (("nginx",), ("/bin/check", "x"), False)
    assert (arrived.verify, arrived.layout, arrived.rollback, arrived.takeover) == ("required", "in_place", "never", True)


@pytest.mark.parametrize("role", ["certificate", "key", "chain", "fullchain", "combined"])
@pytest.mark.parametrize(("mode", "key_mode"), [("0644", "0600"), ("0644", None), (None, "0600"), (None, None)])
def test_mode_of_a_file(role: str, mode: str | None, key_mode: str | None) -> None:
    """Controller and host mean the same mode, so that nothing is brought back again and again."""
    (declared,) = checked([{**LEAST, "key_path": "/tls/web.key", "mode": mode, "key_mode": key_mode}])
    arrived = host_side.from_args(declared.for_host())
    assert declared.mode_of(role) == arrived.mode_of(host_side.Role(role, b"/x"))


def test_combined() -> None:
    """One path for both is one file of everything."""
    (declared,) = checked([{**LEAST, "key_path": "/tls/web.pem"}])
    assert declared.for_host()["format"] == "combined"


@pytest.mark.parametrize(("given", "mode"), [(416, "0640"), (0o600, "0600"), ("640", "0640"), ("0640", "0640"), (0o7, "0007"), ("000", "0000"), (None, None)])
def test_mode(given: t.Any, mode: str | None) -> None:
    """An octal text, or the number 416 that YAML makes of an unquoted 0640."""
    assert checked([{**LEAST, "mode": given}])[0].mode == mode


@pytest.mark.parametrize(
    ("names", "canonical"),
    [
        (["WWW.Example.com.", "www.example.com"], ["www.example.com"]),
        (["münchen.example.com"], ["xn--mnchen-3ya.example.com"]),
        (["[2001:DB8:0::1]", "192.0.2.1"], ["2001:db8::1", "192.0.2.1"]),
    ],
)
def test_names_are_canonical(names: list[str], canonical: list[str]) -> None:
    """Each name once, in its one form, in the declared order."""
    assert checked([{**LEAST, "names": names}])[0].for_host()["names"] == canonical


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "../web"}, "certops_certificates[0].name must be letters, digits, '.', '_' and '-', at most 100 and not beginning with a sign, got '../web'"),
        ({"name": ""}, "certops_certificates[0].name must be letters"),
        ({"name": "a" * 101}, "certops_certificates[0].name must be letters"),
        ({"name": "web\n"}, "certops_certificates[0].name must be letters"),
        ({"name": "{{ lookup('pipe', 'id') }}"}, "certops_certificates[0].name must be letters"),
        ({"profile": "smime"}, "certops_certificates[0].profile must be one of tls_client, tls_peer, tls_server, got 'smime'"),
        ({"names": []}, "certops_certificates[0].names must hold at least one DNS name or IP address"),
        ({"names": ["ok.example.com", "-bad.example.com"]}, "certops_certificates[0].names[1]: name '-bad.example.com'"),
        ({"names": ["*.example.com"]}, "certops_certificates[0].names[0] must not be a wildcard: profile 'tls_server' allows none, got '*.example.com'"),
        ({"names": [f"n{number}.example.com" for number in range(101)]}, "certops_certificates[0]: names: profile 'tls_server' allows 100 names, got 101"),
        ({"certificate_path": "web.pem"}, "certops_certificates[0].certificate_path must be an absolute path of a file"),
        ({"certificate_path": "~/web.pem"}, "certops_certificates[0].certificate_path must be an absolute path of a file"),
        ({"key_path": "/tls/../etc/shadow"}, "certops_certificates[0].key_path must be an absolute path of a file, without '.', '..', '//' and line breaks"),
        ({"key_path": "/tls/./web.key"}, "certops_certificates[0].key_path must be"),
        ({"chain_path": "/tls//chain.pem"}, "certops_certificates[0].chain_path must be"),
        ({"chain_path": "/tls/"}, "certops_certificates[0].chain_path must be"),
        ({"fullchain_path": "/tls/a\nb"}, "certops_certificates[0].fullchain_path must be"),
        ({"fullchain_path": "/tls/a\0b"}, "certops_certificates[0].fullchain_path must be"),
        ({"mode": "rw-r--r--"}, "certops_certificates[0].mode must be an octal mode such as '0640', got 'rw-r--r--'"),
        ({"mode": 640}, "certops_certificates[0].mode must be an octal mode such as '0640', got 640"),
        ({"mode": True}, "certops_certificates[0].mode must be"),
        ({"mode": -1}, "certops_certificates[0].mode must be"),
        ({"mode": 0o4755}, "certops_certificates[0].mode must be"),
        ({"key_mode": ["0600"]}, "certops_certificates[0].key_mode must be an octal mode such as '0640', got ['0600']"),
        ({"key_size": 2048}, "certops_certificates[0].key_size needs a key_type, got 2048 alone"),
        ({"key_type": "rsa", "key_size": 1024}, "certops_certificates[0].key_size: profile 'tls_server' does not allow a key 'rsa' of 1024 bits; allowed: EC"),
        ({"key_type": "ed25519", "key_size": 256}, "certops_certificates[0].key_size must be left out for a key 'ed25519', which has one size only, got 256"),
        ({"renew_before": "soon"}, "certops_certificates[0].renew_before must be a number of days such as 30 or a percentage such as '33%', got 'soon'"),
        ({"renew_before": 0}, "certops_certificates[0].renew_before must be more than 0 and less than 36500 days, got 0"),
        ({"renew_before": "100%"}, "certops_certificates[0].renew_before must be more than 0 and less than 100 %, got '100%'"),
        ({"renew_before": "nan"}, "certops_certificates[0].renew_before must be more than 0 and less than 36500 days, got 'nan'"),
        ({"renew_before": ["30"]}, "certops_certificates[0].renew_before must be a number of days"),
        ({"subject": {"organizationName": ["a"]}}, "certops_certificates[0].subject.organizationName must be a text, got ['a']"),
        ({"subject": {"commonName": "x"}}, "certops_certificates[0]: subject: the common name is taken from the certificate's names and is not declared"),
        ({"subject": {"emailAddress": "x"}}, "certops_certificates[0]: subject: profile 'tls_server' does not allow the attribute 'emailAddress'"),
        ({"subject": {"organizationName": "a\nb"}}, "certops_certificates[0]: subject.organizationName"),
    ],
)
def test_what_is_refused(change: dict[str, t.Any], message: str) -> None:
    """One sentence with the path, the value and what is accepted."""
    with pytest.raises(DeclarationError) as caught:
        checked([{**LEAST, **change}])
    assert str(caught.value).startswith(f"certificate {str({**LEAST, **change}['name'])!r}: {message}")


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([{"name": "web", "names": ["a.example.com"]}], "certificate 'web': certops_certificates[0].certificate_path must be given: a text"),
        ([{"names": ["a.example.com"], "certificate_path": "/a"}], "certops_certificates[0].name must be given: a text"),
        (
            [{**LEAST, "certifcate_path": 1}],
            "certificate 'web': certops_certificates[0].certifcate_path is not known, did you mean 'certificate_path'? accepted are",
        ),
        (
            [LEAST, {**LEAST, "name": "b", "colour": 1}],
            "certificate 'b': certops_certificates[1].colour is not known, accepted are name, names, certificate_path",
        ),
        (["web"], "certops_certificates[0] must be a dictionary, got 'web'"),
        ({"name": "web"}, "certops_certificates must be a list of dictionaries, got {'name': 'web'}"),
        ("web", "certops_certificates must be a list of dictionaries, got 'web'"),
        ([{**LEAST, "verify": "maybe"}], "certops_certificates[0].verify must be one of when_seen_before, required, none, got 'maybe'"),
        ([{**LEAST, "layout": "copy"}], "certops_certificates[0].layout must be one of"),
        ([{**LEAST, "rollback": "sometimes"}], "certops_certificates[0].rollback must be one of"),
        ([{**LEAST, "key_type": "dsa"}], "certops_certificates[0].key_type must be one of auto, ec, rsa, ed25519, got 'dsa'"),
        ([{**LEAST, "key_size": "big"}], "certops_certificates[0].key_size must be a whole number, got 'big'"),
        ([{**LEAST, "takeover": "perhaps"}], "certops_certificates[0].takeover must be true or false, got 'perhaps'"),
        ([{**LEAST, "names": [{"a": 1}]}], "certops_certificates[0].names must be a list of texts, got [{'a': 1}]"),
        ([{**LEAST, "subject": ["O"]}], "certops_certificates[0].subject must be a dictionary, got ['O']"),
    ],
)
def test_wrong_types(items: t.Any, message: str) -> None:
    """What has another type is refused with its place and value, before anything is looked at."""
    with pytest.raises((ArgumentError, DeclarationError)) as caught:
        checked(items)
    assert message in str(caught.value)


def test_everything_is_told_at_once() -> None:
    """Two wrong declarations give both sentences."""
    with pytest.raises(DeclarationError, match=r"certops_certificates\[0\]\.mode .*; certificate 'c': certops_certificates\[2\]\.profile "):
        checked([{**LEAST, "mode": "x"}, {**LEAST, "name": "b"}, {**LEAST, "name": "c", "profile": "x"}])


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            {"certificate_path": "/tls/b.pem"},
            "certificate 'web': certops_certificates[1] declares the name 'web', as certops_certificates[0] does already; each",
        ),
        ({"name": "b"}, "certificate 'b': certops_certificates[1] declares the file '/tls/web.pem', as certops_certificates[0] does"),
        (
            {"name": "b", "certificate_path": "/tls/b.pem", "key_path": "/tls/web.key"},
            "certificate 'b': certops_certificates[1] declares the file '/tls/web.key', as certops_certificates[0] does",
        ),
        (
            {"name": "b", "certificate_path": "/tls/web.key"},
            "certificate 'b': certops_certificates[1] declares the file '/tls/web.key', as certops_certificates[0] does",
        ),
        (
            {"name": "b", "certificate_path": "/tls/b.pem", "fullchain_path": "/tls/web.pem"},
            "certificate 'b': certops_certificates[1] declares the file '/tls/web.pem', as certops_certificates[0] does",
        ),
    ],
)
def test_each_needs_its_own(second: dict[str, t.Any], message: str) -> None:
    """Two declarations share neither a name nor a file."""
    with pytest.raises(DeclarationError) as caught:
        checked([{**LEAST, "key_path": "/tls/web.key"}, {**LEAST, **second}])
    assert str(caught.value).startswith(message)
