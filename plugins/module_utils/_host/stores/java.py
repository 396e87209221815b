# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Java's keystores JKS and JCEKS (sun.security.provider.JavaKeyStore, com.sun.crypto.provider.JceKeyStore).

Only the keys in them are encrypted. Magic, version and the number of entries, then each entry: its kind, alias and date; a key, encrypted, and its chain; or
one trusted certificate. Secret keys of JCEKS are a Java serialization without a length, behind which the next entry is looked for. The checksum at the end
needs the password and is not looked at.
"""

import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.stores.items import Certificate, Item, Key, Trouble, alias_text
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, keys, x509

FORMATS = {b"\xfe\xed\xfe\xed": "jks", b"\xce\xce\xce\xce": "jceks"}
_PRIVATE, _TRUSTED, _SECRET = 1, 2, 3
# Kind, alias, and a date between 1970 and 2109 in milliseconds.
_ENTRY = re.compile(rb"\0\0\0[\x01-\x03](?=\0([\x01-\xff]))", re.DOTALL)
_DATE = re.compile(rb"\0\0[\0-\x03]", re.DOTALL)


class JavaError(ValueError):
    """The keystore cannot be read on, and why."""


class _Cursor:
    """A place in the store, moved on by what is read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        stop = self.at + count
        if stop > len(self.data):
            raise JavaError("it is cut off")
        content = self.data[self.at : stop]
        self.at = stop
        return content

    def number(self, octets: int = 4) -> int:
        return int.from_bytes(self.take(octets), "big")

    def text(self) -> bytes:
        return self.take(self.number(2))


def items(data: bytes) -> t.Iterator[Item]:
    """Yield what stands in a keystore that begins with its magic."""
    form, cursor = FORMATS[data[:4]], _Cursor(data)
    cursor.take(4)
    count = 0
    try:
        version, entries = cursor.number(), cursor.number()
        if version not in (1, 2):
            raise JavaError(f"its version must be 1 or 2, got {version!r}")
        while count < entries:
            yield from _entry(cursor, form, version)
            count += 1
    except JavaError as exc:
        yield Trouble(f"Java keystore cannot be read beyond its first {count} entries: {exc}", True)


def _entry(cursor: _Cursor, form: str, version: int) -> t.Iterator[Item]:
    kind, alias = cursor.number(), alias_text(cursor.text())
    cursor.take(8)  # the date
    if kind == _PRIVATE:
        cursor.take(cursor.number())
        chain = [_certificate(cursor, version) for _link in range(min(cursor.number(), len(cursor.data)))]
        yield from (Certificate(form, content, alias) for content in chain)
        yield Key(_facts(chain, form), alias)
    elif kind == _TRUSTED:
        yield Certificate(form, _certificate(cursor, version), alias)
    elif kind == _SECRET and form == "jceks":
        cursor.at = _next_entry(cursor.data, cursor.at)
    else:
        raise JavaError(f"the kind of the next must be 1, 2 or 3, got {kind!r}")


def _certificate(cursor: _Cursor, version: int) -> bytes:
    if version == 2:
        cursor.text()  # 'X.509'
    return cursor.take(cursor.number())


def _facts(chain: t.Sequence[bytes], form: str) -> keys.KeyFacts:
    """A key entry holds the chain of its key, so that the first certificate says which it is."""
    try:
        return keys.from_public(x509.facts(chain[0]).spki_der, form, encrypted=True)
    except (IndexError, der.DerError):
        return keys.KeyFacts("unknown", form, True, None, None)


def _next_entry(data: bytes, at: int) -> int:
    for match in _ENTRY.finditer(data, at):
        if _DATE.match(data, match.end() + 2 + match.group(1)[0]):
            return match.start()
    return max(at, len(data) - 20)  # the checksum
