# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""certmonger: a file for each request, lines of field=value; a line that begins with a blank goes on."""

import os
import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.renewers.reading import Kept, content, listed, word

_LINE = re.compile(rb"^([a-z_]+)=(.*?)\r?$", re.MULTILINE)
_STORE = {b"NSSDB": b"cert9.db"}


def kept(folder: bytes) -> t.Iterator[Kept]:
    """Yield the requests; PINs and the commands to be run are not taken."""
    for name in listed(folder):
        path = os.path.join(folder, name)
        fields = dict(_LINE.findall(content(path)))
        paths = [_location(fields, kind) for kind in (b"cert", b"key")]
        if not any(paths):
            continue
        store = fields.get(b"cert_storage_type") in _STORE
        facts = {
            "ca": word(fields.get(b"ca_name")),
            "state": word(fields.get(b"state")),
            "autorenew": fields.get(b"autorenew") != b"0",
            "storage": word(fields.get(b"cert_storage_type")),
        }
        alias = fields.get(b"cert_nickname") if store else None
        yield Kept("certmonger", fields.get(b"id") or name, [each for each in paths if each], path, facts, alias)


def _location(fields: t.Mapping[bytes, bytes], kind: bytes) -> t.Optional[bytes]:
    """Return the file, also of a store, which certmonger names by its folder."""
    location = fields.get(kind + b"_storage_location", b"")
    location = location[4:] if location.startswith(b"sql:") else location
    inside = _STORE.get(fields.get(kind + b"_storage_type", b""))
    return os.path.join(location, inside) if location and inside else location or None
