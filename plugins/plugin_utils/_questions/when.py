# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The time that a question is about. Pure."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta, timezone

from ansible_collections.certops.fleet.plugins.plugin_utils._questions.groups import QuestionError

# As community.crypto writes a time relative to now.
_RELATIVE = re.compile(r"-(?=[0-9])(?:([0-9]{1,6})w)?(?:([0-9]{1,6})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TIME = re.compile(f"({_DATE.pattern}[T ][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}})(?:[.][0-9]+)?([zZ]|[+-][0-9]{{2}}:[0-9]{{2}})?", re.ASCII)
_END_OF_DAY = time(23, 59, 59, tzinfo=timezone.utc)


def as_of_time(text: str | None, *, now: datetime) -> datetime | None:
    """The time, in whole seconds; None for now. A date is the end of that day. Raises QuestionError."""
    if text is None:
        return None
    now = now.replace(microsecond=0)
    try:
        found = min(datetime.combine(datetime.fromisoformat(text), _END_OF_DAY), max(now, _midnight(text))) if _DATE.fullmatch(text) else _time(text, now)
    except (ValueError, OverflowError):
        accepted = "accepted are a date such as 2026-11-23, a time such as 2026-11-23T09:43:04Z, or -30d, and in the same way w, h, m and s"
        raise QuestionError(f"as_of is {text!r}: {accepted}") from None
    if found > now:
        raise QuestionError(f"as_of is {text!r}, which is still to come: accepted is a time that is over")
    return found


def _midnight(date: str) -> datetime:
    return datetime.fromisoformat(date).replace(tzinfo=timezone.utc)


def _time(text: str, now: datetime) -> datetime:
    """Without a zone it is UTC, as the times in answers are."""
    relative = _RELATIVE.fullmatch(text)
    if relative:
        weeks, days, hours, minutes, seconds = (int(part or 0) for part in relative.groups())
        return now - timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    written = _TIME.fullmatch(text)
    if written is None:
        raise ValueError
    zone = written[2] if written[2] not in (None, "Z", "z") else "+00:00"  # Python 3.10 knows no Z
    return datetime.fromisoformat(written[1] + zone).astimezone(timezone.utc)
