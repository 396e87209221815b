# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: by_owner
short_description: Certificates by who answers for them
version_added: 0.1.0
author:
  - The certops.fleet developers (@certops)
description:
  - Makes one entry of each owner, with the contacts and what is theirs, for a loop that writes to each of them.
  - A certificate whose places belong to several owners is with each of these.
positional: _input
options:
  _input:
    description: Certificates, places, endpoints, services or hosts of M(certops.fleet.inventory_info).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Say whom to write to about what ends within a month
  ansible.builtin.debug:
    msg: "{{ item.contacts | join(', ') }} should look at {{ item.documents | length }} certificates of {{ item.owner | default('nobody', true) }}"
  loop: "{{ query('certops.fleet.certificates') | certops.fleet.expires_within(30) | certops.fleet.by_owner }}"
  loop_control:
    label: "{{ item.owner | default('nobody', true) }}"

- name: See that what nobody owns comes last
  ansible.builtin.assert:
    that: certificates | certops.fleet.by_owner | map(attribute='owner') | list == ['Team Web', none]
  vars:
    certificates:
      - {sha256: '01', owners: [], owner: null}
      - {sha256: '02', owners: [Team Web], owner: Team Web, ownership: {owner: Team Web, contacts: [web@example.com]}}
"""

RETURN = r"""
_value:
  description: Each owner, in the order of names; what nobody owns comes last, with a null C(owner).
  type: list
  elements: dict
  contains:
    owner:
      description: The owner.
      type: str
    contacts:
      description: The contacts of documents that are this owner's.
      type: list
      elements: str
    documents:
      description: What is theirs.
      type: list
      elements: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.certops.fleet.plugins.plugin_utils._questions import documents


def by_owner(answer: t.Any) -> list[dict[str, t.Any]]:
    try:
        return documents.by_owner(answer)
    except ValueError as exc:
        raise AnsibleFilterError(str(exc)) from None


class FilterModule:
    """Ansible's entry."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"by_owner": by_owner}
