#!/usr/bin/python
# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: inventory_retention
short_description: Remove what is old from the inventory and its audit log
version_added: 0.1.0
description:
  - Nothing is removed from the inventory by itself. This removes what is older than you say, and leaves events of it.
  - Events go up to a signed checkpoint. The audit log begins there from then on, and M(certops.fleet.audit_info) knows that by the checkpoint and by the
    event of the removal.
  - An event stays as long as it was not copied to every target of C(certops_audit), and since the first issuance whose certificate has not ended for
    O(after_expiry_days). Nothing is removed from an audit log that does not hold.
  - Issuances, issuers, hosts, owners, checkpoints and the certificates that any of them names stay.
  - Check mode tells how much would go. Copies of the log keep what they have.
  - Runs on the controller alone. In PostgreSQL it takes the right to delete, which the owner of the tables has and the role C(certops_writer) has not.
author:
  - The certops.fleet developers (@certops)
extends_documentation_fragment:
  - certops.fleet.attributes
  - certops.fleet.inventory
options:
  events_days:
    description: Events of the audit log that are older than so many days go.
    type: int
  history_days:
    description:
      - What has been gone from its host for more than so many days goes. That is places, keys, bundles, services, renewers, endpoints and what else a scan
        sees.
      - So do scans that are older and to which nothing refers, but never the last one of a host, and certificates that are named nowhere any more.
    type: int
  after_expiry_days:
    description:
      - So many days after the end of a certificate its issuance and everything later stay in the log.
      - The default is two years, which the Baseline Requirements of the CA/Browser Forum ask for in section 5.4.3.
    type: int
    default: 730
requirements:
  - SQLAlchemy (2.0 or later)
  - alembic (1.13 or later)
  - cryptography (42 or later)
  - ssh-keygen of OpenSSH (8.1 or later), for O(events_days)
seealso:
  - module: certops.fleet.audit_info
"""

EXAMPLES = r"""
- name: Forget what has been gone for a year, and events that are older than three
  certops.fleet.inventory_retention:
    history_days: 365
    events_days: 1095
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
events:
  description: How many events went.
  returned: success
  type: int
events_to:
  description: The number of the last one; null where none went.
  returned: success
  type: int
reason:
  description: Why no event went; null where some did, and without O(events_days).
  returned: success
  type: str
history:
  description: How many rows of each kind went.
  returned: success
  type: dict
"""
