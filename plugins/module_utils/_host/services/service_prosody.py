# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what Prosody's configuration, which is Lua, says plainly: settings, tables, hosts and includes; nothing in it is executed."""

import os
import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.services.configuration import Reader, absolute
from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_settings import Bound, Row, Rows, settings_for
from ansible_collections.certops.fleet.plugins.module_utils._host.services.settings import Scope, Settings, named

_TOKEN = re.compile(
    rb"""--\[\[.*?\]\]|--[^\n]*
    | (?P<string>"(?:\\.|[^"\\\n]){0,4096}"|'(?:\\.|[^'\\\n]){0,4096}')
    | (?P<word>[A-Za-z0-9_.]{1,200})
    | (?P<mark>[={}])""",
    re.VERBOSE | re.DOTALL,
)
_HOSTS = ("virtualhost", "component")
_LAYOUTS = ((b"%s.crt", b"%s.key"), (b"%s.pem", b"%s.key"), (b"%s/fullchain.pem", b"%s/privkey.pem"), (b"%s.pem", b"%s.pem"))  # util/certmanager


def read_prosody(entry: Row, configuration: t.Optional[bytes], reader: Reader, _arguments: t.Sequence[bytes], bound: Bound) -> None:
    """Add to the reader's findings what the configuration names, and what Prosody finds by the names of its hosts."""
    settings = settings_for(entry["reads"], reader)
    if configuration is not None:
        _Parser(settings).file(configuration)
        for scope in settings.scopes[1:]:
            _find(scope, os.path.dirname(configuration))
    Rows(entry["reads"], settings, configuration, bound).find()


def _find(scope: Scope, folder: bytes) -> None:
    """The certificate of a host, by its name and those of the domains above it, in the folder of certificates."""
    host = (scope.own(scope.word) or [b""])[0]
    if scope.own("ssl.certificate") or not re.fullmatch(rb"[A-Za-z0-9_.-]{1,253}", host) or host.startswith(b"."):
        return
    certificates = absolute(folder, (scope.get("certificates") or [b"certs"])[0])
    while host:
        for pair in _LAYOUTS:
            certificate, key = (os.path.join(certificates, name % host) for name in pair)
            if os.path.isfile(certificate) and os.path.isfile(key):
                scope.put("ssl.certificate", certificate)
                scope.put("ssl.key", key)
                return
        host = host.partition(b".")[2]


class _Parser:
    """Goes through the tokens of the files."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._scope = settings.root

    def file(self, path: bytes) -> None:
        """Read one file."""
        content = self._settings.reader.enter(path) or b""
        tables: t.List[str] = []
        before: t.List[t.Tuple[str, bytes]] = []  # the tokens since the last value
        try:
            for match in _TOKEN.finditer(content):
                if match.lastgroup is not None:
                    before = self._token(match.lastgroup, match.group(), before[-2:], tables, path)
        finally:
            self._settings.reader.leave()

    def _token(self, kind: str, text: bytes, before: t.List[t.Tuple[str, bytes]], tables: t.List[str], path: bytes) -> t.List[t.Tuple[str, bytes]]:
        name = named(before[-2][1]) if len(before) > 1 and before[-1][1] == b"=" else ""
        if text == b"{" and len(tables) < 50:
            tables.append(name)
        elif text == b"}":
            del tables[-1:]
        elif kind in ("string", "word") and name:
            self._scope.put(".".join([*filter(None, tables), name]), text.strip(b"\"'"))
        elif kind == "string" and before and before[-1][0] == "word":
            self._called(named(before[-1][1]), text.strip(b"\"'"), path)
        else:
            return [*before, (kind, text)]
        return []

    def _called(self, word: str, value: bytes, path: bytes) -> None:
        if word in _HOSTS:
            self._scope = self._settings.begin(word, value, self._settings.root)
        elif word == "include":
            for file in self._settings.reader.matching(absolute(os.path.dirname(path), value)):
                if os.path.exists(file):
                    self.file(file)
