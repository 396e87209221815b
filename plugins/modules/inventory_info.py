#!/usr/bin/python
# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: inventory_info
short_description: Ask the inventory of certificates
version_added: 0.1.0
description:
  - Returns what the central inventory holds, as a list of dictionaries, optionally narrowed down by a JMESPath expression.
  - Very large results cost Ansible a lot of time and memory. O(limit) and O(after) return them page by page, O(count) only says how many there are, and
    M(certops.fleet.inventory_export) writes them into a file instead.
  - Runs on the controller alone, no host is contacted. An inventory that an older release wrote is brought up to date.
author:
  - The certops.fleet developers (@certops)
extends_documentation_fragment:
  - certops.fleet.attributes
  - certops.fleet.inventory
  - certops.fleet.question
requirements:
  - SQLAlchemy (2.0 or later)
  - alembic (1.13 or later)
  - cryptography (42 or later)
  - jmespath (1.0 or later), for O(select)
"""

EXAMPLES = r"""
- name: Certificates in use that end within 30 days
  certops.fleet.inventory_info:
    select: "[?status!='ok' && places[?class=='in_use' && !gone_at]].{name: subject.commonName, days: days_remaining, hosts: places[].host}"
  register: ending

- name: The twenty that end first
  certops.fleet.inventory_info:
    select: "[?status=='warning'].{name: subject.commonName, end: not_after, hosts: places[].host}"
    sort: not_after
    limit: 20
  register: first

- name: The twenty after them
  certops.fleet.inventory_info:
    select: "[?status=='warning'].{name: subject.commonName, end: not_after, hosts: places[].host}"
    sort: not_after
    limit: 20
    after: "{{ first.next }}"
  when: first.next is not none
  register: second

- name: How many places a host has
  certops.fleet.inventory_info:
    kind: places
    namespace: production
    select: "[?host=='web1' && !gone_at]"
    count: true
  register: number

- name: Hosts that did not answer the last time
  certops.fleet.inventory_info:
    kind: hosts
    select: "[?last_scan.reason].{host: host, why: last_scan.reason}"
  register: silent

- name: How much of the fleet was seen, and what was not
  certops.fleet.inventory_info:
    kind: coverage
  register: seen

- name: Keys that others can read, or that lie in more than one place
  certops.fleet.inventory_info:
    kind: keys
    select: "[?!gone_at && (everyone || readers_count > `0` || shared_count > `0`)].{host: host, path: path, readers: readers, same: shared_with}"
  register: exposed

- name: Anchors that somebody added to the trust stores of the fleet
  certops.fleet.inventory_info:
    kind: trust_stores
    select: "[?!gone_at && added].{host: host, store: path, added: added[].{name: common_name, from: path}}"
  register: added

- name: Whom to call about certificates that end within 30 days
  certops.fleet.inventory_info:
    select: "[?status!='ok' && owner].{name: subject.commonName, days: days_remaining, owner: owner, contacts: ownership.contacts}"
  register: whom

- name: What nobody owns, and what rules disagree about
  certops.fleet.inventory_info:
    kind: ownership_findings
  register: unowned

- name: What was issued and is nowhere, or was put in place and is gone
  certops.fleet.inventory_info:
    kind: mismatches
    select: "[?finding=='issued_nowhere' || finding=='declared_absent']"
  register: lost

- name: Certificates that were in use on the first of the month, with the days that they had left then
  certops.fleet.inventory_info:
    as_of: "2026-11-01"
    select: "[?places[?class=='in_use' && !gone_at]].{name: subject.commonName, days: days_remaining, owner: owner}"
  register: register

- name: When each job last saw all of its hosts
  certops.fleet.inventory_info:
    kind: runs
    select: "[].{job: job, last: last_complete_run.ended, missing: hosts_missing, silent: hosts_silent}"
  register: runs

- name: How many certificates the internal CA has issued
  certops.fleet.inventory_info:
    kind: issuances
    select: "length([?issuer=='internal' && sha256])"
  register: issued
"""

RETURN = r"""
documents:
  description:
    - The documents of the kind, or what O(select) made of them.
    - Times are C(2026-11-23T09:43:04Z), except that certificates keep the formats of M(community.crypto.x509_certificate_info).
    - Texts come from certificates and hosts. They are data and not to be templated.
  type: list
  elements: raw
  returned: success
  sample:
    - sha256: 3ad2e2d1c5f7a1b5f1f24be0b1a1d2d5e6b0f3a6ee0a5a3c8f0c2e2b4f4d1a11
      subject: {commonName: www.example.com}
      serial: 5f2c
      not_after: 20270101000000Z
      days_remaining: 39
      status: ok
      services: [nginx]
      renewed_by: certops
      bundles: []
      replaced_by: []
      replaces: [91b5e0f6a2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d]
      known_to: []
      management: provisioned
      owner: Team Web
      owners: [Team Web]
      ownership:
        owner: Team Web
        contacts: [web@example.com]
        application: null
        business_service: null
        environment: production
        criticality: null
        regulations: null
        candidates:
          - {attribute: owner, value: Team Web, source: rules, origin: platform, match: {group: web*}}
        conflicts: []
      places:
        - namespace: production
          host: web1
          path: /etc/nginx/tls/www.pem
          class: in_use
          services: [nginx]
          renewed_by: certops
          first_seen: '2026-01-01T02:00:00Z'
          last_seen: '2026-11-23T02:00:00Z'
          gone_at: null
          replaced_by: null
          replaces: 91b5e0f6a2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d
          moved_to: null
          moved_from: null
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
next:
  description: What O(after) takes for the next page, null after the last one and without O(limit).
  returned: success
  type: str
count:
  description: How many elements there are.
  returned: with O(count)
  type: int
"""
