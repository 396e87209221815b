# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host sends as its answer is checked before it is believed."""

from __future__ import annotations

import base64
import binascii
import json
import typing as t
import zlib

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._host import exchange

GOOD = {"ok": True, "result": {"a": "ä\N{LOCK}\\ud8"}, "host": {"uid": 0}}
NONCE = "ab" * 16


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


def framed(text: str, *, code: int = 0, error: str = "") -> dict[str, t.Any] | None:
    return exchange._framed({"rc": code, "stdout": text, "stderr": error}, NONCE, "/usr/bin/python3")


def test_good_answer() -> None:
    """An answer comes back as it was sent, backslashes and characters beyond the first plane included."""
    text = packed(json.dumps(GOOD, ensure_ascii=False).encode())
    assert framed(f"\nCERTOPS-START {NONCE}\nCERTOPS-END {NONCE} {text}\n") == GOOD


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff", "'utf-8' codec can't decode"),
        (b"{", "Expecting property name"),
        (b"[]", "it must have ok, host, error, kind"),
        (b"{}", "it must have ok, host, error, kind"),
        (b'{"ok":1,"result":{},"host":{}}', "it must have ok, host, error, kind"),
        (b'{"ok":true,"result":[],"host":{}}', "it must have ok, host, result"),
        (b'{"ok":true,"result":{}}', "it must have ok, host, result"),
        (b'{"ok":false,"error":null,"kind":"internal","host":{}}', "it must have ok, host, error, kind"),
        (b'{"ok":true,"result":{"a":NaN},"host":{}}', "NaN is not a number of JSON"),
        (b'{"ok":true,"result":{"a":-Infinity},"host":{}}', "-Infinity is not a number of JSON"),
        (b'{"ok":true,"result":{"a":"\\ud800"},"host":{}}', "it holds half a character"),
        (b'{"ok":true,"result":{"a":"\\\\\\uDFFF"},"host":{}}', None),
        (b"[" * 200_000, "recursion"),
        (b'{"a":' * 200_000, "recursion"),
        (b"1" * 100_000, ""),
    ],
)
def test_hostile_answers(data: bytes, reason: str | None) -> None:
    """What is no answer is refused with the reason and as an error of its own kind."""
    with pytest.raises(exchange.ExchangeError, match=f"the host's answer cannot be read: .*{reason or ''}") as caught:
        exchange._unpacked(packed(data), binascii.a2b_base64)
    assert caught.value.kind == "answer"


def test_too_big(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small answer that unpacks to more than the limit is given up at the limit, a big one is not unpacked."""
    bomb = packed(b" " * 5_000_000)
    monkeypatch.setattr(exchange, "UNPACKED_LIMIT", 1_000_000)
    with pytest.raises(exchange.ExchangeError, match="it is cut off, or unpacks to more than the 1000000 bytes"):
        exchange._unpacked(bomb, binascii.a2b_base64)
    monkeypatch.setattr(exchange, "PACKED_LIMIT", 100)
    with pytest.raises(exchange.ExchangeError, match=r"it has \d+ bytes, at most 100 are accepted"):
        exchange._unpacked(bomb, binascii.a2b_base64)


@pytest.mark.parametrize("text", ["", "AAAA", "A", "eJw", packed(b"{}")[:-6]])
def test_damaged(text: str) -> None:
    """What is no packed text, or a part of one, is refused."""
    with pytest.raises(exchange.ExchangeError, match="the host's answer cannot be read"):
        exchange._unpacked(text, binascii.a2b_base64)


def test_wrong_nonce() -> None:
    """An answer to somebody else's question is no answer."""
    text = packed(json.dumps(GOOD).encode())
    with pytest.raises(exchange.ExchangeError) as caught:
        framed(f"CERTOPS-START {NONCE}\nCERTOPS-END {'cd' * 16} {text}\n")
    assert caught.value.kind == "died"
    with pytest.raises(exchange.ExchangeError, match="nothing came back from the host program: CERTOPS-END"):
        framed(f"CERTOPS-END {NONCE} {text}\n")


def test_last_line_is_printable() -> None:
    """What stood before the interpreter is quoted without control characters and no longer than a paragraph."""
    with pytest.raises(exchange.ExchangeError, match=r"the host program did not start \(code 1\): \[31mred \[0m x+$") as caught:
        framed("", code=1, error="first\n\x1b[31mred\x1b[0m\u202e\u2028" + "x" * 5000 + "\n \n")
    assert len(str(caught.value)) < 1100


def test_unknown_verb() -> None:
    """A verb without a bundle is refused with those that there are."""
    with pytest.raises(exchange.ExchangeError, match="verb 'dance' must be one of") as caught:
        exchange.exchange(None, {}, "dance", {}, actor="tester")
    assert caught.value.kind in exchange.ERROR_KINDS
