# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the next page of an answer begins, as a text that is handed to the user and comes back. It belongs to one question."""

from __future__ import annotations

import base64
import binascii
import json
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.pages import Place
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import digest_of
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.groups import QuestionError


def written_token(place: Place, question: t.Any) -> str:
    """The text for a place; C(question) is what all pages of it have in common."""
    source, key = place
    told = json.dumps([_mark(question), source, *key], separators=(",", ":"))
    return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")


def read_token(text: str | None, question: t.Any) -> Place | None:
    """The place. Raises QuestionError for what is no text of ours, or that of another question."""
    if text is None:
        return None
    try:
        told = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        told = None
    if not isinstance(told, list) or len(told) < 3 or told[0] != _mark(question) or not _is_place(told[1:]):
        raise QuestionError(f"after must be the 'next' of an earlier answer to the same question, got {text[:100]!r}")
    return told[1], tuple(told[2:])


def _mark(question: t.Any) -> str:
    return digest_of(question)[:16]


def _is_place(told: t.Sequence[t.Any]) -> bool:
    return isinstance(told[0], int) and all(isinstance(part, (str, int)) and not isinstance(part, bool) for part in told)
