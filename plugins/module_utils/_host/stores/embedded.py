# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Base64 in text, as in Kubernetes' manifests, kubeconfigs, metadata of SAML, JSON Web Keys and inline files of OpenVPN.

Looked for is what begins like base64 of DER of at least 256 bytes with the shape of a certificate, a key or a store, of PEM, or of a Java keystore. It may be
wrapped into lines, indented, and escaped as in JSON and XML. What base64 in base64 holds is not looked for.
"""

import binascii
import re
import typing as t

# reading.py has the same markers and their meaning.
_START = rb"(?:MII[A-Za-z0-9+/]{2}(?:[DTjz]C[BC]|[AQgw](?:IBA|YJK))|LS0tLS1CRUdJTi|/u3\+7QAAAA|zs7OzgAAAA)"
_ESCAPE = rb"\\[nrt/]|\\u002[BbFf]|&#(?:10|13|x[AaDd]);"
_BEGINS = re.compile(_START)
_TEXT = re.compile(_START + rb"(?:[A-Za-z0-9+/\s]+|" + _ESCAPE + rb")*")
_DER = b"MII"
_AROUND = b" \t\r\n\"'\\,"
_DASHES = b"-----"
_NEAR = 40


def contents(data: bytes) -> t.Iterator[bytes]:
    """Yield what the base64 in a text stands for; the bodies of PEM blocks are not among it."""
    for match in _TEXT.finditer(data):
        if not _is_body(data, match.start()):
            yield from _decoded(_plain(match.group()))


def _is_body(data: bytes, begin: int) -> bool:
    """Whether the base64 at `begin` follows the BEGIN line of a PEM block."""
    before = data[max(0, begin - _NEAR) : begin].replace(b"\\n", b"").replace(b"\\r", b"")
    return before.rstrip(_AROUND).endswith(_DASHES)


def _plain(text: bytes) -> bytes:
    if b"\\" in text or b"&" in text:
        text = re.sub(rb"\\u002[Bb]", b"+", text)
        text = re.sub(rb"\\u002[Ff]|\\/", b"/", text)
        text = re.sub(_ESCAPE, b"", text)
    return text.translate(None, b" \t\r\n\v\f")


def _decoded(text: bytes) -> t.Iterator[bytes]:
    """Yield the DER elements that follow each other, or the one content of another kind."""
    at = 0
    while _BEGINS.match(text, at):
        stop = at + _size_of_der(text[at : at + 8]) if text.startswith(_DER, at) else len(text)
        yield _base64(text[at:stop])
        at = stop


def _size_of_der(start: bytes) -> int:
    """Return how many characters the DER element has that begins with these, without those that fill up."""
    return -(-(int.from_bytes(binascii.a2b_base64(start)[2:4], "big") + 4) * 4 // 3)


def _base64(text: bytes) -> bytes:
    text = text[: len(text) - (len(text) % 4 == 1)]  # no number of bytes has such a last character
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4))
