# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host sent is one harmless line of bounded length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.certops.fleet.plugins.plugin_utils._display.text import count, fitted, padded, printable, width


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        ("größer 証明書", "größer 証明書"),
        ("two\r\nlines\tand\v more\u2028", "two lines and more"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("safe\u202egnp.exe", "safe\\u202egnp.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("half \udcff", "half \\udcff"),
        ("tag \U000e0041", "tag \\U000e0041"),
        (None, "None"),
        (7, "7"),
    ],
)
def test_a_value_is_one_harmless_line(value: object, shown: str) -> None:
    """Escapes of terminals, controls, directions and half characters are told, not obeyed."""
    assert printable(value) == shown


@given(st.text(st.characters(), max_size=400), st.integers(10, 300))
def test_nothing_but_printable_characters_is_left(text: str, limit: int) -> None:
    """Whatever a host sends, in bounded length and without a line's end."""
    shown = printable(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit


def test_a_long_message_ends_in_dots() -> None:
    """A megabyte of a message is cut, and it is seen."""
    assert printable("x" * (1 << 20), 20) == "x" * 17 + "..."


@pytest.mark.parametrize(("text", "columns"), [("web", 3), ("証明書", 6), ("e\u0301", 1), ("\uff57", 2)])
def test_width_is_that_of_a_terminal(text: str, columns: int) -> None:
    """Wide characters take two columns, combining ones none."""
    assert width(text) == columns


@given(st.text(st.characters(categories=["L", "N", "Zs"], include_characters="証明"), max_size=60), st.integers(0, 50))
def test_a_fitted_text_fits(text: str, columns: int) -> None:
    """At any number of columns; a text that fits is left alone."""
    shown = fitted(text, columns)
    assert width(shown) <= columns
    assert shown == text or width(text) > columns


def test_a_padded_text_fills_its_columns() -> None:
    """By the columns that it takes, not by its characters."""
    assert padded("証", 4) == "証  "


@pytest.mark.parametrize(("number", "shown"), [(0, "0 hosts"), (1, "1 host"), (1200, "1,200 hosts")])
def test_a_count_has_its_noun(number: int, shown: str) -> None:
    """In the right number."""
    assert count(number, "host") == shown
