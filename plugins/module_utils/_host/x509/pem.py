# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PEM blocks (RFC 7468, RFC 1421) out of any bytes, whatever stands around, between or inside of their lines.

Lines may end with LF or CRLF, be indented, quoted, or written as one line with a backslash and an n, as in JSON and in program sources.
"""

import binascii
import typing as t

BEGIN = b"-----BEGIN "
_END = b"-----END "
_DASHES = b"-----"
_LONGEST_LABEL = 64
_LONGEST_BLOCK = 1 << 20
_AROUND = b" \t\r\n\"'\\,"  # indentation, quotes and joints of program sources


class Block(t.NamedTuple):
    """One PEM block: its label, and its content or why there is none. The content may be a private key: it is never to be shown."""

    label: str
    content: t.Optional[bytes]
    encrypted: bool  # by a Proc-Type header (RFC 1421 section 4.6.1.1)
    problem: t.Optional[str]


def blocks(pieces: t.Iterable[bytes]) -> t.Iterator[Block]:
    """Yield the blocks of a file that comes in pieces, in order, holding no more than a piece and a block at a time.

    Text that only talks of PEM (a BEGIN line that no base64 follows) is not a block.
    """
    rest = b""
    for piece in pieces:
        data = rest + piece
        used = yield from _complete(data)
        rest = data[used:]
        if len(rest) > _LONGEST_BLOCK:
            yield from _cut_off(rest)
            rest = rest[1 - len(BEGIN) :]
    if rest.startswith(BEGIN):
        yield from _cut_off(rest)


def first(data: bytes) -> t.Optional[Block]:
    """Return the first block of `data`, None when it has none."""
    return next(blocks((data,)), None)


def encode(label: str, content: bytes) -> bytes:
    """Return `content` as a PEM block with LF and lines of 64 characters."""
    text = binascii.b2a_base64(content, newline=False)
    lines = b"".join(text[at : at + 64] + b"\n" for at in range(0, len(text), 64))
    return b"-----BEGIN %s-----\n%s-----END %s-----\n" % (label.encode(), lines, label.encode())


def _complete(data: bytes) -> t.Generator[Block, None, int]:
    """Yield the blocks that end in `data` and those that never will; return the offset from which on more data may matter."""
    end = -1
    begin = data.find(BEGIN)
    while begin >= 0:
        after = begin + len(BEGIN)
        following = data.find(BEGIN, after)
        if end < after:
            end = data.find(_END, after)
            if end < 0:
                end = len(data)
        if following >= 0 and following < end:
            yield from _cut_off(data[begin : min(following, begin + _LONGEST_BLOCK)])
        elif end + len(_END) + _LONGEST_LABEL + len(_DASHES) > len(data) and data.find(_DASHES, end + len(_END)) < 0:
            return begin
        else:
            yield from _block(data, begin, end)
        begin = following
    return max(0, len(data) - len(BEGIN) + 1)


def _label(data: bytes, begin: int) -> t.Tuple[str, int]:
    """Return the label of the BEGIN line at `begin` and where its body starts; the label is empty when it is none."""
    start = begin + len(BEGIN)
    stop = data.find(_DASHES, start, start + _LONGEST_LABEL + len(_DASHES))
    label = data[start : max(start, stop)]
    if not label or not label.replace(b" ", b"").isalnum() or not label.isupper():
        return "", start
    return label.decode("ascii", "replace"), stop + len(_DASHES)


def _block(data: bytes, begin: int, end: int) -> t.Iterator[Block]:
    label, start = _label(data, begin)
    if not label or not _is_block(data, start):
        return
    if not data.startswith(label.encode() + _DASHES, end + len(_END)):
        yield Block(label, None, False, "its END line names something else")
    elif end - start > _LONGEST_BLOCK:
        yield Block(label, None, False, f"it is longer than {_LONGEST_BLOCK!r} bytes")
    else:
        yield _decoded(label, data[start:end])


def _cut_off(data: bytes) -> t.Iterator[Block]:
    label, start = _label(data, 0)
    if label and _is_block(data, start):
        yield Block(label, None, False, "it has no END line")


def _is_block(data: bytes, start: int) -> bool:
    """Tell a block from a mention: base64 of a SEQUENCE (always an M), that of an OpenSSH key, or an RFC 1421 header follows."""
    body = data[start : start + 80].replace(b"\\r", b"").replace(b"\\n", b"").lstrip(_AROUND)
    return body[:1] == b"M" or body.startswith((b"b3BlbnNzaC1rZXkt", b"Proc-Type:"))


def _decoded(label: str, body: bytes) -> Block:
    if b"\\" in body:
        body = body.replace(b"\\r", b"").replace(b"\\n", b"\n")
    encrypted = False
    if b":" in body:
        encrypted = b"4,ENCRYPTED" in body
        body = b"\n".join(line for line in body.splitlines() if b":" not in line)
    text = body.translate(None, _AROUND)
    try:
        content = binascii.a2b_base64(text)
    except binascii.Error:
        content = b""
    # a2b_base64 passes over whatever is not base64, which is then missing from the length.
    if not content or (len(content) + 2) // 3 * 4 != len(text):
        return Block(label, None, encrypted, "it is not base64")
    return Block(label, content, encrypted, None)
