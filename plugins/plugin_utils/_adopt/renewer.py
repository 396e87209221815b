# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who renews a file today, as far as its path says so."""

from __future__ import annotations

import collections.abc

from ansible_collections.certops.fleet.plugins.module_utils._host.renewers.tracked import certbot_lineage
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_bytes


def renewer_of(paths: collections.abc.Set[str]) -> str | None:
    """C(certbot: name), None where nobody is known."""
    lineage = certbot_lineage({path_bytes(path) for path in paths})
    return None if lineage is None else f"certbot: {lineage}"
