# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: renewal_fuse
short_description: Whether a run may renew as many certificates as are due
version_added: 0.1.0
author:
  - The certops.fleet developers
description:
  - Counts what M(certops.fleet.certificate) said of each host with O(certops.fleet.certificate#module:step=look), and compares it with a limit.
  - A wrong profile, a clock or a lost state would otherwise renew a whole fleet at once.
positional: _input
options:
  _input:
    description: The results of M(certops.fleet.certificate), one a host.
    type: list
    elements: dict
    required: true
  max_due:
    description:
      - How many certificates may be renewed, as a number or as a percentage of the declared ones.
      - When not given, more than 10 and more than 20 percent are too many.
    type: str
  force:
    description: Whether the run may go on although more are due.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Stop a run that would renew far more than expected
  ansible.builtin.assert:
    that: (looks | certops.fleet.renewal_fuse(max_due='25%')).allowed
  vars:
    looks: "{{ ansible_play_hosts_all | map('extract', hostvars, 'certificate_look') | select('defined') }}"
"""

RETURN = r"""
_value:
  description: Whether the run may go on, and why.
  type: dict
  contains:
    allowed:
      description: Whether the run may go on; not with a O(max_due) or O(force) that cannot be read.
      type: bool
    declared:
      description: How many certificates are declared on the hosts.
      type: int
    due:
      description: How many of them are due.
      type: int
    text:
      description: One sentence with the counts and the limit.
      type: str
"""

import typing as t
from dataclasses import asdict

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.certops.fleet.plugins.plugin_utils._certificate.fuse import Fuse, FuseError, check_fuse


def renewal_fuse(looks: t.Iterable[t.Mapping[str, t.Any]], max_due: t.Any = None, force: t.Any = False) -> dict[str, t.Any]:
    counted = [look for look in looks if "due" in look and "declared" in look]
    declared, due = sum(len(look["declared"]) for look in counted), sum(len(look["due"]) for look in counted)
    try:
        return asdict(check_fuse(declared, due, max_due=max_due, force=_boolean(force)))
    except FuseError as exc:
        # As a result: an error within a template is told three times over, with the file that the template lies in.
        return asdict(Fuse(allowed=False, declared=declared, due=due, text=str(exc)))


def _boolean(force: t.Any) -> bool:
    """What is given by C(-e) is a text: C(false) must not count as true."""
    try:
        return bool(boolean(force))
    except TypeError as exc:
        raise FuseError(f"force must be true or false, got {force!r}") from exc


class FilterModule:
    """Ansible's entry."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"renewal_fuse": renewal_fuse}
