# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hosts told of services. It is kept as it was told, so it may be anything: whoever reads more than shows takes what has its form."""

from __future__ import annotations

import typing as t

Row = dict[str, t.Any]
_TEXT = (str, type(None))
_USE = {"certificate": _TEXT, "key": _TEXT, "chain": _TEXT, "store": _TEXT}
_LOOK = {"address": (str,), "port": (int,), "name": (str,), "sha256": _TEXT, "state": _TEXT, "not_after": (int, type(None))}


def uses(service: t.Mapping[str, t.Any]) -> list[Row]:
    """Files that are named together; C(listeners) are the numbers of those that they are served at."""
    rows = _of_form(service.get("uses"), _USE)
    return [{**row, "listeners": [number for number in _list(row.get("listeners")) if isinstance(number, int)]} for row in rows]


def looks(service: t.Mapping[str, t.Any]) -> list[Row]:
    """What its listeners were seen to serve."""
    return _of_form(service.get("served"), _LOOK)


def listeners_at(service: t.Mapping[str, t.Any], look: t.Mapping[str, t.Any]) -> set[int]:
    """The numbers of the listeners that a look was at."""
    at = (look["address"], look["port"])
    return {index for index, each in enumerate(_list(service.get("listeners"))) if isinstance(each, dict) and (each.get("address"), each.get("port")) == at}


def _of_form(told: t.Any, form: t.Mapping[str, tuple[type, ...]]) -> list[Row]:
    return [row for row in _list(told) if isinstance(row, dict) and all(isinstance(row.get(name), kinds) for name, kinds in form.items())]


def _list(told: t.Any) -> list[t.Any]:
    return told if isinstance(told, list) else []
