# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of OpenSSH (PROTOCOL.certkeys): only whether a file holds one of a host."""

import binascii

from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import keys

_HOST = 2  # SSH_CERT_TYPE_HOST
# How many texts stand between the nonce and the serial.
_KEY_TEXTS = {b"ssh-rsa": 2, b"ssh-dss": 4, b"ecdsa": 2, b"ssh-ed25519": 1, b"sk-ecdsa": 3, b"sk-ssh-ed25519": 2}


def is_host_certificate(text: bytes) -> bool:
    """Whether the first line of a public key file is the certificate of a host."""
    words = text.split(b"\n", 1)[0].split()
    try:
        content = binascii.a2b_base64(words[1])
        kind, at = keys.ssh_string(content, 0)
        count = max((len(name), texts) for name, texts in _KEY_TEXTS.items() if kind.startswith(name))[1]
        for _text in range(1 + count):
            _content, at = keys.ssh_string(content, at)
    except (IndexError, ValueError):
        return False
    return int.from_bytes(content[at + 8 : at + 12], "big") == _HOST
