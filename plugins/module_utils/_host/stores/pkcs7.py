# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PKCS #7 and CMS messages (RFC 5652): the certificates and revocation lists that stand beside what is signed, mostly nothing."""

import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.stores.items import Certificate, Item, Record, Tools, Trouble
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, pem, records

FORMAT = "pkcs7"
_MESSAGE = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"  # 1.2.840.113549.1.7, below which all kinds of messages lie
_SIGNED = _MESSAGE + b"\x02"
_FURTHEST = 6 + len(_SIGNED)  # tag and length of the message, then its kind
_CONTENT, _CERTIFICATES, _LISTS = 0xA0, 0xA0, 0xA1


def is_message(data: bytes) -> bool:
    """Whether DER or BER begins like a message."""
    return _MESSAGE in data[:_FURTHEST]


def items(data: bytes, tools: Tools) -> t.Iterator[Item]:
    """Yield what stands in a message; openssl reads those of indefinite length (X.690 section 8.1.3.6)."""
    if _SIGNED not in data[:_FURTHEST]:
        yield Trouble("PKCS #7 message that holds no certificates", False)
        return
    try:
        found = list(_signed(data))
    except der.DerError as exc:
        if b"\x80" in data[1 : _FURTHEST + 8]:
            yield from _by_openssl(data, tools)
        else:
            yield Trouble(f"PKCS #7 message cannot be read: {exc}", True)
        return
    yield from found


def _signed(data: bytes) -> t.Iterator[Item]:
    content = der.members(der.read(data)[0].raw, der.OBJECT_IDENTIFIER, _CONTENT)[1]
    for part in der.members(content.content, der.INTEGER, der.SET, der.SEQUENCE)[3:]:
        if part.tag == _CERTIFICATES:
            yield from (Certificate(FORMAT, one.raw) for one in der.children(part.content) if one.tag == der.SEQUENCE)
        elif part.tag == _LISTS:
            yield from (_record(one.raw) for one in der.children(part.content) if one.tag == der.SEQUENCE)


def _record(content: bytes) -> Record:
    kind, facts = records.facts(content)
    return Record(kind, FORMAT, facts)


def _by_openssl(data: bytes, tools: Tools) -> t.Iterator[Item]:
    finished = tools.openssl("pkcs7", "-inform", "DER", "-print_certs", given=data, limit=2 * len(data) + 65536)
    if finished is None or finished.code != 0:
        yield Trouble("PKCS #7 message of indefinite length cannot be read by the host's openssl", True)
        return
    for block in pem.blocks((finished.output,)):
        if block.content is not None and block.label == "CERTIFICATE":
            yield Certificate(FORMAT, block.content)
        elif block.content is not None and block.label == "X509 CRL":
            yield _record(block.content)
