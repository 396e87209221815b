# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files of a certificate are to hold."""

import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.declared import Declared
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction.found import Found, key_block
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import pem

_KEPT = ("DH PARAMETERS", "X9.42 DH PARAMETERS")  # haproxy reads them from the combined file


def contents(declared: Declared, found: Found, key: bytes, leaf: bytes, chain: t.Sequence[bytes]) -> t.Dict[str, bytes]:
    """Return the content of every file by its role; `key` is the PEM text of the private key."""
    leaf_text, chain_text = certificates(leaf), certificates(*chain)
    inside = chain_text if _chain_inside(declared, found) else b""
    every = {
        "combined": leaf_text + chain_text + key + _parameters(found),
        "certificate": leaf_text + inside,
        "key": key,
        "chain": chain_text,
        "fullchain": leaf_text + chain_text,
    }
    return {role.name: every[role.name] for role in declared.roles}


def certificates(*ders: bytes) -> bytes:
    """Return certificates as PEM text."""
    return b"".join(pem.encode("CERTIFICATE", one) for one in ders)


def present_key(found: Found) -> t.Optional[bytes]:
    """Return the private key that is in place as PEM text, None when there is none or it cannot be read without a passphrase."""
    file = found.file("key", "combined")
    block = None if file is None or file.key is None or file.key.encrypted else key_block(file.content)
    return None if block is None or block.content is None else pem.encode(block.label, block.content)


def _chain_inside(declared: Declared, found: Found) -> bool:
    """Does the certificate's file hold its chain, too? As declared, else as it is, else when there is no other file for the chain."""
    if declared.chain_in_certificate is not None:
        return declared.chain_in_certificate
    file = found.file("certificate")
    if file is not None and len(file.certificates) > 1:
        return True
    return declared.role("chain", "fullchain") is None


def _parameters(found: Found) -> bytes:
    file = found.file("combined")
    if file is None:
        return b""
    return b"".join(pem.encode(block.label, block.content) for block in pem.blocks((file.content,)) if block.label in _KEPT and block.content)
