# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers of the configuration languages that many servers share: lines of key and value with sections, YAML, JSON and XML.

Each makes of its files the same thing: scopes with settings. A scope is a part of the configuration that has certificates or listeners of its own
(the words that begin one stand in the service table); it inherits from the scope around it. All other sections are prefixes of their settings' names.
"""

import fnmatch
import json
import os
import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.services.configuration import VALUE_LIMIT, Reader, absolute
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text

_LINE_LIMIT = 8192
_SCOPE_LIMIT = 5000
_DEPTH_LIMIT = 50
_INCLUDED = (b".conf", b".cnf", b".cf", b".ini")  # what of an included folder is read
_COMMENTS = (b"#", b";", b"//")
_SETTING = re.compile(rb"([^\s=:]+)(?:\s*[=:]+\s*|\s+|$)(.*)", re.DOTALL)
_QUOTED = re.compile(rb"<?\s*(?:\"([^\"]*)\"|'([^']*)')")
_BEHIND = re.compile(rb"\s(?:[#;]|//).*\Z", re.DOTALL)
_VARIABLE = re.compile(rb"(?:[ \t\r]*(?:#[^\n]*)?\n)*[ \t]*[A-Z][A-Z0-9_]*=")
_FLOW_PAIR = re.compile(rb"([\w.-]{1,100})[\"']?:\s*([^,{}\[\]]+)")


class Scope:
    """Settings by name (lower case, `_` for `-`), each with its values; what a scope does not say, the one around it does."""

    def __init__(self, word: str = "", parent: t.Optional["Scope"] = None) -> None:
        self.word = word
        self.parent = parent
        self.values: t.Dict[str, t.List[bytes]] = {}

    def put(self, name: str, value: bytes, *, more: bool = False) -> None:
        """Give a setting a value, or one more."""
        if len(value) <= VALUE_LIMIT:
            self.values.setdefault(name, [])
            self.values[name][0 if not more else len(self.values[name]) :] = [value]

    def own(self, name: str) -> t.List[bytes]:
        """The values that this scope gives a setting; in a name a `*` stands for anything."""
        if "*" not in name:
            return self.values.get(name, [])
        return [value for known, values in self.values.items() if fnmatch.fnmatchcase(known, name) for value in values]

    def get(self, name: str) -> t.List[bytes]:
        """The values of a setting here, or in the nearest scope around that has some."""
        scope: t.Optional[Scope] = self
        while scope is not None:
            found = scope.own(name)
            if found:
                return found
            scope = scope.parent
        return []


class Words(t.NamedTuple):
    """How a language of lines is read: words that begin a scope (`*`: every section), words that include, whether indented lines continue."""

    scopes: t.FrozenSet[str]
    includes: t.FrozenSet[str]
    continued: bool

    def begins(self, word: str) -> bool:
        """Whether a section of this name is a scope."""
        return word in self.scopes or "*" in self.scopes


class Settings:
    """All scopes of one configuration, the outermost first."""

    def __init__(self, reader: Reader, words: Words) -> None:
        self.reader = reader
        self.words = words
        self.scopes = [Scope()]

    @property
    def root(self) -> Scope:
        """The outermost scope."""
        return self.scopes[0]

    def begin(self, word: str, argument: bytes, parent: Scope) -> Scope:
        """A new scope; its argument is the setting that has its word for a name."""
        scope = Scope(word, parent)
        if len(self.scopes) < _SCOPE_LIMIT:
            self.scopes.append(scope)
        else:
            self.reader.findings.problem(f"not all was read, the configuration has more than {_SCOPE_LIMIT} sections")
        first = argument.split(None, 1)[:1] or [b""]
        scope.put(word, cleaned(argument if b"=" not in argument else first[0]))
        for option in argument.split()[1:]:
            name, equal, value = option.partition(b"=")
            if equal:
                scope.put(named(name), cleaned(value))
        return scope

    def read(self, language: str, path: bytes) -> None:
        """Read one file and what it includes."""
        content = self.reader.enter(path)
        try:
            _LANGUAGES[language](self, content or b"", path)
        finally:
            self.reader.leave()


def named(key: t.Union[bytes, str]) -> str:
    """The name of a setting, as all are written here."""
    text = key if isinstance(key, str) else key.decode("utf-8", "backslashreplace")
    return text.strip("\"'").lower().replace("-", "_")


def cleaned(value: bytes) -> bytes:
    """A value without quotes, a comment behind it, or the mark that ends it; dovecot's `<` before the name of a file is no part of that."""
    quoted = _QUOTED.match(value)
    if quoted:
        return quoted.group(1) if quoted.group(1) is not None else quoted.group(2)
    return _BEHIND.sub(b"", value).rstrip(b" \t\r,;").lstrip(b"< \t")


