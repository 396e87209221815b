# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making the services take what is on the disk, and seeing by handshakes that they did."""

import time
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.services import units
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import baseline, verify
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.baseline import Watched
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.declared import Declared

SLOW_RELOAD = 10.0  # seconds that a listener may take to show what was loaded
_AGAIN = 0.2  # seconds
_RELOADED = ("keeps_old_on_error", "dies_on_error", "restart")

Served = t.List[t.List[verify.Look]]  # the handshakes of each service, in the order of the baseline


def reloads(item: Watched) -> bool:
    """Is this service to be reloaded: does it run, and does it take new files by a reload?"""
    return bool(item["active"]) and item["service"]["reload"] in _RELOADED


def reload(item: Watched) -> t.Optional[str]:
    """Reload a service; return what went wrong."""
    outcome = units.reload(item["service"])
    return None if outcome.ok else outcome.text


def is_active(item: Watched) -> bool:
    """Does the service run now, as far as can be known?"""
    return units.is_active(item["service"]).ok is not False


def look_until(
    declared: Declared, items: t.Sequence[Watched], key_types: t.Sequence[str], enough: t.Callable[[t.List[verify.Look]], bool], *, in_a_row: int = 1
) -> Served:
    """Look at every listener until `enough` says so, a service has ended, or the time for a slow reload is over; return the last looks.

    With `in_a_row` it must say so that often, one look after the other: what was so before a reload is still so until the service has taken it.
    """
    end, good = time.monotonic() + SLOW_RELOAD, 0
    while True:
        served = [baseline.served(declared, item, key_types) for item in items]
        good = good + 1 if enough(flat(served)) else 0
        if good >= in_a_row or time.monotonic() >= end or ended(items):
            return served
        time.sleep(_AGAIN)


def ended(items: t.Sequence[Watched]) -> t.List[str]:
    """Return the services that ran before and do not run now."""
    return [item["service"]["name"] for item in items if item["active"] and not is_active(item)]


def start_ended(items: t.Sequence[Watched]) -> t.List[str]:
    """Start the services that ran before and do not run now; return what could not be done."""
    outcomes = [units.start(item["service"]) for item in items if item["active"] and not is_active(item)]
    return [outcome.text for outcome in outcomes if not outcome.ok]


def bring_back(declared: Declared, items: t.Sequence[Watched], touched: t.Sequence[str], key_types: t.Sequence[str]) -> t.List[str]:
    """Bring the services back to their baseline when the old files are in place again; return what could not be done."""
    running = [item for item in items if reloads(item) and is_active(item)]
    problems = start_ended(items)  # what is started reads the old files without a reload
    problems += [problem for problem in (_again(declared, item, touched, key_types) for item in running) if problem]
    before = flat([item["served"] for item in items])
    served = look_until(declared, items, key_types, lambda looks: not verify.same_as_before(before, looks), in_a_row=2 if touched else 1)
    problems += verify.same_as_before(before, flat(served))
    return problems + [f"service {name!r} ran before and does not run now" for name in ended(items)]


def flat(served: Served) -> t.List[verify.Look]:
    """Return the looks of all services in one list."""
    return [look for looks in served for look in looks]


def _again(declared: Declared, item: Watched, touched: t.Sequence[str], key_types: t.Sequence[str]) -> t.Optional[str]:
    """Reload a service that took the new files, or shows something else than before."""
    if item["service"]["name"] in touched or verify.same_as_before(item["served"], baseline.served(declared, item, key_types)):
        return reload(item)
    return None
