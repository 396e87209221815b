# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Untrusted text becomes text that every database, terminal and JSON parser takes."""

from __future__ import annotations

import json
import sqlite3
import typing as t

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import LIST_LIMIT, TEXT_LIMIT, canonical_json, clean_text, clean_value, digest_of

TEXTS = st.text("aé€\x00\x1b\ud800\udfff\U0001f512") | st.text()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=TEXTS, limit=st.integers(1, 8))
def test_clean_text_can_be_stored(text: str, limit: int) -> None:
    """SQLite gives it back unchanged, it encodes, and cleaning it again changes nothing."""
    clean = clean_text(text)
    clean.encode("utf-8")
    assert "\x00" not in clean
    assert sqlite3.connect(":memory:").execute("SELECT ?", (clean,)).fetchone() == (clean,)
    assert clean_text(clean) == clean
    assert (clean_text(text, limit=limit) == clean) == (len(text) <= limit)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("", ""),
        ("CN=wäb\n", "CN=wäb\n"),
        ("a\x00b", "a\\u0000b"),
        ("\ud83d", "\\ud83d"),
        ("x" * TEXT_LIMIT, "x" * TEXT_LIMIT),
    ],
)
def test_clean_text(text: str, clean: str) -> None:
    """Only what cannot be stored is written out."""
    assert clean_text(text) == clean


def test_long_texts_stay_different() -> None:
    """The marker tells the length and a digest, so that two long paths do not become one."""
    one, two = ("/" + "x" * TEXT_LIMIT + end for end in "ab")
    assert clean_text(one) != clean_text(two)
    assert clean_text(one).startswith("/xxx")
    assert f"… [{len(one)} characters, SHA-256 " in clean_text(one)


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        (None, None),
        (True, True),
        (2**63 - 1, 2**63 - 1),
        (2**64, "10000000000000000"),
        (float("nan"), None),
        (1.5, 1.5),
        ({"\x00": ["\ud800"]}, {"\\u0000": ["\\ud800"]}),
        ([1] * (LIST_LIMIT + 2), [1] * LIST_LIMIT + [f"… [{LIST_LIMIT + 2} entries]"]),
    ],
)
def test_clean_value(value: t.Any, clean: t.Any) -> None:
    """JSON values, bounded."""
    assert clean_value(value) == clean


def test_nesting_is_bounded() -> None:
    """A thousand lists in each other end with a marker."""
    value: t.Any = "deep"
    for _level in range(900):
        value = [value]
    assert "nested too deeply" in json.dumps(clean_value(value))


def test_canonical_json() -> None:
    """One text for one value, and its SHA-256 as sha256sum has it."""
    assert canonical_json({"b": [1, None], "a": "é"}) == '{"a":"\\u00e9","b":[1,null]}'
    assert digest_of({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
