# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a certificate is renewed: the window before its end, and the clock by which that is judged."""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

CLOCK_TOLERANCE = timedelta(minutes=5)
CLOCK_ERROR = timedelta(hours=24)
BACKDATING = timedelta(hours=1)  # how far before it was issued a certificate may begin, for the clocks of others


class WindowError(ValueError):
    """A renewal window that cannot be read."""


@dataclass(frozen=True, slots=True)
class Window:
    """How long before its end a certificate is renewed: days, or a percentage of its lifetime. Exactly one of both is set."""

    days: float | None = None
    percent: float | None = None

    def of(self, lifetime: timedelta) -> timedelta:
        return timedelta(days=self.days) if self.days is not None else lifetime * ((self.percent or 0) / 100)


def parse_window(value: t.Any, path: str) -> Window:
    """C(30), C("30"), C("30d") are days, C("33%") is a percentage of the lifetime."""
    text = str(value).strip()
    number, unit = (text[:-1], text[-1]) if text[-1:] in ("%", "d") else (text, "d")
    try:
        amount = float(number)
    except ValueError as exc:
        raise WindowError(f"{path} must be a number of days such as 30 or a percentage such as '33%', got {value!r}") from exc
    if not 0 < amount < (100 if unit == "%" else 36500):
        raise WindowError(f"{path} must be more than 0 and less than {'100 %' if unit == '%' else '36500 days'}, got {value!r}")
    return Window(percent=amount) if unit == "%" else Window(days=amount)


def effective_window(window: Window, lifetime: timedelta) -> tuple[timedelta, bool]:
    """The window as it counts, and whether it was cut.

    A window that a certificate enters within a day of being issued would renew it for ever: it counts as a third of the
    lifetime. The day is the clock error that is borne everywhere.
    """
    asked = window.of(lifetime)
    if asked + 2 * CLOCK_ERROR < lifetime or asked <= lifetime / 3:
        return asked, False
    return lifetime / 3, True


def jitter(host: str, name: str, window: timedelta, lifetime: timedelta) -> timedelta:
    """A stable share of the window by which renewal is due earlier, so that a fleet installed in one night is not renewed in one night.

    At most a tenth of the window, and at most half of what lies before the window.
    """
    digest = hashlib.sha256(f"{host}\0{name}".encode("utf-8", "surrogateescape")).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return share * min(window / 10, (lifetime - window) / 2)


def judged_now(now: datetime, not_before: datetime, issued_at: datetime | None) -> datetime:
    """The time on the issuer's clock.

    A certificate of ours was issued at a time that we noted by our own clock: what its notBefore says more or less than that
    is the difference of the clocks (and the issuer's back-dating). It is borne up to a day, and the back-dating besides, so that
    a clock that is wrong on either side never makes a fresh certificate due.
    """
    if issued_at is None:
        return now
    skew = max(-CLOCK_ERROR, min(CLOCK_ERROR + BACKDATING, issued_at - not_before))
    return now - skew


def clock_problem(host: str, controller: datetime, host_now: datetime, database: datetime) -> str | None:
    """Why nothing may be issued for this host: two of the three clocks differ by more than five minutes."""
    clocks = (("controller", controller), (f"host {host!r}", host_now), ("inventory database", database))
    for position, (left_name, left) in enumerate(clocks):
        for right_name, right in clocks[position + 1 :]:
            if abs(left - right) > CLOCK_TOLERANCE:
                told = f"the clocks of {left_name} ({stamp(left)}) and {right_name} ({stamp(right)}) differ by more than 5 minutes"
                return f"{told}: nothing is issued until they agree"
    return None


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
