# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An OCSP response that a server sent along with its certificate (RFC 6960): what it says, not whether that is true."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible_collections.certops.fleet.plugins.plugin_utils._x509.crypto import UnsupportedAlgorithm, ocsp
from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import TIME_FORMAT

_TIMES = ("this_update", "next_update", "produced_at", "revocation_time")


def staple_info(der: bytes, *, serial_number: int | None, now: datetime) -> dict[str, t.Any]:
    """Status and times of the response for the certificate with this serial; ``problem`` says what is wrong with it. Its signature is not checked."""
    told: dict[str, t.Any] = dict.fromkeys(("response_status", "certificate_status", *_TIMES, "problem"))
    try:
        response = ocsp.load_der_ocsp_response(der)
        told["response_status"] = response.response_status.name.lower()
        if told["response_status"] != "successful":
            return {**told, "problem": f"it has the status {told['response_status']!r}"}
        single = next((each for each in response.responses if each.serial_number == serial_number), None)
        if single is None:
            return {**told, "problem": "it is for another certificate"}
        told["certificate_status"] = single.certificate_status.name.lower()
        times = {name: _time(response if name == "produced_at" else single, name) for name in _TIMES}
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm) as exc:
        return {**told, "problem": f"it cannot be read: {' '.join(str(exc).split())[:200]}"}
    over = times["next_update"] is not None and times["next_update"] < now
    return {**told, **{name: time and time.strftime(TIME_FORMAT) for name, time in times.items()}, "problem": "its time is over" if over else None}


def _time(owner: t.Any, name: str) -> datetime | None:
    """The aware time under the name that this version of cryptography has for it."""
    if hasattr(owner, f"{name}_utc"):
        return t.cast("datetime | None", getattr(owner, f"{name}_utc"))
    time = getattr(owner, name)
    return None if time is None else time.replace(tzinfo=timezone.utc)
