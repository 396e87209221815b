# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users name becomes single questions, or one sentence."""

from __future__ import annotations

import contextlib
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint import targets
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.groups import hosts_of
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.targets import SCHEMES, STARTTLS, Target, TargetError, Wanted, expand, parse_ports
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.names import InvalidNameError

WANTED = Wanted(ports=(443,), names=(), starttls="auto", limit=1000)


def asked(*texts: str, **changes: t.Any) -> list[tuple[str, str, str]]:
    """Place, name and conversation of each question."""
    wanted = Wanted(**{**{name: getattr(WANTED, name) for name in WANTED.__slots__}, **changes})
    return [(target.place, target.name, target.starttls) for target in expand(texts, (), wanted)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("www.example.com", [("www.example.com:443", "www.example.com", "")]),
        ("WWW.Example.com.:8443", [("www.example.com:8443", "www.example.com", "")]),
        ("www:443,8443", [("www:443", "www", ""), ("www:8443", "www", "")]),
        ("my_host", [("my_host:443", "my_host", "")]),
        ("bücher.example:25", [("xn--bcher-kva.example:25", "xn--bcher-kva.example", "smtp")]),
        ("192.0.2.7:143", [("192.0.2.7:143", "", "imap")]),
        ("::1", [("[::1]:443", "", "")]),
        ("[2001:DB8::7]:636", [("[2001:db8::7]:636", "", "")]),
        ("[fe80::1%eth0]:25", [("[fe80::1%eth0]:25", "", "smtp")]),
        ("192.0.2.0/30", [("192.0.2.1:443", "", ""), ("192.0.2.2:443", "", "")]),
        ("192.0.2.7/32:5432", [("192.0.2.7:5432", "", "postgres")]),
        ("[2001:db8::/127]:443", [("[2001:db8::]:443", "", ""), ("[2001:db8::1]:443", "", "")]),
        ("192.0.2.9-192.0.2.10", [("192.0.2.9:443", "", ""), ("192.0.2.10:443", "", "")]),
        ("192.0.2.9-10:80-81", [(f"192.0.2.{last}:{port}", "", "") for last in (9, 10) for port in (80, 81)]),
        ("https://www.example.com/path?query#part", [("www.example.com:443", "www.example.com", "")]),
        ("https://[::1]:8443", [("[::1]:8443", "", "")]),
        ("smtp://mail.example.com", [("mail.example.com:25", "mail.example.com", "smtp")]),
        ("smtp://mail.example.com:587", [("mail.example.com:587", "mail.example.com", "smtp")]),
        ("ldaps://ldap.example.com", [("ldap.example.com:636", "ldap.example.com", "")]),
    ],
)
def test_what_is_accepted(text: str, expected: list[tuple[str, str, str]]) -> None:
    """Names, addresses, networks, ranges and URLs, with ports or without."""
    assert asked(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "target '' must be a name or an address with or without ports, a URL, a network such as 192.0.2.0/24 or a range"),
        ("a b", "target 'a b' must be .*: the label 'a b' may have only letters"),
        ("{{ 7 * 7 }}", "target '{{ 7 [*] 7 }}' must be "),
        ("1.2.3", "target '1.2.3' must be .*: it is neither an address nor a host name"),
        ("www:", "target 'www:' must be "),
        ("www:http", "target 'www:http': 'http' must be ports from 1 to 65535 such as '443'"),
        ("www:0", "target 'www:0': '0' must be ports"),
        ("www:443-80", "target 'www:443-80': '443-80' must be ports"),
        ("www:65536", "target 'www:65536': '65536' must be ports"),
        ("192.0.2.0/33", "target '192.0.2.0/33' must be "),
        ("www/24", "target 'www/24' must be "),
        ("192.0.2.9-192.0.2.1", "target '192.0.2.9-192.0.2.1' must be "),
        ("192.0.2.9-::1", "target '192.0.2.9-::1' must be "),
        ("[::1", "target '\\[::1' must be "),
        ("http://www.example.com", "target 'http://www.example.com' has the scheme 'http', accepted are amqps, ftp, "),
        ("https://", "target 'https://' must have a host, and no user or password"),
        ("https://user:secret@www.example.com", "target 'https://…@www.example.com' must have a host, and no user or password"),
        ("https://user:secret@www:x/", "target 'https://…@www:x/' must be "),
        ("https://[::1/", "target 'https://\\[::1/' must be "),
        ("x" * 5000, "target 'x{200}…' must be "),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    """In one sentence that names the value, without a password in it."""
    with pytest.raises(TargetError, match=f"^{message}") as caught:
        asked(text)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 700


