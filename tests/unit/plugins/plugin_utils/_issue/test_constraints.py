# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from cryptography import x509

from ansible_collections.certops.fleet.plugins.plugin_utils._issue.constraints import ConstraintError, constraints_of, parse_constraints
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.embedded import EmbeddedIssuer
from ansible_collections.certops.fleet.plugins.plugin_utils._issue.request import Wanted, checked_request
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.names import canonical_name

CASES = [
    (["example.com"], [], "example.com", True),
    (["example.com"], [], "a.b.example.com", True),
    (["example.com"], [], "badexample.com", False),
    (["example.com"], [], "example.com.evil.example", False),
    (["example.com"], [], "192.0.2.1", False),
    (["example.com"], [], "2001:db8::1", False),
    (["192.0.2.0/24"], [], "192.0.2.1", True),
    (["192.0.2.0/24"], [], "192.0.3.1", False),
    (["192.0.2.0/24"], [], "2001:db8::1", False),
    (["192.0.2.0/24"], [], "example.com", False),
    (["2001:db8::/32"], [], "2001:db8::1", True),
    (["example.com", "192.0.2.0/24"], [], "192.0.2.1", True),
    ([], ["example.com"], "www.example.com", False),
    ([], ["example.com"], "www.example.net", True),
    ([], ["192.0.2.0/24"], "192.0.2.9", False),
    (["example.com"], ["lab.example.com"], "x.lab.example.com", False),
    (["example.com"], ["lab.example.com"], "x.example.com", True),
    ([], [], "whatever.example", True),
]


@pytest.mark.parametrize(("permitted", "excluded", "name", "allowed"), CASES)
def test_openssl_decides_the_same(
    *,
    make_ca: t.Callable[..., EmbeddedIssuer],
    make_csr: t.Callable[..., bytes],
    want: t.Callable[..., Wanted],
    verify: t.Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    now: t.Any,
    permitted: list[str],
    excluded: list[str],
    name: str,
    allowed: bool,
) -> None:
    """What we refuse to issue openssl would not accept, and the other way round."""
    assert parse_constraints(permitted, excluded).allows(canonical_name(name)) == allowed
    issuer = make_ca(permitted_names=permitted, excluded_names=excluded)
    wished = want(name)
    subject = [(x509.NameOID.COMMON_NAME, value) for _name, value in wished.subject]
    monkeypatch.setattr(EmbeddedIssuer, "_check_names", lambda *_arguments: None)
    issued = issuer.issue(checked_request(make_csr(names=list(wished.general_names()), subject=subject), wished), serial=1 << 100, now=now)
    text = verify(issuer, issued.der, code=0 if allowed else 2)
    assert ("OK" if allowed else "subtree violation") in text


@pytest.mark.parametrize(
    ("permitted", "excluded", "message"),
    [
        (["10.0.0.1/8"], [], "permitted_names[0] must be a network such as '10.0.0.0/8' without host bits, got '10.0.0.1/8'"),
        (["a.example", "*.b.example"], [], "permitted_names[1] must be a DNS name such as 'example.com' or a network: name '*.b.example'"),
        ([], [""], "excluded_names[0] must be a DNS name such as 'example.com' or a network: name ''"),
        ([], ["{{ x }}"], "excluded_names[0] must be a DNS name such as 'example.com' or a network: name '{{ x }}'"),
    ],
)
def test_bad_constraints_are_told(permitted: list[str], excluded: list[str], message: str) -> None:
    """With the option and the index."""
    with pytest.raises(ConstraintError) as caught:
        parse_constraints(permitted, excluded)
    assert str(caught.value).startswith(message)


def test_constraints_are_canonical_and_once() -> None:
    """Leading dot, case, and an address that stands for one host."""
    assert parse_constraints([".Example.COM", "example.com", "192.0.2.7"], []).permitted == ("example.com", "192.0.2.7/32")


def test_a_wildcard_is_inside_when_its_names_are() -> None:
    """`*.example.com` stands for names below example.com."""
    constraints = parse_constraints(["example.com"], [])
    assert constraints.allows(canonical_name("*.example.com", wildcard=True))
    assert not constraints.allows(canonical_name("*.example.net", wildcard=True))


@pytest.mark.parametrize("options", [(["example.com"], []), (["192.0.2.0/24"], []), ([], ["x.example", "192.0.2.0/24"]), ([], [])])
def test_the_extension_is_read_as_it_was_written(make_ca: t.Callable[..., EmbeddedIssuer], options: tuple[list[str], list[str]]) -> None:
    """Whichever kinds of names are constrained."""
    issuer = make_ca(permitted_names=options[0], excluded_names=options[1])
    assert constraints_of(x509.load_der_x509_certificate(issuer.certificate)) == parse_constraints(*options)
