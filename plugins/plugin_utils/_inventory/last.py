# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the inventories of the runs so far were files: then the next run does not load what a server needs, which takes as long as a host.

It must be loaded before the workers fork, when no variable is known yet. Where this is not known, or is wrong, it costs time and nothing else.
"""

from __future__ import annotations

from importlib.util import cache_from_source

from ansible_collections.certops.fleet.plugins.plugin_utils._files.kept import leave

FILE, SERVER = "file", "server"
_PLACE = cache_from_source(__file__, optimization="inventory")


def only_files() -> bool:
    """Every inventory that was opened here was a file, and one was."""
    return _told() == FILE


def remember(kind: str) -> None:
    """Note that an inventory is a file or on a server; after a server nothing is noted any more."""
    if _told() not in (kind, SERVER):
        leave(_PLACE, kind)


def _told() -> str:
    try:
        with open(_PLACE, encoding="ascii") as file:
            return file.read()
    except (OSError, ValueError):
        return ""
