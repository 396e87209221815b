# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of cron and timers of systemd that name a renewer or openssl: where they stand and the word, never the line, which may hold a secret."""

import os
import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.renewers.reading import content, listed
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text

WORDS_OF = {
    "certbot": ("certbot", "letsencrypt-auto"),
    "certmonger": ("certmonger", "getcert", "ipa-getcert"),
    "acme.sh": ("acme.sh",),
    "dehydrated": ("dehydrated",),
    "lego": ("lego",),
    "caddy": ("caddy",),
}
_OTHERS = ("openssl", "keytool", "uacme", "acmetool", "acme-tiny", "acme_tiny", "simp_le", "getssl", "step-cli", "certtool")
_WORDS = sorted({word for words in WORDS_OF.values() for word in words}.union(_OTHERS), key=len, reverse=True)
_WORD = re.compile(rb"(?<![A-Za-z0-9_.-])(" + b"|".join(re.escape(word.encode()) for word in _WORDS) + rb")(?![A-Za-z0-9_-])")
_FILES = (b"/etc/crontab", b"/etc/anacrontab")
_PERIODS = (b"d", b"hourly", b"daily", b"weekly", b"monthly")
_FOLDERS = (*(b"/etc/cron." + each for each in _PERIODS), b"/var/spool/cron/crontabs", b"/var/spool/cron")
_UNITS = (b"/etc/systemd/system", b"/usr/lib/systemd/system", b"/lib/systemd/system")
_TIMER = b".timer"
_UNIT = re.compile(rb"^[ \t]*Unit[ \t]*=[ \t]*(\S+\.service)", re.MULTILINE)
_MOST_OF_FILE = 20
Row = t.Dict[str, t.Any]


def starts(root: bytes) -> t.List[Row]:
    """Return a row for each line and timer."""
    paths = [root + path for path in _FILES]
    for folder in _FOLDERS:
        paths += [os.path.join(root + folder, name) for name in listed(root + folder) if not name.startswith(b".")]
    rows = [row for path in paths for row in _lines(path)]
    return rows + [row for folder in _unit_folders(root) for row in _timers(folder, root)]


def _lines(path: bytes) -> t.Iterator[Row]:
    text = content(path)
    if not _WORD.search(text):
        return
    told = 0
    for number, line in enumerate(text.split(b"\n"), 1):
        found = None if line.lstrip().startswith(b"#") else _WORD.search(line)
        if found is not None and told < _MOST_OF_FILE:
            told += 1
            yield _row("cron", f"{path_text(path)}:{number}", path, found.group(1), True)


def _unit_folders(root: bytes) -> t.List[bytes]:
    """Each folder once: /lib often is /usr/lib."""
    return list({os.path.realpath(root + folder): root + folder for folder in reversed(_UNITS)}.values())[::-1]


def _timers(folder: bytes, root: bytes) -> t.Iterator[Row]:
    for name in listed(folder):
        if not name.endswith(_TIMER):
            continue
        timer = os.path.join(folder, name)
        named = _UNIT.search(content(timer))
        service = named.group(1) if named else name[: -len(_TIMER)] + b".service"
        text = next((text for text in (content(os.path.join(root + each, service)) for each in _UNITS) if text), b"")
        commands = b"\n".join(line for line in text.split(b"\n") if line.lstrip().startswith(b"Exec"))
        found = _WORD.search(commands)
        if found is not None:
            yield _row("timer", path_text(name), timer, found.group(1), _enabled(root, name))


def _enabled(root: bytes, name: bytes) -> bool:
    folder = root + _UNITS[0]
    return any(os.path.lexists(os.path.join(folder, each, name)) for each in listed(folder) if each.endswith((b".wants", b".requires")))


def _row(kind: str, name: str, configuration: bytes, word: bytes, enabled: bool) -> Row:
    facts = {"word": word.decode(), "enabled": enabled}
    return {"kind": kind, "name": name, "paths": [], "configuration": path_text(configuration), "alias": None, "facts": facts, "runs": []}
