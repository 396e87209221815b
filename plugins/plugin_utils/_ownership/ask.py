# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The question of a blast radius, and the file of its picture."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._files.text import replace_text
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.radius import SUBJECTS
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import OwnershipError


def asked(args: t.Mapping[str, t.Any]) -> tuple[str, str]:
    """The one subject and its name. Raises OwnershipError."""
    given = [name for name in SUBJECTS if args[name]]
    if len(given) != 1:
        raise OwnershipError(f"one of {', '.join(SUBJECTS)} must be given, got {' and '.join(given) or 'none of them'}")
    if args["limit"] < 1:
        raise OwnershipError(f"limit must be 1 or more, got {args['limit']}")
    return given[0], str(args[given[0]])


def put_picture(path: str, content: str, *, write: bool) -> bool:
    """Whether the file was, or would be, another one. Raises OwnershipError."""
    try:
        if os.path.exists(path):
            with open(path, "rb") as file:
                if file.read(len(content) * 4 + 1) == content.encode():
                    return False
        if write:
            replace_text(path, content)
    except OSError as exc:
        raise OwnershipError(f"picture {path!r} cannot be written: {exc.strerror}") from None
    return True
