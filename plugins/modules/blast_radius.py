#!/usr/bin/python
# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: blast_radius
short_description: Ask what hangs on a certificate, a key, an issuer, a host or a service, and whom to call
version_added: 0.1.0
description:
  - Says which certificates would be affected if one of these were compromised, revoked or lost, where they lie and are served, which services use them there,
    and who answers for that.
  - A key affects every certificate of it. An issuer affects the certificates below it, and those of the CAs below it. A host affects what lies on it, and what
    else has a key that lies on it. A service affects what it uses, wherever else that lies.
  - Only places count that are in use or installed, and endpoints. What is gone is left out.
  - Issuers are found by names and key identifiers, as chains are built, and the signature of each certificate is checked with the key of its issuer. One that
    claims a CA and was signed by none of that name is not below it. It is told in RV(not_signed).
  - At most 20000 signatures are checked for one question. The certificates after that, and those whose algorithm is not known here, count by their names.
  - Runs on the controller alone, no host is contacted.
author:
  - The certops.fleet developers (@certops)
extends_documentation_fragment:
  - certops.fleet.attributes
  - certops.fleet.inventory
options:
  certificate:
    description: The SHA-256 of a certificate in hexadecimal, with or without colons.
    type: str
  key:
    description: The SHA-256 of a public key, the C(spki) of M(certops.fleet.inventory_info).
    type: str
  issuer:
    description: A CA, by its name in C(certops_issuers), its common name, or the SHA-256 of its certificate.
    type: str
  host:
    description: A host, by its name in the Ansible inventory.
    type: str
  service:
    description: A service, such as V(nginx), on every host.
    type: str
  limit:
    description: At most so many certificates and places are returned. C(figures) and C(call) count all.
    type: int
    default: 1000
  picture_path:
    description:
      - File on the controller that a picture is written to as SVG, readable by its owner alone. It shows the first 60 of each kind.
    type: path
requirements:
  - SQLAlchemy (2.0 or later)
  - alembic (1.13 or later)
  - cryptography (42 or later)
seealso:
  - module: certops.fleet.inventory_info
  - module: certops.fleet.ownership
"""

EXAMPLES = r"""
- name: Look at what is there
  certops.fleet.host_scan_info:
    paths: [/etc/nginx/tls]

- name: Whom to call when a host was broken into
  certops.fleet.blast_radius:
    host: localhost
    picture_path: /srv/certops/radius.svg
  register: radius

- name: Tell it
  ansible.builtin.debug:
    var: radius.call
"""

RETURN = r"""
question:
  description: What was asked.
  returned: success
  type: dict
  sample: {issuer: Internal CA}
figures:
  description:
    - How much is affected. C(places_without_owner) is what nobody can be called about.
    - C(signatures_verified) are signatures of certificates that hold, C(signatures_unchecked) those that were not or could not be checked.
  returned: success
  type: dict
  sample:
    certificates: 2
    places: 3
    keys: 2
    hosts: 2
    services: 1
    applications: 1
    business_services: 0
    owners: 1
    places_without_owner: 1
    not_signed: 0
    signatures_verified: 3
    signatures_unchecked: 0
call:
  description: Each owner with contacts, most places first. What nobody owns comes last, with a null C(owner).
  returned: success
  type: list
  elements: dict
  sample:
    - {owner: Team Web, contacts: [web@example.com], applications: [shop], places: 2, certificates: 1, hosts: 2}
certificates:
  description: The certificates that are affected.
  returned: success
  type: list
  elements: dict
places:
  description: The table, a line for each place, with services, application, business service, owner, criticality and contacts.
  returned: success
  type: list
  elements: dict
private_keys:
  description: Where private keys of these certificates lie.
  returned: success
  type: list
  elements: dict
not_signed:
  description: Certificates that claim one of these CAs as their issuer, and that no CA of that name in the inventory signed. They are not affected.
  returned: success
  type: list
  elements: dict
nodes:
  description: The graph, from the C(root) over C(issuer), C(key), C(certificate), C(place), C(service), C(host), C(application) and C(business_service) to the
    C(owner).
  returned: success
  type: list
  elements: dict
edges:
  description: Pairs of the C(id) of nodes.
  returned: success
  type: list
  elements: dict
"""