class _Lines:
    """Goes through the lines of a file: `key = value`, `key value`, `[section]`, `<Section x>`, `section x {`, and words that include."""

    def __init__(self, settings: Settings, path: bytes, prefix: str, scope: Scope) -> None:
        self._settings = settings
        self._words = settings.words
        self._path = path
        self._open = [(prefix, scope)]  # the sections around, each with what its settings' names begin with
        self._in_brackets = False  # such a section ends where an included file begins

    def line(self, line: bytes) -> None:
        if not line or line.startswith(_COMMENTS):
            return
        if len(line) > _LINE_LIMIT:
            self._settings.reader.findings.problem(f"{path_text(self._path)} has a line of more than {_LINE_LIMIT} bytes, which was left out")
        elif line.startswith(b"[") and b"]" in line:
            del self._open[1:]
            self._in_brackets = True
            self._section(line.strip(b"[ \t").rpartition(b"]")[0].strip(b"[] \t"))
        elif line.startswith(b"</") or line in (b"}", b"};"):
            del self._open[max(1, len(self._open) - 1) :]
        elif line.startswith(b"<"):
            self._angle(line.strip(b"<> \t"))
        elif line.endswith(b"{"):
            self._section(line[:-1].rstrip(b" \t=:"))
        else:
            self._setting(line)

    def _push(self, prefix: str, scope: Scope) -> None:
        if len(self._open) < _DEPTH_LIMIT:
            self._open.append((prefix, scope))

    def _section(self, text: bytes) -> None:
        prefix, scope = self._open[-1]
        word, _space, argument = text.partition(b" ")
        if self._words.begins(named(word)):
            self._push("", self._settings.begin(named(word), argument, scope))
        else:
            self._push(prefix + named(text) + ".", scope)

    def _angle(self, text: bytes) -> None:
        """A section of Apache's kind: a scope, or a condition around settings, which is taken to be met."""
        prefix, scope = self._open[-1]
        word, _space, argument = text.partition(b" ")
        if self._words.begins(named(word)):
            scope = self._settings.begin(named(word), argument, scope)
        self._push(prefix, scope)

    def _setting(self, line: bytes) -> None:
        match = _SETTING.match(line)
        if match is None:
            return
        prefix, scope = self._open[-1]
        name, value = named(match.group(1)), match.group(2)
        if name in self._words.includes:
            _include(self._settings, cleaned(value), self._path, *self._open[0 if self._in_brackets else -1])
        elif name in self._words.scopes:  # it lasts until the next of its kind
            around = scope.parent if scope.word in self._words.scopes and scope.parent is not None else scope
            self._open[-1] = (prefix, self._settings.begin(name, value, around))
        else:
            scope.put(prefix + name, cleaned(value))


def _lines(settings: Settings, content: bytes, path: bytes, prefix: str = "", scope: t.Optional[Scope] = None) -> None:
    lines = _Lines(settings, path, prefix, scope or settings.root)
    for line in _logical(re.sub(rb"\\\r?\n", b"", content), settings.words.continued):
        lines.line(line.strip())


def _logical(content: bytes, continued: bool) -> t.Iterator[bytes]:
    """The lines; with `continued` an indented one belongs to the one before, without its first space (RFC 2849, postconf(5))."""
    whole: t.List[bytes] = []
    for line in content.split(b"\n"):
        if continued and line[:1] in (b" ", b"\t") and line.strip() and whole:
            whole.append(line[1:].rstrip())
        elif not line.startswith(b"#"):
            yield b"".join(whole)
            whole = [line.rstrip()]
    yield b"".join(whole)


def _include(settings: Settings, value: bytes, path: bytes, prefix: str, scope: Scope) -> None:
    """Read what a line includes: a file, those that match, or those of a folder that look like configuration. One that is absent is no problem."""
    for target in settings.reader.matching(absolute(os.path.dirname(path), value)):
        for file in _files(target):
            content = settings.reader.enter(file)
            try:
                _lines(settings, content or b"", file, prefix, scope)
            finally:
                settings.reader.leave()


def _files(path: bytes) -> t.List[bytes]:
    if os.path.isdir(path):
        return [os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(_INCLUDED) and not name.startswith(b".")]
    return [path] if os.path.exists(path) else []


def _tree(settings: Settings, content: bytes, path: bytes) -> None:
    """YAML, or JSON, which is told by its first sign, or variables of an environment, which are told by the first line that is no comment."""
    if content.lstrip().startswith((b"{", b"[")):
        try:
            _json(settings, json.loads(content.decode("utf-8", "surrogateescape")), "", settings.root)
            return
        except (ValueError, RecursionError):
            settings.reader.findings.problem(f"{path_text(path)} is not understood: it is no JSON")
    elif _VARIABLE.match(content):
        _lines(settings, content, path)
    else:
        _yaml(settings, content)


