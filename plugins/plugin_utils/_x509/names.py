# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Canonical names of hosts: lower case, no trailing dot, A-labels, addresses in their one short form."""

from __future__ import annotations

import ipaddress
import re
import typing as t
import unicodedata
from dataclasses import dataclass

MAX_NAME = 253
MAX_LABEL = 63

# RFC 1123 section 2.1. The underscore is refused: neither a host name nor, by the CA/B Forum's rules, a name in a certificate has one.
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)", re.ASCII)
# RFC 5890 section 2.3.1: what has hyphens there and is no A-label is reserved.
_RESERVED = re.compile(r"..--")
# IDNA's other dots (RFC 3490 section 3.1); the codec would take them for one.
_OTHER_DOTS = re.compile("[\u3002\uff0e\uff61]")

# Control characters, surrogates, private use, unassigned.
_NO_LETTERS = frozenset(("Cc", "Cs", "Co", "Cn"))


class InvalidNameError(ValueError):
    """A text that cannot be a name in a certificate."""


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """One canonical name: of kind `dns` or `ip`."""

    kind: t.Literal["dns", "ip"]
    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def is_wildcard(self) -> bool:
        """Tell whether the leftmost label is `*`."""
        return self.text.startswith("*.")


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 2 * MAX_NAME else text[:MAX_NAME] + "…")


def _address(text: str) -> Name | None:
    """Return the address, also of an address in brackets; None when the text is none.

    An address with a zone (`fe80::1%eth0`) has a meaning on one host only, and an IPv4 address inside IPv6 is another name for the same thing.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    if getattr(address, "scope_id", None) is not None:
        raise InvalidNameError(f"name {_quoted(text)}: an address with a zone cannot be in a certificate")
    mapped = getattr(address, "ipv4_mapped", None)
    return Name("ip", (mapped or address).compressed)


def _a_label(label: str, text: str) -> str:
    """Return one label as ASCII. The standard library's IDNA 2003 decides; what it maps to other letters (ß, ligatures) is refused, not guessed."""
    if label.isascii():
        return label.lower()
    lowered = label.lower()
    try:
        ascii_label = lowered.encode("idna").decode("ascii")
        same = ascii_label.encode("ascii").decode("idna") == lowered
    except UnicodeError as exc:
        raise InvalidNameError(f"name {_quoted(text)}: the label {label!r} has no A-label ({exc})") from exc
    if not same:
        raise InvalidNameError(f"name {_quoted(text)}: the label {label!r} stands for other letters than it shows, write its A-label (xn--…)")
    return ascii_label


def _checked_label(label: str, text: str) -> str:
    label = _a_label(label, text)
    if len(label) > MAX_LABEL:
        raise InvalidNameError(f"name {_quoted(text)}: a label has at most {MAX_LABEL} characters, this one has {len(label)}")
    if not _LABEL.fullmatch(label):
        raise InvalidNameError(f"name {_quoted(text)}: the label {label!r} may have only letters, digits and inner hyphens")
    if _RESERVED.match(label) and not (label.startswith("xn--") and _is_a_label(label)):
        raise InvalidNameError(f"name {_quoted(text)}: the label {label!r} is not a valid A-label")
    return label


def _is_a_label(label: str) -> bool:
    """Tell whether an `xn--` label decodes to the label that encodes to it."""
    try:
        unicode_label = label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, OverflowError):
        return False
    if unicode_label.isascii() or any(unicodedata.category(letter) in _NO_LETTERS for letter in unicode_label):
        return False
    return label == "xn--" + unicode_label.encode("punycode").decode("ascii")


def canonical_name(text: str, *, wildcard: bool = False) -> Name:
    """Return the one form of a DNS name or address; `wildcard` allows `*` as the whole leftmost label.

    Raises InvalidNameError, one sentence that quotes the text.
    """
    if not isinstance(text, str) or not text.strip():
        raise InvalidNameError(f"name {text!r}: a name is a text that is not empty")
    if len(text) > 2 * MAX_NAME:
        raise InvalidNameError(f"name {_quoted(text)}: a name has at most {MAX_NAME} characters, this one has {len(text)}")
    found = _address(text)
    if found is not None:
        return found
    dotted = text[:-1] if text.endswith(".") else text
    labels = _OTHER_DOTS.sub(".", dotted).split(".")
    rest = labels[1:] if labels[0] == "*" else labels
    if len(rest) < len(labels) and not wildcard:
        raise InvalidNameError(f"name {_quoted(text)}: wildcards are not allowed here")
    if len(rest) < len(labels) and len(rest) < 2:
        raise InvalidNameError(f"name {_quoted(text)}: a wildcard needs at least two labels after the asterisk")
    return _checked_name(labels[: len(labels) - len(rest)] + [_checked_label(label, text) for label in rest], text)


def _checked_name(labels: list[str], text: str) -> Name:
    name = ".".join(labels)
    if len(name) > MAX_NAME:
        raise InvalidNameError(f"name {_quoted(text)}: a name has at most {MAX_NAME} characters, this one has {len(name)}")
    if labels[-1].isdigit():
        raise InvalidNameError(f"name {_quoted(text)}: it is neither an address nor a host name, whose last label is not a number")
    return Name("dns", name)


def canonical_names(texts: t.Iterable[str], *, wildcard: bool = False) -> tuple[Name, ...]:
    """Return the canonical names in the order given, each once."""
    return tuple(dict.fromkeys(canonical_name(text, wildcard=wildcard) for text in texts))
