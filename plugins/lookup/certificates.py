# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: certificates
short_description: Ask the inventory of certificates within an expression
version_added: 0.1.0
author:
  - The certops.fleet developers (@certops)
description:
  - Returns what M(certops.fleet.inventory_info) returns, where a task of its own would be too much. It runs on the controller, and no host is contacted.
  - Every time that the expression is evaluated the inventory is asked. Who wants to look at an answer more than once registers that of
    M(certops.fleet.inventory_info).
options:
  _terms:
    description:
      - Each is a kind, as in O(certops.fleet.inventory_info#module:kind), or a JMESPath expression that is applied to the list of documents of O(kind).
      - Without any, O(kind) and O(select) say what is asked.
    type: list
    elements: str
  kind:
    description: What is asked for, as in O(certops.fleet.inventory_info#module:kind).
    type: str
    default: certificates
  select:
    description: A U(https://jmespath.org) expression that is applied to the list of documents of each kind that is a term.
    type: str
  namespace:
    description:
      - Only documents of this namespace, which is the C(certops_environment) that hosts were recorded with.
      - Certificates and bundles have only their places there. What belongs to no namespace, such as an issuer, is in each.
    type: str
  as_of:
    description:
      - The time that the answer is about, as in O(certops.fleet.inventory_info#module:as_of), which says, too, what cannot be told.
    type: str
  sort:
    description:
      - The field by which documents are ordered, before O(select) is applied. Without it they have an order of their own that does not change.
      - V(not_after) is for O(kind=certificates) alone. Certificates whose end is not known come last.
    type: str
    choices: [not_after]
  limit:
    description:
      - At most so many elements.
      - Where O(select) is nothing but a condition that the database understands, alone or with a dictionary made of each document behind it, no more
        than these are read.
    type: int
  count:
    description:
      - Tell how many elements there are instead of the elements. The answer is a list with this number.
      - The database counts under the same condition under which O(limit) reads no more than it has to.
    type: bool
    default: false
  inventory:
    description:
      - URL of the inventory, as in O(certops.fleet.inventory_info#module:inventory).
      - The default is the variable C(certops_inventory), and without it an SQLite file below the user's data folder.
    type: str
requirements:
  - SQLAlchemy (2.0 or later)
  - alembic (1.13 or later)
  - cryptography (42 or later)
  - jmespath (1.0 or later), for expressions
notes:
  - Texts in an answer come from certificates and hosts. They are data and not templated.
seealso:
  - module: certops.fleet.inventory_info
"""

EXAMPLES = r"""
- name: Say how many certificates are in use on this host
  ansible.builtin.debug:
    msg: "{{ query('certops.fleet.certificates', question, kind='places') | length }} certificates"
  vars:
    question: "[?host=='{{ inventory_hostname }}' && class=='in_use' && !gone_at]"

- name: Stop when a host of production did not answer the last time
  ansible.builtin.assert:
    that: query('certops.fleet.certificates', 'hosts', select='[?last_scan.reason].host', namespace='production') == []
"""

RETURN = r"""
_raw:
  description: The documents, or what the expressions made of them, one term after the other.
  type: list
  elements: raw
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import now
from ansible_collections.certops.fleet.plugins.plugin_utils._host.variables import plain, shared_variable
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.ask import Question, answer, of_term


class LookupModule(LookupBase):
    """Ansible's entry."""

    def run(self, terms: list[t.Any], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[t.Any]:
        self.set_options(var_options=variables, direct=kwargs)
        try:
            names = ("kind", "select", "namespace", "as_of", "sort", "limit", "count")
            asked = Question.from_args({name: plain(self.get_option(name), name) for name in names}, now=now())
            questions = [of_term(str(plain(term, "term")), asked) for term in terms] or [asked]
            url = plain(self.get_option("inventory"), "inventory") or shared_variable(self, variables or {}, "certops_inventory")
            with open_inventory(url, now=now, missing="refuse") as inventory:
                return [document for question in questions for document in answer(inventory, question).documents]
        except ValueError as exc:
            raise AnsibleLookupError(str(exc)) from None
