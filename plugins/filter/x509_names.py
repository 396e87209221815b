# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: x509_names
short_description: The names that a certificate is for
version_added: 0.1.0
author:
  - The certops.fleet developers (@certops)
description:
  - Gives the DNS names and addresses of a certificate without what stands before them, in small letters and each once. Without any, its common name.
  - They come from the certificate. They are data and not to be templated.
positional: _input
options:
  _input:
    description: A certificate, as M(certops.fleet.inventory_info) or M(community.crypto.x509_certificate_info) gives it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: List every name that certificates in use are for
  ansible.builtin.debug:
    msg: "{{ query('certops.fleet.certificates') | certops.fleet.in_use | map('certops.fleet.x509_names') | flatten | unique }}"

- name: See what is left of a name
  ansible.builtin.assert:
    that: certificate | certops.fleet.x509_names == ['www.example.com', '192.0.2.1']
  vars:
    certificate:
      subject: {commonName: Web}
      subject_alt_name: ['DNS:WWW.example.com', 'IP:192.0.2.1', 'email:web@example.com']
"""

RETURN = r"""
_value:
  description: The names.
  type: list
  elements: str
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.certops.fleet.plugins.plugin_utils._questions.documents import names


def x509_names(certificate: t.Any) -> list[str]:
    try:
        return names(certificate)
    except ValueError as exc:
        raise AnsibleFilterError(str(exc)) from None


class FilterModule:
    """Ansible's entry."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"x509_names": x509_names}
