# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that certbot and certmonger keep, told by their paths and by what certmonger has noted."""

import os
import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text

CERTBOT = b"/etc/letsencrypt/"
CERTBOT_LIVE = CERTBOT + b"live/"
CERTMONGER = (b"/var/lib/certmonger/requests", b"/var/lib/certmonger/local/requests")
_CERTBOT_FOLDERS = (b"live/", b"archive/")
_CERTMONGER_FILE = re.compile(rb"^(?:cert|key)_storage_location=(.+?)\s*$", re.MULTILINE)


def certbot_lineage(paths: t.Iterable[bytes], folder: bytes = CERTBOT) -> t.Optional[str]:
    """Return the name under which certbot keeps one of these files, None where it keeps none."""
    every = sorted(paths)
    for below in _CERTBOT_FOLDERS:
        for path in every:
            if path.startswith(folder + below):
                return path_text(path[len(folder + below) :].split(b"/")[0])
    return None


def certmonger_files(content: bytes) -> t.List[bytes]:
    """Return the files that a request of certmonger keeps, as they stand in it."""
    return [os.path.normpath(path) for path in _CERTMONGER_FILE.findall(content)]
