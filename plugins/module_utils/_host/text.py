# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths of a host as text: the same text under every locale, and no byte lost."""

import binascii
import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_ESCAPE = re.compile(rb"\\x([0-9a-f]{2})")


def path_text(path: bytes) -> str:
    r"""Return a path as UTF-8 text in which control characters, backslashes and whatever is not UTF-8 are written `\xNN`, byte by byte."""
    text = path.replace(b"\\", b"\\x5c").decode("utf-8", "backslashreplace")
    return _CONTROL.sub(_escaped, text)


def path_bytes(text: str) -> bytes:
    r"""Return the path that `text` stands for, the exact inverse of `path_text`; a backslash that begins no `\xNN` stands for itself."""
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise HostError(f"path {text!a} must be text that UTF-8 can write, bytes that are not UTF-8 as \\xNN") from None
    return _ESCAPE.sub(lambda match: bytes([int(match.group(1), 16)]), data)


def base64_text(data: bytes) -> str:
    """Return bytes as JSON carries them."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _escaped(match: "t.Match[str]") -> str:
    return "".join(f"\\x{byte:02x}" for byte in match.group().encode("utf-8"))
