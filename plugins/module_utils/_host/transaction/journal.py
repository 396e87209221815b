# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a transaction: what it is about to do is on the disk before it does it."""

import json
import os
import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.base import HostError
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text
from ansible_collections.certops.fleet.plugins.module_utils._host.transaction import files

# requesting -> requested -> staging -> staged -> swapping -> swapped -> reloaded -> looked -> committed, or undone, or failed
CLOSED = ("requested", "committed", "undone", "failed", "moved")
KEY, REQUEST, LEAF, CHAIN = b"key.pem", b"csr.der", b"leaf.pem", b"chain.pem"
MATERIAL = (KEY, REQUEST, LEAF, CHAIN)
OLD = b"old"
MOST_ATTEMPTS = 2  # installations of one staged certificate
EXPIRES = 7 * 86400  # seconds that a staged key is kept

_NAME = re.compile("[0-9a-f]{32}")
_FILE = b"journal.json"


class Journal:
    """One transaction's folder and record; `data` holds JSON values only and no secret."""

    def __init__(self, folder: bytes, data: t.Dict[str, t.Any]) -> None:
        """Take a record that is on the disk, or is to be written next."""
        self.folder = folder
        self.data = data

    @property
    def state(self) -> str:
        """How far the transaction has come."""
        return str(self.data["state"])

    @property
    def transaction(self) -> str:
        """The 32 hexadecimal digits that the controller chose."""
        return str(self.data["transaction"])

    def write(self, **changes: t.Any) -> None:
        """Take the changes over and bring the record to the disk."""
        self.data.update(changes)
        write_json(self.path(_FILE), self.data)

    def result(self, verb: str) -> t.Any:
        """Return what `verb` has answered in this transaction, None when it has not."""
        return self.data["results"].get(verb)

    def with_result(self, verb: str, result: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
        """Return the results with this one; to be written together with the state that it belongs to."""
        return dict(self.data["results"], **{verb: result, "last": verb})

    def path(self, name: bytes) -> bytes:
        """Return the path of a file of this transaction."""
        return os.path.join(self.folder, name)

    def has(self, name: bytes) -> bool:
        """Is there such a file in this transaction's folder?"""
        return os.path.exists(self.path(name))


def begin(where: bytes, transaction: str, now: float, **data: t.Any) -> Journal:
    """Make the folder and the first record of a transaction in the state folder `where`."""
    folder = _folder(where, transaction)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    journal = Journal(folder, dict({"transaction": transaction, "created": now, "attempts": 0, "results": {}}, **data))
    journal.write()
    files.sync_folder(os.path.dirname(folder))
    return journal


def load(state: bytes, transaction: str) -> t.Optional[Journal]:
    """Return the journal of a transaction, None when the host knows none."""
    folder = _folder(state, transaction)
    data = read_json(os.path.join(folder, _FILE))
    return None if data is None else Journal(folder, data)


def load_all(state: bytes) -> t.List[Journal]:
    """Return every journal of this host that can be read, the oldest first."""
    found = []
    for name in _names(state):
        try:
            journal = load(state, name)
        except HostError:
            continue
        if journal is not None:
            found.append(journal)
    return sorted(found, key=lambda journal: float(journal.data["created"]))


def remove(journal: Journal) -> None:
    """Remove a transaction and all it kept."""
    remove_material(journal)
    files.remove_folder(journal.folder)


def remove_material(journal: Journal) -> None:
    """Remove what a transaction kept, but not its record."""
    files.remove_folder(journal.path(OLD))
    for name in MATERIAL:
        files.remove(journal.path(name))


def write_json(path: bytes, value: t.Any) -> None:
    """Write a record of ours in one step."""
    files.replace(path, json.dumps(value).encode("ascii"))


def read_json(path: bytes) -> t.Optional[t.Dict[str, t.Any]]:
    """Return a record of ours, None when there is none."""
    try:
        return t.cast(t.Dict[str, t.Any], json.loads(files.read(path).decode("ascii")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        raise HostError(f"{path_text(path)!r} is damaged; look at it and remove it") from None


def check_transaction(transaction: t.Optional[str]) -> str:
    """Return a transaction's name, which becomes the name of a folder; anything else is refused."""
    if not isinstance(transaction, str) or not _NAME.fullmatch(transaction):
        raise HostError(f"transaction {transaction!r} must be 32 lower-case hexadecimal digits")
    return transaction


def _folder(state: bytes, transaction: str) -> bytes:
    return os.path.join(state, b"transactions", check_transaction(transaction).encode("ascii"))


def _names(state: bytes) -> t.List[str]:
    try:
        names = os.listdir(os.path.join(state, b"transactions"))
    except FileNotFoundError:
        return []
    return [name.decode("ascii") for name in names if name.isalnum() and _NAME.fullmatch(name.decode("ascii", "replace"))]
