#!/usr/bin/python
# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: ownership
short_description: Say who answers for certificates, and what they are for
version_added: 0.1.0
description:
  - Stores rules that give an owner, contacts, an application, a business service, an environment, a criticality and regulations to what they match. They come
    from a task, from a file of rules, or from an export of a CMDB. A discovery adds what C(certops_owner), C(certops_contacts), C(certops_application),
    C(certops_business_service), C(certops_environment), C(certops_criticality) and C(certops_regulations) say of each host.
  - Attribute by attribute the most specific rule decides. All others are kept and shown, see M(certops.fleet.inventory_info).
  - Each change is a line of the audit log with who and why. What is replaced or taken back stays in the inventory with its time.
  - Runs on the controller alone, no host is contacted. Nothing in a file is templated.
author:
  - The certops.fleet developers (@certops)
extends_documentation_fragment:
  - certops.fleet.attributes
  - certops.fleet.inventory
attributes:
  diff_mode:
    support: full
options:
  state:
    description:
      - With V(absent) the assignment by hand with this O(match) is taken back, or the rules and imports of this O(name).
    type: str
    choices: [present, absent]
    default: present
  match:
    description:
      - What an assignment by hand is for. All keys have to fit, and one pattern of each.
      - Keys are C(namespace), C(issuer), C(profile), C(group), C(cidr), C(host), C(service), C(path), C(name) and C(certificate), which is a SHA-256.
        A value is a text or a list of texts, with the wildcards of a shell. C(cidr) is compared with the addresses that a host told.
    type: dict
  set:
    description:
      - What is assigned, that is C(owner), C(contacts), C(application), C(business_service), C(environment), C(criticality) and C(regulations).
      - C(contacts) and C(regulations) are lists, or texts with commas or semicolons. The others are texts of one line.
    type: dict
  rules_path:
    description:
      - A YAML file on the controller, a list of dictionaries with C(match) and C(set) as above. It takes the place of all rules of this O(name).
    type: path
  import_path:
    description:
      - An export of a CMDB on the controller, in UTF-8. A name that ends in C(.csv) is CSV with names in the first line, anything else is JSON.
      - It takes the place of all that was imported under this O(name). Rows that give no attribute are passed over.
    type: path
  mapping:
    description:
      - How a row of O(import_path) becomes a rule. C(match) and C(set) have a U(https://jmespath.org) expression for each key that is wanted, which is
        applied to the row. C(items) finds the list of rows in a JSON file.
    type: dict
  name:
    description:
      - Name of the rules or of the import, so that several teams or CMDBs each replace their own.
      - The default is V(rules) for O(rules_path) and V(import) for O(import_path).
    type: str
  reason:
    description: Why, such as a ticket. It is kept with the assignment and in the audit log.
    type: str
requirements:
  - SQLAlchemy (2.0 or later)
  - alembic (1.13 or later)
  - jmespath (1.0 or later), for O(mapping)
  - netaddr (1.2 or later), for C(cidr)
seealso:
  - module: certops.fleet.inventory_info
  - module: certops.fleet.host_scan_info
"""

EXAMPLES = r"""
- name: Assign what nginx serves on one host
  certops.fleet.ownership:
    match:
      host: web1.example.com
      service: nginx
    set:
      owner: Team Web
      contacts: [web@example.com]
    reason: CHG-1042

- name: Take it back
  certops.fleet.ownership:
    state: absent
    match:
      host: web1.example.com
      service: nginx

- name: Write rules
  ansible.builtin.copy:
    dest: /srv/certops/ownership.yml
    content: |
      - match: {group: web*}
        set: {owner: Team Web, contacts: [web@example.com]}
      - match: {path: /srv/shop/*, name: '*.shop.example.com'}
        set: {application: shop, criticality: high, regulations: [PCI DSS]}
    mode: '0600'

- name: Load them
  certops.fleet.ownership:
    rules_path: /srv/certops/ownership.yml
    name: platform

- name: Export from a CMDB
  ansible.builtin.copy:
    dest: /srv/certops/cmdb.csv
    content: |
      hostname,support_group,mail,application,tier
      web1.example.com,Team Web,web@example.com,shop,1
    mode: '0600'

- name: Import what it says
  certops.fleet.ownership:
    import_path: /srv/certops/cmdb.csv
    mapping:
      match:
        host: hostname
      set:
        owner: support_group
        contacts: mail
        application: application
        criticality: tier
    name: cmdb
"""

RETURN = r"""
added:
  description: Rules that came, the first 50 of them; in check mode those that would come.
  returned: success
  type: list
  elements: dict
  sample:
    - {match: {host: web1.example.com, service: nginx}, set: {owner: Team Web, contacts: [web@example.com]}}
removed:
  description: Rules that went, the first 50 of them.
  returned: success
  type: list
  elements: dict
  sample: []
figures:
  description: How many rules came, went, and stayed as they were.
  returned: success
  type: dict
  sample: {added: 1, removed: 0, kept: 0}
"""
