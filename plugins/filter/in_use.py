# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: in_use
short_description: Certificates and places that are in use or installed
version_added: 0.1.0
author:
  - The certops.fleet developers (@certops)
description:
  - Keeps the places that raise alarms, that is of the C(class) V(in_use) or V(installed), and that are not gone.
  - Of documents that have C(places), such as certificates, those with one such place are kept, with these places alone.
positional: _input
options:
  _input:
    description: Documents of M(certops.fleet.inventory_info).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Count the certificates that somebody relies on
  ansible.builtin.debug:
    msg: "{{ query('certops.fleet.certificates') | certops.fleet.in_use | length }}"

- name: See that a backup does not count
  ansible.builtin.assert:
    that: places | certops.fleet.in_use | map(attribute='path') | list == ['/etc/nginx/tls/web.pem']
  vars:
    places:
      - {path: /etc/nginx/tls/web.pem, class: in_use, gone_at: null}
      - {path: /etc/nginx/tls/web.pem.bak, class: backup, gone_at: null}
"""

RETURN = r"""
_value:
  description: Those that are in use or installed.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.certops.fleet.plugins.plugin_utils._questions import documents


def in_use(answer: t.Any) -> list[t.Any]:
    try:
        return documents.in_use(answer)
    except ValueError as exc:
        raise AnsibleFilterError(str(exc)) from None


class FilterModule:
    """Ansible's entry."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"in_use": in_use}
