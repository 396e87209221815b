# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of users that begin with C(certops_): Ansible itself says nothing of one that is misspelled."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable

from ansible_collections.certops.fleet.plugins.plugin_utils._action.arguments import nearest

PREFIX = "certops_"
# Options whose default is the variable of the same meaning.
SHARED = {
    "inventory": "certops_inventory",
    "services": "certops_services",
    "issuers": "certops_issuers",
    "certificates": "certops_certificates",
    "store_passwords": "certops_store_passwords",
}
KNOWN = tuple(sorted((*SHARED.values(), "certops_environment", "certops_serial")))
# Set by the inventory plugin of the collection; what a user writes there is lost.
GIVEN = ("certops_certificates_found",)


class SerialError(ValueError):
    """C(certops_serial) is nothing that a play can be divided by."""


def unknown_variables(names: Iterable[str]) -> list[str]:
    """One sentence for each variable that begins as ours do and is none of them; the same for every host, so that Ansible prints it once."""
    return [_unknown(name) for name in sorted(name for name in names if name.startswith(PREFIX) and name not in (*KNOWN, *GIVEN))]


def _unknown(name: str) -> str:
    advice = nearest(name, KNOWN) or f"those of this collection are {', '.join(KNOWN)}"
    return f"the variable {name!r} is not known and does nothing: {advice}"


def check_serial(value: t.Any) -> None:
    """Raise SerialError for what would end the run with a traceback of Ansible's own when the batches are made."""
    for item in value if isinstance(value, list) and value else [value]:
        if isinstance(item, bool) or not re.fullmatch(r"[0-9]+%?", str(item)):
            raise SerialError(f"certops_serial must be a number of hosts such as 5, a percentage such as '10%', or a list of these, got {value!r}")
