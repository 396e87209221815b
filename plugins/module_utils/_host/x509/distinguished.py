# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Distinguished names as text (RFC 4514), for people to read: never parsed again."""

import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der

_LONGEST = 1000
_NAMES = {
    b"\x55\x04\x03": "CN",
    b"\x55\x04\x05": "serialNumber",
    b"\x55\x04\x06": "C",
    b"\x55\x04\x07": "L",
    b"\x55\x04\x08": "ST",
    b"\x55\x04\x09": "STREET",
    b"\x55\x04\x0a": "O",
    b"\x55\x04\x0b": "OU",
    b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19": "DC",
    b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01": "UID",
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01": "emailAddress",
}
_CODECS = {0x14: "latin-1", 0x1E: "utf-16-be", 0x1C: "utf-32-be"}  # T61String as everybody reads it, BMPString, UniversalString


def text(name: bytes) -> str:
    """Return a Name in DER as text such as 'CN=web,O=Example', last part first as RFC 4514 has it; raise DerError when it is none."""
    parts = []
    for relative in reversed(der.members(name)):
        attributes = (der.members(attribute.raw, der.OBJECT_IDENTIFIER) for attribute in der.children(relative.content))
        parts.append("+".join(f"{_NAMES.get(pair[0].content) or der.dotted(pair[0].content)}={_value(pair[1:])}" for pair in attributes))
    return ",".join(parts)[:_LONGEST]


def _value(values: t.Sequence[der.Element]) -> str:
    if not values:
        raise der.DerError("DER of an attribute of a name must hold a value")
    said = values[0].content.decode(_CODECS.get(values[0].tag, "utf-8"), "backslashreplace")
    return "".join(_sign(sign) for sign in said)


def _sign(sign: str) -> str:
    if sign in ',+"\\<>;':
        return "\\" + sign
    return sign if sign.isprintable() else "".join(f"\\{byte:02x}" for byte in sign.encode("utf-8", "surrogatepass"))
