# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: expires_within
short_description: Certificates that end within so many days
version_added: 0.1.0
author:
  - The certops.fleet developers (@certops)
description:
  - Keeps what ends within a number of days, as of now, the first to end first. An expression of JMESPath knows no time.
  - Takes documents of M(certops.fleet.inventory_info) of every kind that has C(not_after), and results of M(community.crypto.x509_certificate_info).
positional: _input, days
options:
  _input:
    description: Dictionaries with C(not_after), as C(2026-11-23T09:43:04Z) or C(20261123094304Z). Without one they are left out.
    type: list
    elements: dict
    required: true
  days:
    description: The number of days.
    type: int
    required: true
  expired:
    description: Whether those that have ended already are kept, too.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Say what ends within two weeks
  ansible.builtin.debug:
    msg: "{{ query('certops.fleet.certificates', 'places') | certops.fleet.expires_within(14) | map(attribute='path') | list }}"

- name: See that a certificate of the last century has ended
  ansible.builtin.assert:
    that:
      - old | certops.fleet.expires_within(30) == []
      - old | certops.fleet.expires_within(30, expired=true) == old
  vars:
    old: [{common_name: old.example.com, not_after: '19991231235959Z'}]
"""

RETURN = r"""
_value:
  description: Those that end within that time.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import now
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.documents import expiring


def expires_within(documents: t.Any, days: t.Any, expired: bool = False) -> list[t.Any]:
    try:
        return expiring(documents, days, now=now(), expired=expired)
    except ValueError as exc:
        raise AnsibleFilterError(str(exc)) from None


class FilterModule:
    """Ansible's entry."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"expires_within": expires_within}
