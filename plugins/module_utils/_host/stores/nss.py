# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of NSS (cert9.db): certificates and revocation lists, read by Python's sqlite3 from a copy in memory: nothing is made beside the file.

Table nssPublic has one object of PKCS #11 a row; a column is named 'a' and the attribute's number in hexadecimal. The keys lie in key4.db, encrypted.
"""

import os
import time
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.stores.items import Certificate, Item, Locked, Record, Trouble, alias_text
from ansible_collections.certops.fleet.plugins.module_utils._host.x509 import der, records

FORMAT = "nss"
_SECONDS = 10
_MEMORY = "/dev/shm"  # noqa: S108 (what is written there has a name that nobody can guess, for a moment)
_NO_LOG = b"\1\1"  # bytes 18 and 19: not in the mode of a write-ahead log, which would be looked for beside the file
_MOST_OBJECTS = 20000
_LARGEST_OBJECT = 1 << 20
_CERTIFICATE, _LIST = 1, 0xCE534351  # CKO_CERTIFICATE, CKO_NSS_CRL
_NO_VALUE = b"\xa5\x00\x5a"  # what NSS stores for an attribute that is there and empty
# CKA_CLASS, CKA_LABEL and CKA_VALUE
_QUERY = "SELECT a0, a3, a11 FROM nssPublic WHERE typeof(a0) = 'blob' AND typeof(a11) = 'blob' AND length(a11) <= ? LIMIT ?"


def items(data: bytes) -> t.Iterator[Item]:
    """Yield what stands in a database."""
    try:
        rows = asked(data, _QUERY, (_LARGEST_OBJECT, _MOST_OBJECTS))
    except ImportError:
        yield Locked(FORMAT, "the host's Python has no sqlite3")
        return
    if rows is None:
        yield Trouble("NSS database cannot be read", True)
        return
    for row in rows:
        yield from _items(*row)


def asked(data: bytes, query: str, values: t.Sequence[t.Any]) -> t.Optional[t.List[t.Tuple[t.Any, ...]]]:
    """Return the rows that a query finds in a database, None where it cannot be read; raise ImportError where Python has no sqlite3."""
    import sqlite3  # noqa: PLC0415 (not every interpreter has it, and few hosts have such a database)

    try:
        return _rows(sqlite3, data[:18] + _NO_LOG + data[20:], query, values)
    except (sqlite3.Error, ValueError, OverflowError):  # its text may hold what the file holds
        return None


def _rows(sqlite3: t.Any, data: bytes, query: str, values: t.Sequence[t.Any]) -> t.List[t.Tuple[t.Any, ...]]:
    connection = sqlite3.connect(":memory:")
    if _can_deserialize(connection):
        connection.deserialize(data)
    else:
        connection.close()
        connection = _copied(sqlite3, data)
    end = time.monotonic() + _SECONDS
    try:
        connection.set_progress_handler(lambda: time.monotonic() > end, 10000)  # a schema may be made to never end
        return t.cast("t.List[t.Tuple[t.Any, ...]]", connection.execute(query, values).fetchall())
    finally:
        connection.close()


def _can_deserialize(connection: t.Any) -> bool:
    """Whether Python opens what it has in memory: from 3.11 on, if its sqlite can."""
    return hasattr(connection, "deserialize")


def _copied(sqlite3: t.Any, data: bytes) -> t.Any:
    """Open a copy on a file system in memory, whose name is gone at once; sqlite does not open what has no name."""
    import tempfile  # noqa: PLC0415 (see above)

    with tempfile.NamedTemporaryFile(dir=_MEMORY if os.path.isdir(_MEMORY) else None) as file:
        file.write(data)
        file.flush()
        connection = sqlite3.connect(f"file:{file.name}?mode=ro&immutable=1", uri=True)
        connection.execute("SELECT count(*) FROM sqlite_master")  # opens it
        return connection


def _items(kind: bytes, label: t.Any, value: bytes) -> t.Iterator[Item]:
    number = int.from_bytes(kind, "big")
    if number == _CERTIFICATE and value != _NO_VALUE:
        usable = isinstance(label, bytes) and label != _NO_VALUE
        yield Certificate(FORMAT, value, alias_text(label) if usable else None)
    elif number == _LIST:
        try:
            found, facts = records.facts(value)
        except der.DerError as exc:
            yield Trouble(f"a revocation list cannot be read: {exc}", True)
            return
        yield Record(found, FORMAT, facts)
