# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: certificates
short_description: Hosts grouped by the state of their certificates
version_added: 0.1.0
author:
  - The certops.fleet developers (@certops)
description:
  - Gives the hosts of the central inventory of certificates, so that C(hosts=cert_expiring_30d) works in any playbook. No host is contacted.
  - The file must end with C(certops.yml) or C(certops.yaml).
  - Only certificates that are in use or installed and not gone count, as in M(certops.fleet.report), and what listeners of a host showed.
  - C(cert_expired), C(cert_weak_key), C(cert_revoked_in_use) and one C(cert_expiring_<days>d) for each of O(expiring_days) are always there. A host
    is in C(cert_revoked_in_use) when an issuance of this collection that was revoked left its certificate there.
  - C(cert_issuer_<name>_<hash>) holds the hosts with a certificate of an issuer. The name is what is left of its common name in lower-case letters,
    digits and underscores, and the hash is a part of that of its whole name, so that issuers with names alike do not become one group.
    C(cert_issuer_<name>_*) is a pattern for all of them. Certificates that issued themselves are in C(cert_issuer_self), and where there are more than
    1000 issuers, those that the fewest hosts have in C(cert_issuer_other).
  - C(cert_owner_<name>_<hash>) holds the hosts with a certificate that somebody answers for, as M(certops.fleet.ownership) says, and C(cert_owner_none)
    those with one that nobody answers for, those of CAs aside. C(cert_application_<name>_<hash>), C(cert_business_service_<name>_<hash>),
    C(cert_environment_<name>_<hash>) and C(cert_criticality_<name>_<hash>) are made of the other attributes. Names and limits are as those of issuers.
  - Each host has its certificates in the variable C(certops_certificates_found), one for each place, with C(namespace), C(path), C(class), C(services),
    C(sha256), C(serial), C(common_name), C(name), C(issuer), C(not_after), C(days_remaining), C(status), C(public_key_type), C(public_key_size),
    C(weak_key), C(revoked), C(owner), C(application), C(business_service), C(environment) and C(criticality). Its texts come from certificates and files.
    They are data and never templated.
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [certops.fleet.certificates]
  inventory:
    description:
      - URL of the inventory, as in M(certops.fleet.inventory_info).
      - The default is C(certops_inventory) where that is given with C(-e), and without it an SQLite file below the user's data folder. What variables of
        groups say is not known when hosts are made.
    type: str
    aliases: [url]
    env:
      - name: CERTOPS_INVENTORY
    vars:
      - name: certops_inventory
  namespace:
    description:
      - Only hosts of this namespace, which is the C(certops_environment) that they were recorded with.
      - When not given, hosts of the same name in several namespaces are one host, which is told.
    type: str
  existing_hosts_only:
    description: Whether only hosts count that an inventory before this one has given. The central inventory also knows hosts that are no longer managed.
    type: bool
    default: false
  expiring_days:
    description: Certificates that end within so many days and have not ended yet put their host into C(cert_expiring_<days>d).
    type: list
    elements: int
    default: [30]
  rsa_bits:
    description: Keys of RSA and DSA with fewer bits are weak.
    type: int
    default: 2048
  ecc_bits:
    description: Keys on elliptic curves with fewer bits are weak.
    type: int
    default: 224
requirements:
  - SQLAlchemy (2.0 or later)
  - alembic (1.13 or later)
  - cryptography (42 or later)
notes:
  - O(cache) keeps what was read, not the groups; what has expired since then is in the right one.
"""

EXAMPLES = r"""
# certops.yml: ansible-playbook -i hosts.yml -i certops.yml replace.yml, where the play has hosts=cert_expired:cert_expiring_14d
plugin: certops.fleet.certificates
inventory: sqlite:////srv/certops/inventory.db
namespace: production
existing_hosts_only: true
expiring_days: [14, 30]
groups:
  nginx_expiring: certops_certificates_found | selectattr('days_remaining', 'lt', 14) | selectattr('services', 'contains', 'nginx') | list | length > 0
keyed_groups:
  - key: certops_certificates_found | map(attribute='public_key_type') | unique | list
    prefix: key
"""

import hashlib
import typing as t

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.unsafe_proxy import wrap_var

from ansible_collections.certops.fleet.plugins.plugin_utils._action.run import now
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.store import open_inventory
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import seconds
from ansible_collections.certops.fleet.plugins.plugin_utils._questions.groups import GROUPS_LIMIT, Hosts, Limits, group_hosts

VARIABLE = "certops_certificates_found"


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Ansible's entry."""

    NAME = "certops.fleet.certificates"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith(("certops.yml", "certops.yaml"))

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        try:
            limits = Limits.from_options(self.get_option("expiring_days"), self.get_option("rsa_bits"), self.get_option("ecc_bits"))
            read = self._cached(path, use=cache)
            hosts = group_hosts((tuple(pair) for pair in read["hosts"]), read["rows"], now=seconds(now()), limits=limits)
        except ValueError as exc:
            raise AnsibleParserError(str(exc)) from None
        self._tell(hosts)
        self._populate(hosts)

    def _cached(self, path: str, *, use: bool) -> dict[str, t.Any]:
        """What the inventory holds, from the cache where that is wanted and has it."""
        if not self.get_option("cache"):
            return self._read()
        asked = f"purpose\n{self.get_option('inventory')}\n{self.get_option('namespace')}"  # begins with what rows have had last
        key = f"{self.get_cache_key(path)}_{hashlib.sha256(asked.encode()).hexdigest()[:8]}"
        if use:
            try:
                return dict(self._cache[key])
            except KeyError:
                pass
        self._cache[key] = read = self._read()
        return read

    def _read(self) -> dict[str, t.Any]:
        namespace = self.get_option("namespace")
        with open_inventory(self.get_option("inventory"), now=now, missing="refuse") as inventory:
            return {"hosts": [list(pair) for pair in inventory.host_names(namespace)], "rows": list(inventory.on_hosts(namespace))}

    def _tell(self, hosts: Hosts) -> None:
        if hosts.ambiguous:
            self.display.warning(f"{len(hosts.ambiguous)} hosts are in several namespaces of the inventory and become one, such as {hosts.ambiguous[0]!r}")
        if hosts.refused:
            self.display.warning(f"{len(hosts.refused)} hosts of the inventory have names that Ansible cannot take, such as {hosts.refused[0]!r}")
        for kind, count in hosts.crowded.items():
            self.display.warning(f"{count} groups cert_{kind}_… would be made: {GROUPS_LIMIT} are, and the hosts of the others share cert_{kind}_other")

    def _populate(self, hosts: Hosts) -> None:
        known = self.inventory.hosts if self.get_option("existing_hosts_only") else hosts.found
        wanted = {name: found for name, found in hosts.found.items() if name in known}
        for name in wanted:
            self.inventory.add_host(name)
        for group, members in hosts.groups.items():
            here = [name for name in members if name in wanted]
            if here or group in hosts.fixed:
                self.inventory.add_group(group)
            for name in here:
                self.inventory.add_host(name, group=group)
        for name, found in wanted.items():
            self._set_variables(name, wrap_var(found))

    def _set_variables(self, name: str, found: t.Any) -> None:
        """C(found) is marked: ansible-core before 2.19 would template what variables of an inventory say."""
        self.inventory.get_host(name).set_variable(VARIABLE, found)
        variables, strict = {**self.inventory.get_host(name).get_vars(), VARIABLE: found}, self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, name, strict=strict)
