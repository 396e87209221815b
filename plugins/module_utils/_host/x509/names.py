# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names that a certificate holds for (RFC 5280 section 4.2.1.6)."""

import ipaddress
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der

_ALTERNATIVE_NAME = b"\x55\x1d\x11"
_EXTENSIONS, _DNS, _ADDRESS = 0xA3, 0x82, 0x87


def names_of(certificate: bytes) -> t.FrozenSet[str]:
    """Return the DNS names in lower case and the addresses of the subjectAltName; raise DerError when they cannot be read."""
    body = der.children(der.members(certificate, der.SEQUENCE)[0].content)
    for part in body:
        if part.tag == _EXTENSIONS:
            for extension in der.members(part.content):
                fields = der.members(extension.raw, der.OBJECT_IDENTIFIER)
                if fields[0].content == _ALTERNATIVE_NAME:
                    return frozenset(filter(None, map(_text, der.members(fields[-1].content))))
    return frozenset()


def missing(wanted: t.Iterable[str], certificate: bytes) -> t.List[str]:
    """Return which of the wanted names the certificate does not hold for."""
    held = names_of(certificate)
    return [name for name in wanted if name.lower() not in held and _wildcard(name) not in held]


def _wildcard(name: str) -> str:
    """Return the wildcard that covers a name: it stands for one label, the leftmost (RFC 6125 section 6.4.3)."""
    return "*." + name.lower().partition(".")[2]


def _text(name: der.Element) -> t.Optional[str]:
    if name.tag == _DNS:
        return name.content.decode("ascii", "backslashreplace").lower()
    if name.tag == _ADDRESS and len(name.content) in (4, 16):
        return str(ipaddress.ip_address(name.content))
    return None
