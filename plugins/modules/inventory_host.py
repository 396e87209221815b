#!/usr/bin/python
# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: inventory_host
short_description: Give a host of the inventory another name, or make one of two
version_added: 0.1.0
description:
  - A host of the inventory goes by the name that Ansible calls it. When that changes, its history stays with it after O(rename_to).
  - A machine that was recorded under two names becomes one host by O(merge_into). What both have counts as seen since the first of both times; the next scan
    tells what of both is still there. Which hosts share a machine-id or a host key is told by C(equal_evidence) of M(certops.fleet.inventory_info)
    with C(kind) V(hosts).
  - Each change is an event of the audit log; events that were written before keep the name that they have.
  - Runs on the controller alone. In PostgreSQL, merging takes the right to delete, which the owner of the tables has and the role C(certops_writer) has not.
author:
  - The certops.fleet developers (@certops)
extends_documentation_fragment:
  - certops.fleet.attributes
  - certops.fleet.inventory
attributes:
  diff_mode:
    support: full
options:
  name:
    description: The host as it is in the inventory.
    type: str
    required: true
  namespace:
    description: Its namespace. The default is that of the task's host, the variable C(certops_environment).
    type: str
  rename_to:
    description: The new name. Nothing happens where only the new name is known.
    type: str
  merge_into:
    description: The host that takes everything of the other one. Nothing happens where only this one is known.
    type: str
  to_namespace:
    description: The namespace of O(rename_to) or O(merge_into), where it is another one.
    type: str
requirements:
  - SQLAlchemy (2.0 or later)
  - alembic (1.13 or later)
seealso:
  - module: certops.fleet.inventory_info
"""

EXAMPLES = r"""
- name: Keep the history of a host that has a new name
  certops.fleet.inventory_host:
    name: web1.old.example
    rename_to: web1.example
  delegate_to: localhost
  run_once: true

- name: Make one host of two names of the same machine
  certops.fleet.inventory_host:
    name: 192.0.2.17
    merge_into: web1.example
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
name:
  description: The name from now on.
  returned: success
  type: str
namespace:
  description: The namespace from now on.
  returned: success
  type: str
"""
