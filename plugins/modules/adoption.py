#!/usr/bin/python
# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: adoption
short_description: Declare the certificates that a discovery found
version_added: 0.1.0
description:
  - Makes an item of C(certops_certificates) for each certificate of the inventory that lies in a file which is in use or installed, and that is not declared
    yet. It says C(managed=false), so that nothing is changed on a host until a person has said yes.
  - The items are written to C(host_vars/<host>/certops_certificates.yml) beside the Ansible inventory, or below O(path). What stands in such a file is not
    changed, not even its comments, new items are put behind it. A file that holds anything else, and one that would hide other variables of the host or be
    hidden by them, is left as it is and told.
  - Names, files, owner, group, modes, kind of key, subject and services are those that were found. What the files of a certificate do not have in common,
    such as the owner, is not declared, and each file keeps its own.
  - What cannot be adopted is returned with the reason. Trust stores, histories, backups and the like are none of its business, as certificates of CAs without
    a key are.
  - Runs on the controller alone, once for all hosts. No host is contacted.
author:
  - The certops.fleet developers (@certops)
extends_documentation_fragment:
  - certops.fleet.attributes
  - certops.fleet.inventory
attributes:
  diff_mode:
    support: full
options:
  hosts:
    description:
      - Hosts whose certificates are adopted, by their names in the Ansible inventory.
      - The default are those of the play, within C(--limit).
    type: list
    elements: str
  path:
    description:
      - Folder on the controller that the files are written to, as C(<path>/<host>/certops_certificates.yml). Ansible does not read them there.
      - The default is the folder C(host_vars) beside the inventory that the host comes from.
    type: path
  takeover:
    description:
      - Declare certificates, too, that another renewer such as certbot keeps, with C(takeover=true). That one has to be ended before they are managed.
    type: bool
    default: false
requirements:
  - SQLAlchemy (2.0 or later)
  - alembic (1.13 or later)
  - cryptography (42 or later)
seealso:
  - module: certops.fleet.host_scan_info
  - module: certops.fleet.certificate
"""

EXAMPLES = r"""
- name: Look at what is there
  certops.fleet.host_scan_info:
    paths: [/etc/nginx/tls]

- name: Write declarations for what the last discovery found, to be reviewed
  certops.fleet.adoption:
    path: /srv/certops/adopted
  run_once: true
  register: adopted

- name: Tell what was not adopted, and why
  ansible.builtin.debug:
    var: adopted.not_adopted
  run_once: true
"""

RETURN = r"""
files:
  description: The files that were written, in check mode those that would be.
  returned: success
  type: list
  elements: str
  sample: [/srv/ansible/host_vars/web1.example.com/certops_certificates.yml]
adopted:
  description: What was declared.
  returned: success
  type: list
  elements: dict
  sample:
    - {host: web1.example.com, name: www.example.com, certificate_path: /etc/nginx/tls/web.pem, takeover: false}
not_adopted:
  description: Files with certificates that were not declared.
  returned: success
  type: list
  elements: dict
  sample:
    - {host: web1.example.com, path: /opt/app/old.pem, reason: it has expired}
not_written:
  description: Hosts whose file was left as it is, with the reason and the declarations that it lacks.
  returned: success
  type: list
  elements: dict
not_discovered:
  description: Hosts of which nothing can be said, and why.
  returned: success
  type: list
  elements: dict
lines:
  description:
    - All of this as sentences.
    - Texts come from certificates and hosts. They are data and not to be templated.
  returned: success
  type: list
  elements: str
"""
