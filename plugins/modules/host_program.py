#!/usr/bin/python
# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
DOCUMENTATION = r"""
---
module: host_program
short_description: Runs the host side of certops.fleet as a module
version_added: 0.1.0
description:
  - The action plugins of this collection send a small program to the host through the connection. Where a connection cannot carry it
    (no pipelining, a terminal that is forced), they run the same functions by this module.
  - It is not called by users.
author:
  - The certops.fleet developers (@certops)
options:
  verb:
    description: What is asked of the host.
    type: str
    required: true
  request:
    description: The request, compressed JSON as base64 text.
    type: str
    required: true
attributes:
  check_mode:
    description: The action plugin decides what is asked in check mode.
    support: full
  diff_mode:
    description: The action plugin shows differences.
    support: none
  platform:
    description: Target operating systems.
    support: full
    platforms: posix
notes:
  - Both options are never logged.
"""

EXAMPLES = r"""
- name: Look at the certificates of a host, which runs this module where it has to
  certops.fleet.host_scan_info:
"""

RETURN = r"""
answer:
  description: The answer, compressed JSON as base32 text, in which no value of an option can occur.
  type: str
  returned: always
"""

import base64
import binascii
import json
import zlib

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.certops.fleet.plugins.module_utils._host import (
    verb_discard,
    verb_endpoints,
    verb_inspect,
    verb_install,
    verb_outcome,
    verb_request,
    verb_scan,
)
from ansible_collections.certops.fleet.plugins.module_utils._host.program import packed_answer

# A module carries what it imports; the program finds the verb by its name.
CARRIED = (verb_discard, verb_endpoints, verb_inspect, verb_install, verb_outcome, verb_request, verb_scan)


def main() -> None:
    module = AnsibleModule(
        argument_spec={"verb": {"type": "str", "required": True, "no_log": True}, "request": {"type": "str", "required": True, "no_log": True}},
        supports_check_mode=True,
    )
    try:
        request = json.loads(zlib.decompress(binascii.a2b_base64(module.params["request"])).decode("utf-8"))
    except (ValueError, zlib.error) as exc:
        module.fail_json(msg=f"request must be base64 text of compressed JSON: {type(exc).__name__}")
    # Ansible replaces values of options that are not logged wherever they occur in a result; base32 has no lower-case letter.
    module.exit_json(changed=False, answer=base64.b32encode(packed_answer(request)).decode("ascii"))


if __name__ == "__main__":
    main()
