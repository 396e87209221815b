# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one shape of what `install` answers, however it ended."""

import typing as t

Result = t.Dict[str, t.Any]


def result(
    outcome: str,
    transaction: str,
    text: str,
    *,
    layout: t.Optional[str] = None,
    validated: t.Optional[str] = None,
    verified: t.Optional[bool] = None,
    verified_reason: t.Optional[str] = None,
    services: t.Sequence[t.Dict[str, t.Any]] = (),
    changed: t.Sequence[str] = (),
) -> Result:
    """Return an answer: `outcome` is committed, unchanged, undone, or failed when something could not be brought back; `text` is one sentence."""
    return {
        "outcome": outcome,
        "transaction": transaction,
        "text": text,
        "layout": layout,
        "validated": validated,
        "verified": verified,
        "verified_reason": verified_reason,
        "services": list(services),
        "changed": list(changed),
    }


def service_line(name: str, line: str, reloaded: bool, served: t.Sequence[t.Dict[str, t.Any]] = ()) -> t.Dict[str, t.Any]:
    """Return what an answer says of one service."""
    return {"name": name, "line": line, "reloaded": reloaded, "served": list(served)}
