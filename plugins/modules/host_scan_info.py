#!/usr/bin/python
# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: host_scan_info
short_description: Find every certificate on a host
version_added: 0.1.0
author:
  - The certops.fleet developers (@certops)
description:
  - Looks into the files of a host by their content, not by their names, and ties each certificate to the service that uses it.
  - No package is needed on the host; Python 3.6 or later is enough. Nothing is written there but what O(cache_days) says,
    and of a host with more than 5,000 places the rest of the answer, in a file that its user alone may read, until the controller has asked for it.
  - What was found is recorded in the inventory of the controller. What was not looked into is said.
extends_documentation_fragment:
  - certops.fleet.attributes
  - certops.fleet.inventory
  - certops.fleet.spool
options:
  paths:
    description:
      - Folders and files to look into, instead of the default paths, which C(docs/discovery.md) lists with all that is left out.
      - Files that a service's configuration, a unit or a running process names are always looked at.
    type: list
    elements: str
    default: []
  exclude:
    description:
      - Patterns of paths that are left out beside the default ones, such as V(/srv/backup/*).
    type: list
    elements: str
    default: []
  home:
    description:
      - Whether V(/home) is looked into.
    type: bool
    default: false
  max_file_size:
    description:
      - Size in bytes above which a file is not read but counted.
    type: int
    default: 2097152
  max_seconds:
    description:
      - Time after which the scan ends and says what is left over. V(0) means no limit.
      - The next scan of the host begins with what was left over, where O(cache_days) lets the host remember it.
    type: int
    default: 0
  nice:
    description:
      - How far the scan steps back behind what else runs on the host, as C(nice) does it, from V(0) to V(19).
    type: int
    default: 10
  max_processes:
    description:
      - How many processes of the host's may read files at the same time, from V(1) to V(64), in a scan that reads more than 2,000 files.
        They are no more than the host has processors, step back as O(nice) says and end with the scan, which is the same with any number of them.
      - With V(1) the scan is one process.
    type: int
    default: 2
  full:
    description:
      - Whether every file is read, also those that have not changed since the last scan.
    type: bool
    default: false
  cache_days:
    description:
      - For so many days root remembers on the host, in C(/var/lib/certops/scan.cache), what each file held; files that have not changed since
        (device, inode, size and both times) are not read again. After that everything is read once more.
      - V(0) means that nothing is remembered. What is no certificate's is not in it, and nobody but root can read it.
      - A file is read again where the inventory does not have a certificate in it, because another controller asks or the inventory is a new one.
      - Nothing is remembered of files with a problem, and where the scan does not run as root. A locked store is read again whenever there are
        O(store_passwords).
    type: int
    default: 7
  probe:
    description:
      - Which listeners are looked at on loopback, to see what they serve. RV(not_loaded) then names those that have not loaded what their files hold.
      - V(services) looks at the services that were found and run, V(all) at everything that listens, which other servers may write into their logs.
    type: str
    choices: [none, services, all]
    default: services
  return_certificates:
    description:
      - Whether everything that was found is returned. It goes into the inventory in any case; thousands of values are slow in a play.
    type: bool
    default: false
  record:
    description:
      - Whether the result is written into the inventory, in one transaction for the host. Never in check mode.
    type: bool
    default: true
  services:
    description:
      - Entries that are added to the table of services, or change the keys of the entry of the same name; C(docs/services.md) has all keys.
      - The default is the variable C(certops_services).
    type: list
    elements: dict
  store_passwords:
    description:
      - Passwords that are tried, in order, on PKCS#12 stores which neither the empty password nor none opens. C(openssl) on the host opens them and reads
        the password on its standard input.
      - JKS, JCEKS and NSS stores are read without any password.
      - The default is the variable C(certops_store_passwords).
    type: list
    elements: str
notes:
  - A complete scan needs root; without it, what could not be read is told in RV(problems).
seealso:
  - module: certops.fleet.inventory_info
  - module: certops.fleet.certificate
"""

EXAMPLES = r"""
- name: Find and record the certificates of every host
  certops.fleet.host_scan_info:

- name: Look into one folder and see what is there
  certops.fleet.host_scan_info:
    paths: [/etc/ssl/private]
    return_certificates: true
    record: false
  register: found

- name: Show where each certificate lies
  ansible.builtin.debug:
    msg: "{{ item.not_after }} {{ item.places | map(attribute='path') | join(' ') }}"
  loop: "{{ found.certificates }}"
  loop_control:
    label: "{{ item.sha256 }}"
"""

RETURN = r"""
certificates:
  description:
    - Every certificate once, with the field names and formats of M(community.crypto.x509_certificate_info).
    - One that cannot be parsed has C(sha256), C(places) and C(problem).
  returned: when O(return_certificates=true)
  type: list
  elements: dict
  contains:
    sha256:
      description: SHA-256 of the certificate's DER, lower-case hexadecimal.
      type: str
    places:
      description: Where it lies, with path, entry, alias (in a store), format, owner, group, mode, class and services.
      type: list
      elements: dict
    problem:
      description: What of it could not be parsed.
      type: str
services:
  description:
    - The services that were found, with their listeners, the files they name, and in C(served) what the listeners show.
    - The C(state) of that is C(same) as in the files, C(not_loaded) when the files hold another one, or C(unknown) to the disk.
  returned: when O(return_certificates=true)
  type: list
  elements: dict
private_keys:
  description:
    - Private keys by kind, place and public key; never their content.
    - C(readers) are the accounts besides owner and root that can read the file, at most 50 of C(readers_count); C(everyone) says that any account can.
      All are null where the host does not tell. C(docs/discovery.md) says what is not considered.
  returned: when O(return_certificates=true)
  type: list
  elements: dict
trust_stores:
  description:
    - Stores of trust anchors by C(path) and C(kind), which is C(debian), C(rhel), C(suse), C(java) or C(nss), with the C(count) of anchors.
    - C(added) and C(removed) are the anchors that the package of the distribution did not ship, or that are no longer there, with C(sha256), C(path) and
      C(why). Both are null where that cannot be told, and C(reason) says why. C(verified) says whether the package's files were compared with what it shipped.
  returned: when O(return_certificates=true)
  type: list
  elements: dict
bundles:
  description: Bundles of trust anchors by their hash, with their places.
  returned: when O(return_certificates=true)
  type: list
  elements: dict
locked:
  description: Stores that could not be opened, places with C(path), C(format), C(state=locked) and C(reason). They are neither an error nor a problem.
  returned: when O(return_certificates=true)
  type: list
  elements: dict
crls:
  description: Revocation lists in files, each with C(path), C(issuer), C(this_update), C(next_update) and the number of C(entries).
  returned: when O(return_certificates=true)
  type: list
  elements: dict
requests:
  description: Certificate requests in files, each with C(path), C(subject), C(key_type) and C(spki), the SHA-256 of the public key.
  returned: when O(return_certificates=true)
  type: list
  elements: dict
summary:
  description:
    - Counts of files (those not read again in C(unchanged)), folders, bytes, certificates, places, keys, bundles, locked stores, crls, requests,
      SSH host certificates, anchors added to and removed from trust stores, and listeners looked at, and the seconds it took.
  returned: success
  type: dict
problems:
  description: What could not be read, each with C(path) and C(reason); at most 50, the rest is in the inventory.
  returned: success
  type: list
  elements: dict
passed_over:
  description: What was not looked into, each with C(path), C(reason) and C(count); at most 50, the rest is in the inventory.
  returned: success
  type: list
  elements: dict
left_over:
  description: Paths that O(max_seconds) left over.
  returned: success
  type: list
  elements: str
complete:
  description: Whether everything that was asked for was looked into.
  returned: success
  type: bool
privileged:
  description: Whether the scan ran as root.
  returned: success
  type: bool
not_loaded:
  description: Listeners that serve another certificate than the files of their service hold, with C(service), C(address), C(port) and C(sha256); at most 50.
  returned: success
  type: list
  elements: dict
recorded:
  description: Whether the result is in the inventory.
  returned: success
  type: bool
spooled:
  description: Whether the result waits in O(spool) for the next run, because the inventory went away while the host was looked at.
  returned: success
  type: bool
twins:
  description: Other hosts of the inventory that have the same machine-id, product UUID or SSH host key.
  returned: success
  type: list
  elements: str
"""
