# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.certops.fleet.plugins.plugin_utils._x509.names import InvalidNameError, Name, canonical_name, canonical_names

CANONICAL = [
    ("Example.COM.", "dns", "example.com"),
    ("localhost", "dns", "localhost"),
    ("3com.example", "dns", "3com.example"),
    ("MÜNCHEN.example", "dns", "xn--mnchen-3ya.example"),
    ("xn--mnchen-3ya.example", "dns", "xn--mnchen-3ya.example"),
    ("XN--MNCHEN-3YA.example", "dns", "xn--mnchen-3ya.example"),
    ("café。example", "dns", "xn--caf-dma.example"),
    ("xn--strae-oqa.example", "dns", "xn--strae-oqa.example"),
    ("a" * 63 + ".example", "dns", "a" * 63 + ".example"),
    ("192.0.2.1", "ip", "192.0.2.1"),
    ("2001:DB8:0:0::1", "ip", "2001:db8::1"),
    ("[2001:db8::1]", "ip", "2001:db8::1"),
    ("::ffff:192.0.2.1", "ip", "192.0.2.1"),
]

REFUSED = [
    ("", "a name is a text that is not empty"),
    ("  ", "a name is a text that is not empty"),
    (None, "a name is a text that is not empty"),
    (7, "a name is a text that is not empty"),
    (".", "may have only letters, digits and inner hyphens"),
    ("a..example", "may have only letters, digits and inner hyphens"),
    (".example.com", "may have only letters, digits and inner hyphens"),
    ("-a.example", "may have only letters, digits and inner hyphens"),
    ("a-.example", "may have only letters, digits and inner hyphens"),
    ("a_b.example", "may have only letters, digits and inner hyphens"),
    ("a b.example", "may have only letters, digits and inner hyphens"),
    (" a.example", "may have only letters, digits and inner hyphens"),
    ("a.example\n", "may have only letters, digits and inner hyphens"),
    ("a\0.example", "may have only letters, digits and inner hyphens"),
    ("{{ x }}.example", "may have only letters, digits and inner hyphens"),
    ("a/b", "may have only letters, digits and inner hyphens"),
    ("user@a.example", "may have only letters, digits and inner hyphens"),
    ("a.example:443", "may have only letters, digits and inner hyphens"),
    ("a" * 64 + ".example", "a label has at most 63 characters, this one has 64"),
    ("ü" * 63 + ".example", "has no A-label"),
    (".".join(["abcdefg"] * 32), "a name has at most 253 characters, this one has 255"),
    ("a" * 100_000, "a name has at most 253 characters, this one has 100000"),
    ("straße.example", "stands for other letters than it shows"),
    ("ﬁ.example", "stands for other letters than it shows"),
    ("a\u200db.example", "stands for other letters than it shows"),
    ("\ud800.example", "A-label"),
    ("ab--c.example", "is not a valid A-label"),
    ("xn--a.example", "is not a valid A-label"),
    ("xn--zzzzzz99999999.example", "is not a valid A-label"),
    ("010.0.0.1", "it is neither an address nor a host name"),
    ("1.2.3", "it is neither an address nor a host name"),
    ("192.0.2.0/24", "may have only letters, digits and inner hyphens"),
    ("fe80::1%eth0", "an address with a zone cannot be in a certificate"),
    ("*.example.com", "wildcards are not allowed here"),
]

REFUSED_WILDCARDS = [
    ("*", "a wildcard needs at least two labels after the asterisk"),
    ("*.com", "a wildcard needs at least two labels after the asterisk"),
    ("*.*.example.com", "may have only letters, digits and inner hyphens"),
    ("a.*.example.com", "may have only letters, digits and inner hyphens"),
    ("w*.example.com", "may have only letters, digits and inner hyphens"),
]


@pytest.mark.parametrize(("text", "kind", "canonical"), CANONICAL)
def test_a_name_has_one_form(text: str, kind: str, canonical: str) -> None:
    """Lower case, no trailing dot, A-labels, the short form of an address; and the form is its own form."""
    name = canonical_name(text)
    assert (name.kind, name.text) == (kind, canonical)
    assert canonical_name(name.text) == name


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[repr(text)[:30] for text, _message in REFUSED])
def test_what_is_no_name_is_refused_with_the_reason(text: str, message: str) -> None:
    """One sentence that quotes the text and stays short."""
    with pytest.raises(InvalidNameError) as caught:
        canonical_name(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith("name ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1200


def test_a_wildcard_is_the_whole_leftmost_label() -> None:
    """Allowed only where it is asked for."""
    name = canonical_name("*.Example.com", wildcard=True)
    assert name == Name("dns", "*.example.com")
    assert name.is_wildcard


@pytest.mark.parametrize(("text", "message"), REFUSED_WILDCARDS)
def test_other_asterisks_are_refused(text: str, message: str) -> None:
    """Whole top-level domains, inner and partial asterisks."""
    with pytest.raises(InvalidNameError, match=message):
        canonical_name(text, wildcard=True)


def test_names_are_kept_in_order_and_once() -> None:
    """The first one is the common name, so the order counts."""
    assert [str(name) for name in canonical_names(["B.example", "a.example.", "b.EXAMPLE"])] == ["b.example", "a.example"]


@given(text=st.text(max_size=80))
def test_whatever_comes_in_is_refused_or_canonical(text: str) -> None:
    """What comes out is ASCII that is safe in a file, a shell and a template, and its own canonical form."""
    try:
        name = canonical_name(text, wildcard=True)
    except InvalidNameError:
        return
    assert set(name.text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.:*")
    assert len(name.text) <= 253
    assert canonical_name(name.text, wildcard=True) == name


@given(address=st.ip_addresses())
def test_every_address_survives(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Long and short form are one name."""
    if getattr(address, "ipv4_mapped", None) is None:
        assert canonical_name(address.exploded) == canonical_name(address.compressed) == Name("ip", address.compressed)


@given(label=st.from_regex(r"[a-z][a-z0-9]{0,20}", fullmatch=True), upper=st.booleans())
def test_case_and_trailing_dot_do_not_matter(label: str, upper: bool) -> None:
    """One host, one name."""
    text = f"{label}.example"
    assert canonical_name((text.upper() if upper else text) + ".") == canonical_name(text)
