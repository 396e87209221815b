# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of Ansible's inventory as endpoints: by their names and the addresses that Ansible connects to."""

from __future__ import annotations

import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._action.arguments import nearest
from ansible_collections.certops.fleet.plugins.plugin_utils._endpoint.targets import TargetError
from ansible_collections.certops.fleet.plugins.plugin_utils._host.variables import plain


def hosts_of(wanted: t.Sequence[str], variables: t.Mapping[str, t.Any]) -> list[tuple[str, str]]:
    """Name and address of each host of these groups; the name of a host is a group of its own."""
    if not wanted:
        return []
    groups, hostvars = variables.get("groups") or {}, variables.get("hostvars") or {}
    names: dict[str, None] = {}
    for group in wanted:
        names |= dict.fromkeys(_members(group, groups))
    return [(name, _address(name, hostvars)) for name in names]


def _members(group: str, groups: t.Mapping[str, t.Any]) -> list[str]:
    if group in groups:
        return [str(name) for name in plain(list(groups[group]), f"groups.{group}")]
    every = plain(list(groups.get("all", ())), "groups.all")
    if group in every:
        return [group]
    meant = nearest(group, [*map(str, groups), *map(str, every)])
    raise TargetError(f"groups: {group!r} is neither a group nor a host of the inventory{f', {meant}' if meant else ''}")


def _address(name: str, hostvars: t.Mapping[str, t.Any]) -> str:
    if name not in hostvars or "ansible_host" not in hostvars[name]:
        return name
    return str(plain(hostvars[name]["ansible_host"], f"hostvars.{name}.ansible_host"))