def _json(settings: Settings, value: t.Any, prefix: str, scope: Scope) -> None:
    if prefix.count(".") > _DEPTH_LIMIT:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            _json(settings, inner, f"{prefix}.{named(key)}" if prefix else named(key), scope)
    elif isinstance(value, list):
        for inner in value:
            own = isinstance(inner, dict) and settings.words.begins(prefix)
            _json(settings, inner, "" if own else prefix, settings.begin(prefix, b"", scope) if own else scope)
    elif value is not None:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        scope.put(prefix, text.encode("utf-8", "surrogateescape"), more=True)


class _Yaml:
    """The part of YAML that configurations are written in: mappings and lists by their indentation, plain and quoted scalars, flat flow lists."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: t.List[t.Tuple[float, str, Scope]] = [(-1, "", settings.root)]  # indentation, prefix, scope

    def line(self, line: bytes) -> None:
        indent = len(line) - len(line.lstrip(b" "))
        text = line.strip()
        while text.startswith(b"- ") or text == b"-":
            self._close(indent + 0.1)
            self._item(indent)
            indent += len(text) - len(text[1:].lstrip(b" "))
            text = text[1:].lstrip(b" ")
        if not text or text.startswith((b"#", b"---", b"%")):
            return
        key, colon, value = text.partition(b":")
        if colon and (not value or value.startswith((b" ", b"\t"))):
            self._close(indent)
            _indent, prefix, scope = self._open[-1]
            self._pair(indent, f"{prefix}.{named(key)}" if prefix else named(key), value.strip(), scope)
        else:
            _indent, prefix, scope = self._open[-1]
            if prefix:
                scope.put(prefix, cleaned(text), more=True)

    def _close(self, indent: float) -> None:
        while len(self._open) > 1 and self._open[-1][0] >= indent:
            self._open.pop()

    def _item(self, indent: int) -> None:
        _indent, prefix, scope = self._open[-1]
        own = self._settings.words.begins(prefix)
        self._push(indent + 0.5, "" if own else prefix, self._settings.begin(prefix, b"", scope) if own else scope)

    def _push(self, indent: float, prefix: str, scope: Scope) -> None:
        if len(self._open) < _DEPTH_LIMIT:
            self._open.append((indent, prefix, scope))

    def _pair(self, indent: int, name: str, value: bytes, scope: Scope) -> None:
        if not value or value.startswith((b"#", b"|", b">", b"&", b"!")):
            self._push(indent, name, scope)
        elif value.startswith(b"{"):
            for key, inner in _FLOW_PAIR.findall(value):
                scope.put(f"{name}.{named(key)}", cleaned(inner.strip()))
        elif value.startswith(b"["):
            for inner in value.strip(b"[] ").split(b","):
                scope.put(name, cleaned(inner.strip()), more=True)
        else:
            scope.put(name, cleaned(value))


def _yaml(settings: Settings, content: bytes) -> None:
    reader = _Yaml(settings)
    for line in content.split(b"\n"):
        if len(line) <= _LINE_LIMIT:
            reader.line(line)


def _xml(settings: Settings, content: bytes, path: bytes) -> None:
    """Attributes are settings of their element, and so is its text; a document type, which may define entities, is refused."""
    from xml.parsers import expat  # noqa: PLC0415 (few hosts have such a configuration)

    opened: t.List[t.Tuple[str, Scope]] = [("", settings.root)]

    def start(tag: str, attributes: t.Dict[str, str]) -> None:
        prefix, scope = opened[-1]
        word = named(tag.rpartition(":")[2])
        if settings.words.begins(word):
            prefix, scope = "", settings.begin(word, b"", scope)
        else:
            prefix = (f"{prefix}.{word}" if prefix else word)[-VALUE_LIMIT:]
        opened.append((prefix, scope))
        for key, value in attributes.items():
            scope.put(f"{prefix}.{named(key)}" if prefix else named(key), value.encode())

    def text(data: str) -> None:
        prefix, scope = opened[-1]
        if prefix and data.strip():
            scope.put(prefix, data.strip().encode())

    def refuse(*_arguments: t.Any) -> None:
        raise ValueError("it has a document type")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = start, text, refuse
    parser.EndElementHandler = lambda _tag: opened.pop()
    parser.buffer_text = True
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError) as exc:
        settings.reader.findings.problem(f"{path_text(path)} is not understood to its end: {exc}")


_LANGUAGES: t.Dict[str, t.Callable[[Settings, bytes, bytes], None]] = {
    "lines": _lines,
    "yaml": _tree,
    "xml": _xml,
}
