#!/usr/bin/python
# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: ca
short_description: Make the internal CA on the controller
version_added: 0.1.0
author:
  - The certops.fleet developers (@certops)
description:
  - Makes a root CA and an issuing CA, each with a key file that is encrypted (PKCS#8, scrypt, AES-256) and readable by its owner only, and puts the
    certificates into the inventory as an issuer. It runs on the controller; no host is contacted.
  - The folder then holds C(root.pem), C(root.key), C(issuing.pem), C(issuing.key), and C(issuing.json) where there are URLs. C(root.key) is needed only
    to sign another issuing CA and may be kept elsewhere; C(root.pem) is what clients trust.
  - What is there is never overwritten. A second run tries the passphrase on the keys, checks that keys and certificates belong together, and finishes what an
    interrupted run left unfinished. A CA certificate that differs from the options stays as it is, and RV(differences) says so. URLs and modes of files are
    brought to what is wanted.
extends_documentation_fragment:
  - certops.fleet.attributes
  - certops.fleet.inventory
attributes:
  diff_mode:
    support: full
options:
  state:
    description: The CA is there.
    type: str
    choices: [present]
    default: present
  name:
    description:
      - Name of the issuer.
      - The default is the first embedded issuer of the variable C(certops_issuers), and without it V(internal).
    type: str
  directory:
    description:
      - Folder on the controller. It is made when it is not there.
      - The default is what C(certops_issuers) says of this issuer, and without it C(certops/ca) below the user's data folder.
    type: path
  passphrase:
    description:
      - Passphrase of both key files, 8 to 1023 bytes.
      - The default is what C(certops_issuers) says of this issuer.
    type: str
  common_name:
    description: Beginning of both common names; C(Root CA) and C(Issuing CA) are added.
    type: str
    default: Internal
  organization:
    description: Organization in both subjects.
    type: str
  root_key_type:
    description: Kind of the root's key.
    type: str
    choices: [ecdsa_p256, ecdsa_p384, ecdsa_p521, rsa_3072, rsa_4096]
    default: ecdsa_p384
  issuing_key_type:
    description: Kind of the issuing CA's key.
    type: str
    choices: [ecdsa_p256, ecdsa_p384, ecdsa_p521, rsa_3072, rsa_4096]
    default: ecdsa_p384
  root_lifetime_days:
    description: Lifetime of the root in days.
    type: int
    default: 7300
  issuing_lifetime_days:
    description: Lifetime of the issuing CA in days. It ends with the root at the latest.
    type: int
    default: 1825
  permitted_names:
    description:
      - Name constraints of the issuing CA. DNS names such as V(example.com), which stands for itself and all names below it, and networks such as
        V(10.0.0.0/8). Other names are then not issued and not accepted by clients.
      - Where only networks are listed no DNS name is permitted, and the other way round.
    type: list
    elements: str
    default: []
  excluded_names:
    description: DNS names and networks that the issuing CA may not issue for, even inside O(permitted_names).
    type: list
    elements: str
    default: []
  crl_urls:
    description: URLs of the issuing CA's revocation list, written into every certificate.
    type: list
    elements: str
    default: []
  aia_urls:
    description: URLs of the issuing CA's certificate, written into every certificate.
    type: list
    elements: str
    default: []
  ocsp_urls:
    description: URLs of the issuing CA's OCSP responder, written into every certificate.
    type: list
    elements: str
    default: []
  root_crl_urls:
    description: URLs of the root's revocation list, written into the issuing CA's certificate.
    type: list
    elements: str
    default: []
  root_aia_urls:
    description: URLs of the root's certificate, written into the issuing CA's certificate.
    type: list
    elements: str
    default: []
  root_ocsp_urls:
    description: URLs of the root's OCSP responder, written into the issuing CA's certificate.
    type: list
    elements: str
    default: []
seealso:
  - module: certops.fleet.certificate
"""

EXAMPLES = r"""
- name: Make the CA that certops_issuers declares
  certops.fleet.ca:
  delegate_to: localhost
  run_once: true

- name: Make a CA that issues for one domain and one network only
  certops.fleet.ca:
    directory: /srv/certops/ca
    passphrase: "{{ vault_ca_passphrase }}"
    common_name: Example
    organization: Example Ltd
    permitted_names:
      - example.com
      - 192.0.2.0/24
    crl_urls:
      - http://pki.example.com/issuing.crl
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
name:
  description: Name of the issuer.
  returned: success
  type: str
directory:
  description: The CA's folder.
  returned: success
  type: str
actions:
  description: What was done, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: ["make the key root.key (ecdsa_p384)"]
differences:
  description: In what the CA certificates differ from the options for good.
  returned: success
  type: list
  elements: str
root:
  description: The root's certificate in the format of M(community.crypto.x509_certificate_info); none before it is made.
  returned: success
  type: dict
root_path:
  description: File of the root's certificate, the trust anchor.
  returned: success
  type: str
issuing:
  description: The issuing CA's certificate in the same format.
  returned: success
  type: dict
issuing_path:
  description: File of the issuing CA's certificate, the chain that servers send.
  returned: success
  type: str
"""
