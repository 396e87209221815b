#!/usr/bin/python
# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: inventory_export
short_description: Write what the inventory of certificates holds into a file
version_added: 0.1.0
description:
  - Writes what M(certops.fleet.inventory_info) returns into a file of the controller, for other programs, however much it is.
  - With O(select) all documents are needed at once; without it they are written one by one.
  - That it begins and ends is in the audit log, so that it takes the right to write to the inventory. Without an event nothing is exported.
  - Runs on the controller alone, no host is contacted. The file is replaced in one step, and left alone when it holds the same already.
author:
  - The certops.fleet developers (@certops)
extends_documentation_fragment:
  - certops.fleet.attributes
  - certops.fleet.inventory
  - certops.fleet.question
options:
  path:
    description: The file on the controller. Its folder must be there.
    type: path
    required: true
  format:
    description:
      - V(json) is one list, V(ndjson) one document a line.
      - V(csv) has a header and a column for each field; what is a list or a dictionary stands in its cell as JSON, and what is no dictionary in the column
        C(value). A text that a spreadsheet would take for a formula has an apostrophe in front.
    type: str
    required: true
    choices: [csv, json, ndjson]
  mode:
    description: Mode of the file, as C('0640').
    type: raw
    default: '0600'
requirements:
  - SQLAlchemy (2.0 or later)
  - alembic (1.13 or later)
  - cryptography (42 or later)
  - jmespath (1.0 or later), for O(select)
seealso:
  - module: certops.fleet.inventory_info
  - module: certops.fleet.report
"""

EXAMPLES = r"""
- name: Write every issuance for the auditor
  certops.fleet.inventory_export:
    path: /srv/certops/issuances.csv
    format: csv
    kind: issuances
    mode: '0640'
  delegate_to: localhost
  run_once: true

- name: Hand what is in use to another program
  certops.fleet.inventory_export:
    path: /srv/certops/in_use.ndjson
    format: ndjson
    kind: places
    select: "[?class=='in_use' && !gone_at].{host: host, path: path, name: common_name, not_after: not_after}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
count:
  description: How many documents it holds.
  returned: success
  type: int
as_of:
  description: The time that the answer is about.
  type: str
  returned: when O(as_of) is set
  sample: '2026-10-24T23:59:59Z'
as_of_limits:
  description: What cannot be told of that time, one sentence each.
  type: list
  elements: str
  returned: when O(as_of) is set
  sample: [hosts go by the names that they have today, and merged hosts are one]
"""
