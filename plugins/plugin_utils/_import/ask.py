# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants to be imported, and what is said of it."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._import.read import Export, read_export
from ansible_collections.certops.fleet.plugins.plugin_utils._import.rows import read_yaml
from ansible_collections.certops.fleet.plugins.plugin_utils._import.values import ImportedError, Mapping
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.imported import Listed
from ansible_collections.certops.fleet.plugins.plugin_utils._ownership.values import shown

SHOWN = 50
ORIGIN_LIMIT = 100
MAPPING_BYTES = 1 << 20
_OF_FILES = ("path", "mapping", "mapping_path")
_KINDS = ("added", "updated", "removed")


def wanted(args: t.Mapping[str, t.Any]) -> Export:
    """What the task's file lists; nothing with C(state=absent). Raises ImportedError and RowsError."""
    origin = args["origin"]
    if not 0 < len(origin) <= ORIGIN_LIMIT or not origin.isprintable():
        raise ImportedError(f"origin must be one line of at most {ORIGIN_LIMIT} characters, got {shown(origin)}")
    given = [name for name in _OF_FILES if args[name] is not None]
    if args["state"] == "absent":
        if given:
            raise ImportedError(f"{' and '.join(given)} do nothing with state=absent: it takes back all that origin {origin!r} lists")
        return Export((), 0)
    if args["path"] is None or len(given) != 2:
        raise ImportedError(f"path and one of mapping, mapping_path must be given, got {' and '.join(given) or 'none of them'}")
    told = args["mapping"] if args["mapping"] is not None else read_yaml(args["mapping_path"], limit=MAPPING_BYTES)
    return read_export(args["path"], Mapping.from_told(told), strict=args["strict"])


def result(export: Export, listed: Listed, *, diff: bool) -> dict[str, t.Any]:
    """What a play gets: the first of each kind, and how many there are."""
    parts = {name: list(getattr(listed, name)) for name in _KINDS}
    figures = {**{name: len(part) for name, part in parts.items()}, "kept": listed.kept, "rows": export.rows, "refused": len(export.problems)}
    told = {"changed": listed.changed, **{name: part[:SHOWN] for name, part in parts.items()}, "problems": list(export.problems[:SHOWN]), "figures": figures}
    if diff:
        before, after = (_lines({name: parts[name] for name in names}) for names in (("removed",), ("added", "updated")))
        told["diff"] = [{"before_header": "imported", "after_header": "imported", "before": before, "after": after}]
    return told


def _lines(parts: t.Mapping[str, list[dict[str, t.Any]]]) -> str:
    """One line for each, as JSON, so that nothing in it ends a line or is taken for something else."""
    lines = []
    for name, part in parts.items():
        lines += [f"{name} {json.dumps(row, sort_keys=True)}" for row in part[:SHOWN]]
        lines += [f"… {len(part) - SHOWN} more"] if len(part) > SHOWN else []
    return "".join(f"{line}\n" for line in lines)
