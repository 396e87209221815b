#!/usr/bin/python
# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: certificate
short_description: Keep the declared certificates of a host
version_added: 0.1.0
author:
  - The certops.fleet developers (@certops)
description:
  - Looks at the declared certificates and decides which are due.
  - For those the host makes a key and a request, an issuer gives the certificate, and the host installs it in one transaction.
  - The private key never leaves the host. The key of the CA never reaches a host.
  - A service that refuses the new certificate, or does not serve it, gets its old one back, and the task fails for that host.
  - When nothing is due, one exchange with the host is all that happens.
extends_documentation_fragment:
  - certops.fleet.attributes
  - certops.fleet.inventory
  - certops.fleet.spool
options:
  step:
    description:
      - V(all) does whatever is needed.
      - V(look) only looks and decides. It never changes anything.
    type: str
    choices: [all, look]
    default: all
  looked:
    description:
      - What O(step=look) returned for this host a moment ago. The first certificate that it found due is then asked for in the same exchange
        with the host as the look that always comes first, which saves one of three.
      - Nothing is believed of it. A request that the second look does not call for is taken back.
    type: dict
  services:
    description:
      - Entries that are added to the table of services, or change the keys of the entry of the same name; C(docs/services.md) has all keys.
      - The default is the variable C(certops_services).
    type: list
    elements: dict
  issuers:
    description:
      - The issuers, the preferred one first. The default is the variable C(certops_issuers).
    type: list
    elements: dict
  certificates:
    description:
      - The declared certificates of this host. The default is the variable C(certops_certificates).
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the declaration, unique on the host.
        type: str
        required: true
      names:
        description: DNS names and IP addresses of the certificate.
        type: list
        elements: str
        required: true
      certificate_path:
        description: File of the certificate on the host. It holds the chain as well when it did before, or when no other file is declared for it.
        type: str
        required: true
      key_path:
        description:
          - File of the private key. The same as O(certificates[].certificate_path) means one combined file.
          - When left out, it is what the service that uses the certificate names.
          - Without such a service, it is the certificate's own file when that holds a key, else the file beside it that ends in C(.key).
        type: str
      chain_path:
        description: File that holds the chain alone.
        type: str
      fullchain_path:
        description: File that holds certificate and chain.
        type: str
      profile:
        description: What the issuer puts into the certificate. Built in are V(tls_server), V(tls_client) and V(tls_peer).
        type: str
        default: tls_server
      subject:
        description: Further attributes of the subject, such as V(organizationName).
        type: dict
        default: {}
      key_type:
        description: V(auto) keeps the kind of the key that is there when the profile allows it, else takes the profile's.
        type: str
        choices: [auto, ec, rsa, ed25519]
        default: auto
      key_size:
        description: Size of the key in bits; for V(ec) that of the curve.
        type: int
      reuse_key:
        description: Whether the key is kept when the certificate is renewed.
        type: bool
        default: false
      renew_before:
        description:
          - Days before its end, such as V(30), or a percentage of its lifetime, such as V(33%). The default is the profile's.
          - A window that a fresh certificate would enter within two days counts as a third of the lifetime.
        type: raw
      owner:
        description: Owner of the files. Files that are there keep theirs when it is left out.
        type: str
      group:
        description: Group of the files.
        type: str
      mode:
        description: Mode of the certificate's files, such as V('0644').
        type: raw
      key_mode:
        description: Mode of the key's file, such as V('0640').
        type: raw
      services:
        description: Names of the services that use it. When left out, those whose configuration names its files.
        type: list
        elements: str
      check:
        description: A command, as a list, that must succeed after the services were reloaded, for what a handshake cannot show; else everything is undone.
        type: list
        elements: str
      verify:
        description:
          - V(when_seen_before) asks every listener that served the old certificate to serve the new one.
          - V(required) fails when no listener could be seen to serve it.
          - V(none) does not look.
        type: str
        choices: [when_seen_before, required, none]
        default: when_seen_before
      layout:
        description: How the files are exchanged. V(auto) takes the safest way that keeps plain files plain.
        type: str
        choices: [auto, in_place, link, exchange]
        default: auto
      rollback:
        description: Whether the old pair is put back when the new one is not served. V(auto) does not put back a pair that is missing, mismatched or expired.
        type: str
        choices: [auto, always, never]
        default: auto
      takeover:
        description: Whether files that belong to certbot, certmonger or a package are kept here from now on.
        type: bool
        default: false
      managed:
        description: Whether anything is changed; with V(false) what would be done is only told.
        type: bool
        default: true
attributes:
  diff_mode:
    support: full
seealso:
  - module: certops.fleet.host_scan_info
  - module: certops.fleet.ca
"""

EXAMPLES = r"""
- name: Keep what certops_certificates declares
  certops.fleet.certificate:

- name: Keep one certificate of nginx
  certops.fleet.certificate:
    certificates:
      - name: web
        names: [www.example.com, 192.0.2.10]
        certificate_path: /etc/nginx/tls/web.pem
        key_path: /etc/nginx/tls/web.key
        renew_before: 33%

- name: See what would be done
  certops.fleet.certificate:
    step: look
  register: looked

- name: Do it
  certops.fleet.certificate:
    looked: "{{ looked }}"
"""

RETURN = r"""
certificates:
  description: One item a declared certificate.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the declaration.
      type: str
    actions:
      description: What was or would be done, of C(issue), C(install_staged), C(chain), C(attributes) and C(reload); empty when nothing is to be done.
      type: list
      elements: str
    reasons:
      description: Why, each with C(when) (C(now) or C(at_renewal)), C(code) and C(text).
      type: list
      elements: dict
    told:
      description: What a person should know and what changes nothing.
      type: list
      elements: str
    outcome:
      description: C(committed), C(undone), C(unchanged), C(unknown) or C(failed).
      type: str
    text:
      description: One sentence.
      type: str
    services:
      description: One line a service.
      type: list
      elements: str
    verified:
      description: Whether handshakes showed the new certificate; null when nothing was looked at.
      type: bool
    verified_reason:
      description: Why it is not verified.
      type: str
    validated:
      description: >-
        C(before_swap) when the services' own validation saw the staged files before anything was exchanged, C(after_swap) where the host
        does not allow that, C(own_checks) when no service has a validation.
      type: str
    layout:
      description: How the files were exchanged, of C(combined), C(link), C(in_place) and C(exchange).
      type: str
    old:
      description: SHA-256 of the certificate that was there.
      type: str
    new:
      description: SHA-256 of the certificate that is there now.
      type: str
    due_at:
      description: When it is due, as C(2026-11-23T12:00:00Z).
      type: str
    new_key:
      description: The key that is to be made for a new certificate, with C(type), C(size), C(curve) and C(reuse); null when none is due or one is staged.
      type: dict
declared:
  description: Names of the declared certificates.
  returned: success
  type: list
  elements: str
due:
  description: Names of those that are due for renewal.
  returned: success
  type: list
  elements: str
pending:
  description: Whether there is anything to do.
  returned: success
  type: bool
recovered:
  description: What an earlier run left open on the host, each with what became of it. A run that only looks leaves it open.
  returned: success
  type: list
  elements: str
spooled:
  description: Whether something is not in the inventory yet, because that went away in the middle. It waits in O(spool) for the next run.
  returned: success
  type: bool
"""
