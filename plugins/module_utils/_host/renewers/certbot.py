# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""certbot: /etc/letsencrypt/renewal/<name>.conf, in the format of ConfigObj."""

import os
import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.renewers.reading import Kept, content, listed, server, word

_LINE = re.compile(rb"^[ \t]*([A-Za-z_]+)[ \t]*=[ \t]*(.*?)[ \t]*\r?$", re.MULTILINE)
_PATHS = (b"cert", b"privkey", b"chain", b"fullchain")
_HOOKS = (b"pre_hook", b"post_hook", b"renew_hook", b"deploy_hook")
_ENDING = b".conf"


def kept(folder: bytes) -> t.Iterator[Kept]:
    """Yield the lineages; of hooks only which ones there are, because their commands may hold secrets."""
    for name in listed(folder):
        if not name.endswith(_ENDING):
            continue
        path = os.path.join(folder, name)
        fields = {key: value.strip(b"\"'") for key, value in _LINE.findall(content(path))}
        paths = [fields[key] for key in _PATHS if fields.get(key)]
        if not paths:
            continue
        facts = {
            "server": server(fields.get(b"server")),
            "authenticator": word(fields.get(b"authenticator")),
            "installer": word(fields.get(b"installer")),
            "hooks": [hook.decode() for hook in _HOOKS if fields.get(hook)],
            "autorenew": fields.get(b"autorenew", b"True").lower() != b"false",
        }
        yield Kept("certbot", name[: -len(_ENDING)], paths, path, facts)
