#!/usr/bin/python
# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: report
short_description: Write what the inventory holds as a page, a table and data, and the documents that auditors ask for
version_added: 0.1.0
author:
  - The certops.fleet developers (@certops)
description:
  - Writes C(index.html), C(places.csv) and C(report.json) into a folder of the controller.
  - The page is self-contained and loads nothing. It can be searched, sorted, filtered and printed, by keyboard alone, and shows its own age.
  - Listeners that serve another certificate than the files of their service hold are an alarm of their own, with both certificates; stores that could not
    be opened are listed with the reason. Both are C(not_loaded) and C(locked) in C(report.json).
  - The page counts what hangs on each CA and draws it, from the CA to those who answer for the hosts, and the same of a certificate that is in use or
    installed. In C(report.json) the C(authority) of a place is the number of the CA in C(authorities) that signed its certificate.
  - The page stays quick with 20,000 places. On paper it has the first 1,000 of those that were asked for, and says so where there are more.
  - Text that comes from certificates stays text in all of them; the CSV holds nothing that a spreadsheet would run.
  - Beside them it writes a certificate management policy, a certificate and key security standard and a certificate register, as C(policy), C(standard)
    and C(register), each as C(.md) and C(.html). The page links to them. Policy and standard hold no date and change only when what they say does.
  - Each of their requirements has a number and its control clauses; a clause that was not read in its primary text is marked as not verified.
extends_documentation_fragment:
  - certops.fleet.attributes
  - certops.fleet.inventory
options:
  path:
    description:
      - Folder on the controller. It is made when it is not there.
    type: path
    required: true
  organisation:
    description:
      - Whose documents these are, on their first lines.
    type: str
    default: ''
  policy_owner:
    description:
      - The role or group that answers for policy and standard.
    type: str
    default: ''
  contact:
    description:
      - Where questions go.
    type: str
    default: ''
  max_due:
    description:
      - The limit of the fuse, C(certificate_max_due) of the role certops.fleet.certificate, which the policy names.
    type: str
    default: ''
  cache_days:
    description:
      - What the discovery is given as C(discover_cache_days), which the policy names.
    type: int
    default: 7
seealso:
  - module: certops.fleet.inventory_info
"""

EXAMPLES = r"""
- name: Write the report
  certops.fleet.report:
    path: /srv/certops/report
    organisation: Example Ltd
    policy_owner: Platform security
    contact: pki@example.com
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
paths:
  description: The files that were written.
  returned: success
  type: list
  elements: str
figures:
  description: Counts of hosts, certificates and places; C(hosts_complete) of C(hosts_known) comes first, C(not_loaded) counts listeners.
  returned: success
  type: dict
"""
