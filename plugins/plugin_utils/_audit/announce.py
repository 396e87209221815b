# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event before a change: that it begins is in the audit log, or it does not begin."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import Inventory


@contextlib.contextmanager
def announced(inventory: Inventory, kind: str, /, *, subject: str, **detail: t.Any) -> t.Iterator[None]:
    """C(KIND_begins) before what is inside, and C(KIND_failed) with the reason where it fails. The event of its success is that of who does it."""
    inventory.append_event(f"{kind}_begins", subject=subject, detail=detail)
    try:
        yield
    except ValueError as exc:
        inventory.append_event(f"{kind}_failed", subject=subject, detail={"text": str(exc)})
        raise