@given(st.text(max_size=60))
def test_any_text_is_asked_or_refused(text: str) -> None:
    """Nothing else is raised."""
    with contextlib.suppress(TargetError):
        assert asked(text)


def test_names_take_the_place_of_the_targets_own() -> None:
    """Each is a question of its own, and equal questions are one."""
    assert asked("192.0.2.7", "192.0.2.7:443", names=("a.example", "b.example")) == [
        ("192.0.2.7:443 (a.example)", "a.example", ""),
        ("192.0.2.7:443 (b.example)", "b.example", ""),
    ]
    args = {"ports": ["443"], "names": ["A.Example"], "starttls": "auto", "max_endpoints": 5}
    assert Wanted.from_args(args).names == ("a.example",)
    with pytest.raises(TargetError, match=r"names: '192.0.2.7' must be a DNS name: a server is not asked for an address"):
        Wanted.from_args({**args, "names": ["192.0.2.7"]})
    with pytest.raises(InvalidNameError):
        Wanted.from_args({**args, "names": ["{{ x }}"]})
    with pytest.raises(TargetError, match=r"^ports: 'https' must be ports from 1 to 65535"):
        Wanted.from_args({**args, "ports": ["https"]})


def test_the_conversation_is_chosen() -> None:
    """By the port, by the option, or none at all; a URL knows better."""
    assert [each[2] for each in asked("www:25,443")] == ["smtp", ""]
    assert [each[2] for each in asked("www:25,443", starttls="none")] == ["", ""]
    assert [each[2] for each in asked("www:25,443", starttls="ldap")] == ["ldap", "ldap"]
    assert [each[2] for each in asked("https://www", starttls="ldap")] == [""]
    assert {starttls for _port, starttls in SCHEMES.values()} - {""} <= set(STARTTLS)


@pytest.mark.parametrize("text", ["10.0.0.0/8", "::/0", "0.0.0.0-255.255.255.255", "www:1-65535", "192.0.2.0/24:443-450"])
def test_too_many_are_refused_at_once(text: str) -> None:
    """However many they are, with what they count."""
    with pytest.raises(
        TargetError, match=r"^targets and groups are more than 1000 endpoints, counted as addresses times ports times names: name fewer, or raise"
    ):
        asked(text)


def test_ports() -> None:
    """Lists and ranges."""
    assert parse_ports("443, 8000-8002", "ports") == (443, 8000, 8001, 8002)


VARIABLES: dict[str, t.Any] = {
    "groups": {"all": ["web1.example.com", "db1", "bare"], "web": ["web1.example.com"]},
    "hostvars": {"web1.example.com": {"ansible_host": "192.0.2.7"}, "db1": {"ansible_host": "db1.example.com"}, "bare": {}},
}


def test_groups() -> None:
    """Hosts by the address that Ansible connects to, asked for the name that they have; a host is a group of its own."""
    hosts = hosts_of(["web", "db1", "bare", "web1.example.com"], VARIABLES)
    assert hosts == [("web1.example.com", "192.0.2.7"), ("db1", "db1.example.com"), ("bare", "bare")]
    found = expand((), hosts, WANTED)
    assert [(target.place, origin.inventory_host, origin.named) for target, origin in found.items()] == [
        ("192.0.2.7:443 (web1.example.com)", "web1.example.com", True),
        ("db1.example.com:443", "db1", True),
        ("bare:443", "bare", True),
    ]
    assert hosts_of([], {}) == []
    with pytest.raises(TargetError, match=r"^groups: 'webb' is neither a group nor a host of the inventory, did you mean 'web'[?]$"):
        hosts_of(["webb"], VARIABLES)


def test_networks_without_netaddr(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is named; everything else works without it."""
    monkeypatch.setattr(targets, "netaddr", None)
    assert asked("www")
    for text in ("192.0.2.0/24", "192.0.2.1-3"):
        with pytest.raises(TargetError, match=r"needs the package 'netaddr' for networks and ranges"):
            asked(text)


def test_a_question_knows_its_place() -> None:
    """As a reader knows it."""
    assert Target("www", 443, "www", "").place == "www:443"
    assert Target("::1", 443, "www", "").place == "[::1]:443 (www)"
