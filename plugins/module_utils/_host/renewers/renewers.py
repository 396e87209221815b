# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who renews certificates on this host besides certops: what each renewer keeps, and what starts it. No secret of theirs goes into an answer."""

import os
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.renewers import schedule
from ansible_collections.certops.fleet.plugins.module_utils._host.renewers.tracked import CERTMONGER
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text

MOST = 2000  # rows of an answer
_CERTBOT = b"/etc/letsencrypt/renewal"
_DEHYDRATED = (b"/etc/dehydrated", b"/usr/local/etc/dehydrated")
_ACME_SH = (b"/root/.acme.sh", b"/etc/acme.sh", b"/var/lib/acme.sh")
_LEGO = (b"/root/.lego", b"/etc/lego", b"/var/lib/lego")
_CADDY = (b"/var/lib/caddy/.local/share/caddy/certificates", b"/root/.local/share/caddy/certificates")
Row = t.Dict[str, t.Any]


def renewers_here(root: bytes = b"") -> t.List[Row]:
    """Return rows {kind, name, paths, configuration, alias, runs, facts}; `root` is put before every path, for tests.

    C(paths) are canonical. Rows of the kinds C(cron) and C(timer) are what starts something, with the word that was met and the line.
    """
    starts = schedule.starts(root)
    rows = [*_kept(root)]
    for row in rows:
        row["runs"] = sorted({start["name"] for start in starts if start["facts"]["word"] in schedule.WORDS_OF.get(row["kind"], ())})
    return [*rows, *starts][:MOST]


def _kept(root: bytes) -> t.Iterator[Row]:
    """Read what renewers that are here have noted; their readers are imported only then."""
    if os.path.isdir(root + _CERTBOT):
        from ansible_collections.certops.fleet.plugins.module_utils._host.renewers import certbot  # noqa: PLC0415 - few hosts have one

        yield from map(_row, certbot.kept(root + _CERTBOT))
    for folder in _there(root, CERTMONGER):
        from ansible_collections.certops.fleet.plugins.module_utils._host.renewers import certmonger  # noqa: PLC0415 - few hosts have one

        yield from map(_row, certmonger.kept(folder))
    shells = [(kind, folder) for kind, folders in (("acme.sh", _ACME_SH), ("dehydrated", _DEHYDRATED)) for folder in _there(root, folders)]
    folders = [(kind, folder) for kind, places in (("lego", _LEGO), ("caddy", _CADDY)) for folder in _there(root, places)]
    if shells:
        from ansible_collections.certops.fleet.plugins.module_utils._host.renewers import shell  # noqa: PLC0415 - few hosts have one

        yield from (_row(kept) for kind, folder in shells for kept in shell.KINDS[kind](folder))
    if folders:
        from ansible_collections.certops.fleet.plugins.module_utils._host.renewers import stored  # noqa: PLC0415 - few hosts have one

        yield from (_row(kept) for kind, folder in folders for kept in stored.KINDS[kind](folder))


def _there(root: bytes, folders: t.Iterable[bytes]) -> t.List[bytes]:
    return [root + folder for folder in folders if os.path.isdir(root + folder)]


def _row(kept: t.Any) -> Row:
    paths = sorted({path_text(os.path.realpath(path)) for path in kept.paths if path.startswith(b"/") and b"\0" not in path})
    return {
        "kind": kept.kind,
        "name": path_text(kept.name),
        "paths": paths,
        "configuration": path_text(kept.configuration),
        "alias": None if kept.alias is None else path_text(kept.alias),
        "facts": kept.facts,
        "runs": [],
    }
