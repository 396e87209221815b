# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What DER, a block of PEM or a base64 text holds that is neither a certificate nor a plain key."""

import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.stores import pkcs7, pkcs12
from ansible_collections.certops.fleet.plugins.module_utils._host.stores.items import Item, Record, Tools, Trouble
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, records

_RECORDS = ("X509 CRL", "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")


def of_der(data: bytes, tools: Tools) -> t.Iterator[Item]:
    """Yield what a store, a message, a list or a request in DER (or BER) holds; nothing when it is none of these."""
    if pkcs12.is_store(data):
        yield from pkcs12.items(data, tools)
    elif pkcs7.is_message(data):
        yield from pkcs7.items(data, tools)
    else:
        try:
            kind, facts = records.facts(der.read(data)[0].raw)
        except der.DerError:
            return
        yield Record(kind, "der", facts)


def of_block(label: str, content: bytes, tools: Tools) -> t.Iterator[Item]:
    """Yield what the PEM block of a message, a list or a request holds."""
    if label not in _RECORDS:
        yield from pkcs7.items(content, tools)
        return
    try:
        kind, facts = records.facts(content)
    except der.DerError as exc:
        yield Trouble(f"a block {label!r} cannot be read: {exc}", True)
        return
    yield Record(kind, "pem", facts)
