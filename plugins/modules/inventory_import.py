#!/usr/bin/python
# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: inventory_import
short_description: Take in what another program or a spreadsheet lists of certificates
version_added: 0.1.0
description:
  - Reads an export of another certificate manager, or a spreadsheet, by a mapping. What it lists is kept beside what was seen and never changes that.
  - After it C(known_to) of each certificate in M(certops.fleet.inventory_info) names the exports that list it. The kind V(imported) shows what they list,
    and V(mismatches) has C(imported_unseen) for what nobody found here, and C(seen_unimported) for what is in use or installed and in no export.
  - A certificate is found again by its SHA-256, or by its serial number together with a SHA-1, the end of its validity or its common name.
  - Each import is a line of the audit log. What is no longer listed stays in the inventory with the time at which it went.
  - Private keys in an export are not read. Nothing in it is templated.
  - Runs on the controller alone, no host is contacted.
author:
  - The certops.fleet developers (@certops)
extends_documentation_fragment:
  - certops.fleet.attributes
  - certops.fleet.inventory
attributes:
  diff_mode:
    support: full
options:
  origin:
    description: Name of the export, such as V(lemur). The file takes the place of all that was imported under this name.
    type: str
    required: true
  path:
    description:
      - The export on the controller, in UTF-8. A name that ends in C(.csv) is CSV with names in the first line, C(.ndjson) and C(.jsonl) have a JSON value
        a line, anything else is JSON.
      - At most 256 MB and 200000 rows.
    type: path
  mapping:
    description:
      - How a row becomes a certificate. C(fields) has a U(https://jmespath.org) expression for each field that is wanted, which is applied to the row.
        C(items) finds the list of rows in a JSON file.
      - Fields are C(body) with the certificate in PEM, C(sha256), C(sha1), C(serial) in hexadecimal, C(serial_decimal), C(subject), C(common_name), C(issuer),
        C(not_after), C(names), C(owner), C(location) and C(reference). One of C(body), C(sha256), C(serial) and C(serial_decimal) must be there.
      - C(not_after) is a time as in ISO 8601, or in seconds or milliseconds. Another form is a C(date_format), such as C(%d.%m.%Y). Without a zone it is UTC.
      - Where a row has a C(body), that says subject, issuer, names and end.
    type: dict
  mapping_path:
    description:
      - The same as a YAML file on the controller. C(docs/mappings) in this collection has some for common products.
    type: path
  strict:
    description:
      - Whether a row that cannot be used is an error, and nothing is imported.
      - Without it such rows are passed over and told in RV(problems). What they listed before counts as no longer listed.
    type: bool
    default: true
  state:
    description: With V(absent) all that O(origin) lists is taken back.
    type: str
    choices: [present, absent]
    default: present
  reason:
    description: Why, such as a ticket. It is kept in the audit log.
    type: str
requirements:
  - SQLAlchemy (2.0 or later)
  - alembic (1.13 or later)
  - cryptography (42 or later)
  - jmespath (1.0 or later)
seealso:
  - module: certops.fleet.inventory_info
  - module: certops.fleet.ownership
"""

EXAMPLES = r"""
- name: Write what somebody kept in a spreadsheet
  ansible.builtin.copy:
    dest: /srv/certops/certificates.csv
    content: |
      Name;Serial;Ends;Team;Where
      www.example.com;5f:2c:00:11:22:33:44:55;31.12.2027;Team Web;web1 /etc/nginx/tls
    mode: '0600'

- name: Import it
  certops.fleet.inventory_import:
    origin: spreadsheet
    path: /srv/certops/certificates.csv
    mapping:
      fields:
        common_name: Name
        serial: Serial
        not_after: Ends
        owner: Team
        location: Where
      date_format: '%d.%m.%Y'
    reason: CHG-1042

- name: What it lists and nobody has found
  certops.fleet.inventory_info:
    kind: mismatches
    select: "[?finding=='imported_unseen']"

- name: Take it back
  certops.fleet.inventory_import:
    origin: spreadsheet
    state: absent
"""

RETURN = r"""
added:
  description: Certificates that the export lists anew, the first 50 of them; in check mode those that it would.
  returned: success
  type: list
  elements: dict
  sample:
    - {sha256: null, serial: 5f2c001122334455, common_name: www.example.com, not_after: 1830211200, owner: Team Web}
updated:
  description: Certificates of which it says something else than before, the first 50 of them.
  returned: success
  type: list
  elements: dict
  sample: []
removed:
  description: Certificates that it does not list any more, the first 50 of them.
  returned: success
  type: list
  elements: dict
  sample: []
problems:
  description: Rows that were passed over, the first 50 of them, and why. Empty unless O(strict=false).
  returned: success
  type: list
  elements: str
  sample: []
figures:
  description: How many certificates came, changed, went and stayed as they were, how many rows the file has, and how many of them were refused.
  returned: success
  type: dict
  sample: {added: 1, updated: 0, removed: 0, kept: 0, rows: 1, refused: 0}
"""
