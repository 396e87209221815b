#!/usr/bin/python
# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: audit_info
short_description: Verify the audit log and list its events
version_added: 0.1.0
description:
  - Reads the whole audit log of the inventory, or a copy of it in a file, and tells which events are missing, altered, in a wrong place or there twice, and
    whether its signed checkpoints fit.
  - Each event holds the hash of the one before. Who can write the database can make the whole log anew, or cut off its end. That is seen by what is out of
    the reach of such a person, that is by checkpoints that are signed, by copies, and by O(known_seq) and O(known_hash).
  - Copies in files that C(certops_audit) names are compared with the end of the log in the database, too.
  - Never fails because of what it finds. Let the task fail with C(failed_when) where RV(verified) is not true.
  - Runs on the controller alone. Changes nothing, signs nothing and copies nothing.
author:
  - The certops.fleet developers (@certops)
extends_documentation_fragment:
  - certops.fleet.attributes
  - certops.fleet.inventory
options:
  path:
    description:
      - A file on the controller with the lines that a target of C(certops_audit) got, one JSON document a line. It is verified without the inventory.
    type: path
  signers:
    description:
      - Public keys, as OpenSSH writes them, whose signatures of checkpoints count.
      - The default is C(signers) of the variable C(certops_audit), and without it the file beside its C(signing_key) that ends with C(.pub).
    type: list
    elements: str
    default: []
  known_seq:
    description: The number of an event that somebody noted, such as RV(last_seq) of an earlier call. A log that ends before it was cut off.
    type: int
  known_hash:
    description: The hash of that event, RV(last_hash) of the earlier call.
    type: str
  kinds:
    description: Only events of these kinds. Patterns such as V(issuance.*) are those of a shell.
    type: list
    elements: str
    default: []
  host:
    description: Only events of the host of this name.
    type: str
  since:
    description: Only events since this day or time, as V(2026-11-01) or V(2026-11-01T08:00:00Z).
    type: str
  limit:
    description: The last so many of these events are returned. With V(0) none is; the whole log is verified anyway.
    type: int
    default: 100
requirements:
  - SQLAlchemy (2.0 or later)
  - alembic (1.13 or later)
  - cryptography (42 or later)
  - ssh-keygen of OpenSSH (8.1 or later), where there are checkpoints
seealso:
  - module: certops.fleet.inventory_info
"""

EXAMPLES = r"""
- name: Verify the audit log
  certops.fleet.audit_info:
    kinds: ['issuance.*', 'certificate.*']
    since: '2026-11-01'
  register: audit
  failed_when: not audit.verified
  delegate_to: localhost
  run_once: true

- name: Verify a copy, elsewhere and without the inventory
  certops.fleet.audit_info:
    path: /srv/audit/certops.jsonl
    signers: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO2yR1X5CrfR3mHTSHwAQUXCQUQHlMTEQ4d5TfSgPDy5']
    limit: 0
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
verified:
  description: Whether nothing is wrong with the log, that is RV(problems) is empty.
  returned: success
  type: bool
problems:
  description: One sentence for everything that is wrong.
  returned: success
  type: list
  elements: str
findings:
  description: What makes the log worth less than it could be, such as that no target is set.
  returned: success
  type: list
  elements: str
count:
  description: How many events were read.
  returned: success
  type: int
first_seq:
  description: The number of the first event; null where there is none.
  returned: success
  type: int
last_seq:
  description: The number of the last event; null where there is none.
  returned: success
  type: int
last_hash:
  description: Its hash. Note it elsewhere together with RV(last_seq).
  returned: success
  type: str
last_time:
  description: Its time.
  returned: success
  type: str
checkpoints:
  description: How many checkpoints there are.
  returned: success
  type: int
checkpoint:
  description: The last one; null where there is none.
  returned: success
  type: dict
  contains:
    seq:
      description: The number of the event that it names.
      type: int
    time:
      description: When it was signed, by the clock of the controller that did it.
      type: str
    hash:
      description: The hash of that event.
      type: str
    key:
      description: Fingerprint of the key that signed it.
      type: str
targets:
  description: The targets of C(certops_audit), and how far each has the log; empty with O(path).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    last_seq:
      description: The last event that it has.
      type: int
    waiting:
      description: How many events it has not got yet.
      type: int
    problem:
      description: Why the last try failed; null where it did not.
      type: str
events:
  description: The events that were asked for, oldest first, as M(certops.fleet.inventory_info) returns them.
  returned: success
  type: list
  elements: dict
"""
