# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A result as a block that a person can read, for C(-v)."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

import yaml

from ansible_collections.certops.fleet.plugins.plugin_utils._display.text import count, visible

LEFT_OUT = ("invocation", "diff", "exception", "warnings", "deprecations", "changed")
LONGEST = 200
MOST_ITEMS = 10
INDENT = "    "


def _empty(value: object) -> bool:
    return value is None or value in ("", [], {})


def _plain(value: object) -> t.Any:
    """Without what is empty, with the first items of a long list, and in the exact types that YAML's safe form knows."""
    if isinstance(value, Mapping):
        return {str.__str__(str(name)): plain for name, item in value.items() if not _empty(plain := _plain(item))}
    if isinstance(value, (list, tuple)):
        more = [f"and {len(value) - MOST_ITEMS} more, see -vvv"] if len(value) > MOST_ITEMS else []
        return [_plain(item) for item in value[:MOST_ITEMS]] + more
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str.__str__(value if isinstance(value, str) else str(value))


def harmless(value: object) -> t.Any:
    """The same value with every line of its texts visible; for differences, which are shown as they are."""
    if isinstance(value, str):
        return "\n".join(visible(line) for line in value.split("\n"))
    if isinstance(value, Mapping):
        return {name: harmless(item) for name, item in value.items()}
    return [harmless(item) for item in value] if isinstance(value, (list, tuple)) else value


def block(result: Mapping[str, t.Any]) -> list[str]:
    """The lines of a result: YAML without what is empty, of Ansible's own, or shown elsewhere."""
    shown = _plain({name: value for name, value in result.items() if name not in LEFT_OUT and not str(name).startswith("_ansible_")})
    if not shown:
        return []
    lines = yaml.safe_dump(shown, allow_unicode=True, default_flow_style=None, sort_keys=False, width=160).rstrip("\n").split("\n")
    more = [f"and {count(len(lines) - LONGEST, 'more line')}, see -vvv"] if len(lines) > LONGEST else []
    return [INDENT + visible(line) for line in lines[:LONGEST] + more]
