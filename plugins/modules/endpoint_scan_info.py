#!/usr/bin/python
# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: endpoint_scan_info
short_description: See which certificates listeners show
version_added: 0.2.0
author:
  - The certops.fleet developers (@certops)
description:
  - Asks listeners by TLS handshakes which certificates they show, with which protocol and cipher, and says whether the chain is complete, verifies and
    carries the name. No login is made, and nothing is changed.
  - It looks from the controller, or with O(from_host=true) from the host of the task, which needs no package for it.
  - What was seen is recorded in the inventory as places of their own, and linked to the hosts that are known.
  - A listener that stalls, resets, speaks something else or sends garbage is a line with the reason.
extends_documentation_fragment:
  - certops.fleet.attributes
  - certops.fleet.inventory
options:
  targets:
    description:
      - What is looked at. V(www.example.com), V(www.example.com:443,8443), V(192.0.2.7), V([2001:db8::7]:636), URLs such as V(https://www.example.com/) and
        V(smtp://mail.example.com), networks such as V(192.0.2.0/24) and V([2001:db8::/120]:443), ranges such as V(192.0.2.10-192.0.2.20) and
        V(192.0.2.10-20:8000-8010).
      - The scheme of a URL says the port and whether TLS begins with a conversation in plain text. What follows the port is not used.
    type: list
    elements: str
    default: []
  groups:
    description:
      - Groups and hosts of Ansible's inventory that are looked at, by the address that Ansible connects to, on all O(ports).
    type: list
    elements: str
    default: []
  ports:
    description:
      - Ports of the targets that name none, such as V(443) or V(8000-8010).
    type: list
    elements: str
    default: ['443']
  names:
    description:
      - Server names (SNI) that each address and port is asked for. Each is a place of its own.
      - The default is the target's own name; an address alone is asked for none.
    type: list
    elements: str
    default: []
  starttls:
    description:
      - The conversation in plain text before TLS. V(auto) goes by the port, C(docs/endpoints.md) has the list; V(none) begins with TLS everywhere.
    type: str
    choices: [auto, none, ftp, imap, irc, ldap, mysql, nntp, pop3, postgres, sieve, smtp, xmpp, xmpp-server]
    default: auto
  alpn:
    description:
      - The application protocols that are offered. A listener that refuses all of them is asked again without any.
    type: list
    elements: str
    default: [h2, http/1.1]
  all_protocols:
    description:
      - Whether each listener is asked for every version from SSLv3 to TLS 1.3 alone, which takes five more connections. An OCSP response is then asked for
        in any case, not only where the certificate names a responder.
    type: bool
    default: false
  roots:
    description:
      - PEM files, or folders of them, with the roots that a chain must lead to.
      - The default are those that the controller's system trusts, and those of the issuers in the inventory.
    type: list
    elements: path
    default: []
  from_host:
    description:
      - Whether the host of the task looks, instead of the controller. Names are then resolved there, and places are recorded as seen from that host.
    type: bool
    default: false
  concurrency:
    description:
      - Connections at a time, from V(1) to V(1000). Fewer are made where the process may not open so many files.
    type: int
    default: 100
  rate:
    description:
      - New connections a second, V(0) for no limit.
    type: int
    default: 0
  connect_timeout:
    description:
      - Seconds for resolving a name and for a connection.
    type: int
    default: 5
  starttls_timeout:
    description:
      - Seconds for the conversation before TLS.
    type: int
    default: 10
  handshake_timeout:
    description:
      - Seconds for a handshake.
    type: int
    default: 10
  max_seconds:
    description:
      - Time after which no further endpoint is begun; how many were left over is told. V(0) means no limit.
    type: int
    default: 0
  max_endpoints:
    description:
      - The task is refused when addresses times ports times names are more, before anything is asked.
    type: int
    default: 65536
  return_certificates:
    description:
      - Whether everything that was seen is returned. It goes into the inventory in any case; thousands of values are slow in a play.
    type: bool
    default: false
  record:
    description:
      - Whether the result is written into the inventory. Never in check mode.
      - Without it the inventory is not opened, and the roots of its issuers are not known.
    type: bool
    default: true
requirements:
  - SQLAlchemy (2.0 or later)
  - alembic (1.13 or later)
  - cryptography (42 or later)
  - netaddr (1.2 or later), for networks and ranges
notes:
  - Without O(from_host) it is a task for one host, such as C(localhost), or for C(run_once).
  - Texts in the result come from listeners and certificates. They are data and not to be templated.
seealso:
  - module: certops.fleet.host_scan_info
  - module: certops.fleet.inventory_info
"""

EXAMPLES = r"""
- name: Look at two listeners and record what they show
  certops.fleet.endpoint_scan_info:
    targets: ['localhost:443', 'smtp://localhost']
    connect_timeout: 2

- name: Look at the hosts of a group, and see what does not verify
  certops.fleet.endpoint_scan_info:
    groups: [all]
    ports: ['443', '8443']
    record: false
  register: seen

- name: Show it
  ansible.builtin.debug:
    msg: "{{ item.endpoint }} {{ item.verify_problem }}"
  loop: "{{ seen.endpoints | rejectattr('verified', 'none') | rejectattr('verified') }}"
  loop_control:
    label: "{{ item.endpoint }}"

- name: See which versions of TLS a network accepts, at most 50 connections a second
  certops.fleet.endpoint_scan_info:
    targets: ['127.0.0.0/30:443']
    all_protocols: true
    rate: 50
"""

RETURN = r"""
msg:
  description: The counts in one line.
  returned: success
  type: str
summary:
  description:
    - Counts of endpoints by state (C(seen), C(failed), C(closed), C(unreachable)), of certificates, of what does not verify (C(not_verified)), lacks an
      intermediate (C(incomplete_chains)), has another name (C(other_names)), C(expired) or ends within 30 days (C(warning)), and the seconds it took.
  returned: success
  type: dict
endpoints:
  description:
    - What was asked and what was shown. At most 50 without O(return_certificates=true). Addresses of networks and ranges where nobody listens are only counted.
  returned: success
  type: list
  elements: dict
  contains:
    endpoint:
      description: Host, port, and the name that was asked for where it is another one.
      type: str
    state:
      description:
        - C(seen) where a certificate was shown, C(failed) where somebody took the connection and showed none, C(closed) where nobody listens,
          C(unreachable) where nobody answered or the name is not known.
      type: str
    reason:
      description: Why there is no certificate, or why the handshake did not come to its end though there is one.
      type: str
    address:
      description: The address that was connected to.
      type: str
    protocol:
      description: The version that was agreed on, such as C(TLSv1.3).
      type: str
    cipher:
      description: The cipher suite by OpenSSL's name.
      type: str
    alpn:
      description: The application protocol that was agreed on.
      type: str
    protocols:
      description: With O(all_protocols), for each version whether it is accepted; null where it could not be told.
      type: dict
    chain:
      description: SHA-256 of the certificates in the order in which they were shown.
      type: list
      elements: str
    chain_count:
      description: How many certificates were shown, of which the first 50 are kept; null where only the first is known.
      type: int
    chain_complete:
      description: Whether the chain leads to a root that was given, or to a self-issued certificate that was shown.
      type: bool
    verified:
      description: Whether the chain leads to a root that was given, is valid now, and is for servers.
      type: bool
    verify_problem:
      description: Why it does not verify.
      type: str
    name_matches:
      description:
        - Whether a subject alternative name is the name that was asked for, or the target where none was.
        - It is null for an address out of a network or range.
      type: bool
    ocsp_staple:
      description: Status and times of the OCSP response that was sent along; its signature is not checked.
      type: dict
    sha256:
      description: SHA-256 of the certificate's DER, lower-case hexadecimal.
      type: str
    not_after:
      description: End of the certificate, such as C(20270221100000Z).
      type: str
    days_remaining:
      description: Whole days until then.
      type: int
    status:
      description: C(ok), C(warning) below 30 days, or C(expired).
      type: str
certificates:
  description: Every certificate once, with the field names and formats of M(community.crypto.x509_certificate_info) and its C(places).
  returned: when O(return_certificates=true)
  type: list
  elements: dict
problems:
  description: The endpoints that showed nothing, each with C(endpoint) and C(reason); at most 50 without O(return_certificates=true).
  returned: success
  type: list
  elements: dict
left_over:
  description: How many endpoints O(max_seconds) left over.
  returned: success
  type: int
complete:
  description: Whether every endpoint was asked.
  returned: success
  type: bool
recorded:
  description: Whether the result is in the inventory.
  returned: success
  type: bool
"""
