# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fuse: a run that would renew far more than expected stops before the first key is made."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass

DEFAULT_COUNT = 10
DEFAULT_PERCENT = 20.0


class FuseError(ValueError):
    """A limit that cannot be read."""


@dataclass(frozen=True, slots=True)
class Fuse:
    """Whether a run may go on, and the one sentence that says why."""

    allowed: bool
    declared: int
    due: int
    text: str


def _limit(max_due: t.Any, declared: int) -> tuple[float, str]:
    if max_due is None or max_due == "":
        percent = declared * DEFAULT_PERCENT / 100
        return max(float(DEFAULT_COUNT), percent), f"{DEFAULT_COUNT} and {DEFAULT_PERCENT:g} % of the declared"
    text = str(max_due).strip()
    try:
        number = float(text.removesuffix("%"))
    except ValueError as exc:
        raise FuseError(f"max_due must be a number such as 50 or a percentage such as '20%', got {max_due!r}") from exc
    if not 0 <= number < math.inf:
        raise FuseError(f"max_due must be a number that is not negative, got {max_due!r}")
    return (declared * number / 100 if text.endswith("%") else number), text


def limit_words(max_due: t.Any = None) -> str:
    """The limit as documents name it: a number of certificates, or a share of the declared. Raises FuseError."""
    words = _limit(max_due, 0)[1]
    return f"{words} of the declared" if words.endswith("%") else words


def check_fuse(declared: int, due: int, *, max_due: t.Any = None, force: bool = False) -> Fuse:
    """Counts of one run, C(max_due) as a number or a percentage of the declared. Default: more than 10 and more than 20 %."""
    limit, words = _limit(max_due, declared)
    if due <= limit:
        return Fuse(True, declared, due, f"{due} of {declared} declared certificates are due")
    told = f"{due} of {declared} declared certificates are due, more than max_due ({words})"
    if force:
        return Fuse(True, declared, due, f"{told}; forced")
    return Fuse(False, declared, due, f"{told}: nothing is renewed; raise max_due or set force when this is meant")
