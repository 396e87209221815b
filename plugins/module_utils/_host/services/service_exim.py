# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the main section of Exim's configuration (spec.txt, chapter 6): macros, conditions on them, includes."""

import os
import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.services.configuration import VALUE_LIMIT, Reader
from ansible_collections.certops.fleet.plugins.module_utils._host.services.service_settings import Bound, Row, Rows, settings_for
from ansible_collections.certops.fleet.plugins.module_utils._host.services.settings import Scope, cleaned, named

_SETTING = re.compile(rb"(?:hide\s+)?([A-Za-z][A-Za-z0-9_]*)\s*=+\s*(.*)", re.DOTALL)
_MACRO = re.compile(rb"[A-Z][A-Za-z0-9_]*")
_EXISTS = re.compile(rb"\$\{if\s+exists\s*\{([^{}]*)\}\s*\{([^{}]*)\}\s*(?:\{([^{}]*)\})?\s*\}")
_REPLACED = 5  # macros in the values of macros


def read_exim(entry: Row, configuration: t.Optional[bytes], reader: Reader, _arguments: t.Sequence[bytes], bound: Bound) -> None:
    """Add to the reader's findings what the configuration names."""
    settings = settings_for(entry["reads"], reader)
    if configuration is not None:
        _Parser(reader, settings.root).file(configuration)
    Rows(entry["reads"], settings, configuration, bound).find()


class _Parser:
    """Goes through the lines up to the first `begin`."""

    def __init__(self, reader: Reader, root: Scope) -> None:
        self._reader = reader
        self._root = root
        self._macros: t.Dict[bytes, bytes] = {}
        self._met: t.List[bool] = []  # of each condition that is open: whether what stands here counts
        self._done = False

    def file(self, path: bytes) -> None:
        """Read one file."""
        content = self._reader.enter(path) or b""
        try:
            for line in re.sub(rb"\\\r?\n[ \t]*", b"", content).split(b"\n"):
                self._line(line.strip())
        finally:
            self._reader.leave()

    def _line(self, line: bytes) -> None:
        words = line.split(None, 1)
        if not words or line.startswith(b"#") or self._done:
            return
        if line.startswith(b"."):
            self._condition(words[0], words[1] if len(words) > 1 else b"")
        elif all(self._met):
            if words[0] == b"begin":
                self._done = True
            else:
                self._setting(line)

    def _condition(self, word: bytes, rest: bytes) -> None:
        defined = any(name in self._macros for name in _MACRO.findall(rest))
        if word in (b".ifdef", b".ifndef"):
            self._met.append(defined == (word == b".ifdef"))
        elif word == b".else" and self._met:
            self._met[-1] = not self._met[-1]
        elif word in (b".elifdef", b".elifndef") and self._met:
            self._met[-1] = not self._met[-1] and defined == (word == b".elifdef")
        elif word == b".endif" and self._met:
            self._met.pop()
        elif word.startswith(b".include") and all(self._met):
            path = self._replaced(rest)
            if path.startswith(b"/") and (word == b".include" or os.path.exists(path)):
                self.file(path)

    def _setting(self, line: bytes) -> None:
        match = _SETTING.match(line)
        if match is None:
            return
        name, value = match.group(1), self._replaced(match.group(2))
        if name[:1].isupper():
            self._macros[name] = value
        else:
            self._root.put(named(name), cleaned(value))

    def _replaced(self, value: bytes) -> bytes:
        for _time in range(_REPLACED):
            value = _MACRO.sub(lambda match: self._macros.get(match.group(), match.group()), value)[:VALUE_LIMIT]
        return _EXISTS.sub(lambda match: match.group(2) if os.path.exists(match.group(1)) else match.group(3) or b"", value)
