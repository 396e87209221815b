# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads nginx's configuration language (src/core/ngx_conf_file.c) and finds the certificates that it names."""

import os
import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.services.configuration import (
    Findings,
    Listener,
    Reader,
    Use,
    absolute,
    connectable,
    look_names,
)
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text

_BLOCK_DEPTH = 100
# A word ends at white space, `;` or `{`, but not at the `{` of `${`; quotes and `#` mean something at its start only. nginx takes no word above 4096 bytes.
_TOKEN = re.compile(
    rb"""[ \t\r\n]+ | \#[^\n]*
    | (?P<mark>[;{}])
    | "(?P<double>(?:[^"\\]|\\.){0,4096})"
    | '(?P<single>(?:[^'\\]|\\.){0,4096})'
    | (?P<plain>(?:\\.|\$\{|[^ \t\r\n;{}"'\#\\])(?:\\.|\$\{|[^ \t\r\n;{\\]){0,4095})""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(rb"\\([\"'\\trn])")
_ESCAPED = {b"t": b"\t", b"r": b"\r", b"n": b"\n"}
_LUA_MARK = re.compile(rb"(?:--)?\[(?P<level>=*)\[|--|[\"'{}]")
_LUA_STRING = re.compile(rb"([\"'])(?:\\.|(?!\1)[^\\\n]){0,65535}\1", re.DOTALL)
_VARIABLE = re.compile(rb"\$(?:\{(\w+)\}|(\w+))")
_KEPT = (b"listen", b"server_name", b"ssl", b"starttls", b"set")  # and all that have ssl_ in their names; lists of a million addresses are not kept
_CLIENT_FAMILIES = (b"proxy_", b"grpc_", b"uwsgi_")  # certificates that nginx shows to the servers behind it


class Directive(t.NamedTuple):
    """One directive: its words, what its block holds (None without a block), and the file it stands in."""

    words: t.Tuple[bytes, ...]
    block: t.Optional[t.List["Directive"]]
    file: bytes


Block = t.List[Directive]
Values = t.Dict[bytes, t.List[Directive]]  # by name: the directives in force


class NginxSyntaxError(ValueError):
    """This is not nginx's language; the rest of the file is not understood."""


def read_nginx(configuration: bytes, reader: Reader) -> None:
    """Add to the reader's findings what nginx.conf and all that it includes name."""
    for directive in _Parser(configuration, reader).file(configuration):
        if directive.words[0] in (b"http", b"stream", b"mail") and directive.block is not None:
            _Section(directive, os.path.dirname(configuration), reader.findings).find()


class _Parser:
    """Makes blocks of files; an include is replaced by what it includes."""

    def __init__(self, configuration: bytes, reader: Reader) -> None:
        self._folder = os.path.dirname(configuration)
        self._reader = reader
        self._depth = 0

    def file(self, path: bytes) -> Block:
        """The directives of a file; what stands before an error in it counts."""
        content = self._reader.enter(path)
        blocks: t.List[Block] = [[]]
        depth = self._depth
        try:
            self._parse(content or b"", path, blocks)
        except NginxSyntaxError as exc:
            self._reader.findings.problem(f"{path_text(path)} is not understood to its end: {exc}")
        finally:
            self._reader.leave()
            self._depth = depth
        return blocks[0]

    def _parse(self, content: bytes, path: bytes, blocks: t.List[Block]) -> None:
        words: t.List[bytes] = []
        for mark, word in _tokens(content, words):
            if not mark:
                words.append(word)
                continue
            if (mark == b"}") == bool(words) or (mark == b"}" and len(blocks) == 1):
                raise NginxSyntaxError(f"unexpected {mark.decode()!r}")
            if mark == b";":
                blocks[-1].extend(self._directive(Directive(tuple(words), None, path)))
            elif mark == b"{":
                self._begin(Directive(tuple(words), [], path), blocks)
            else:
                blocks.pop()
                self._depth -= 1
            words.clear()
        if words or len(blocks) > 1:
            raise NginxSyntaxError("it ends within a directive or a block")

    def _begin(self, directive: Directive, blocks: t.List[Block]) -> None:
        self._depth += 1
        if self._depth > _BLOCK_DEPTH:
            raise NginxSyntaxError(f"its blocks are more than {_BLOCK_DEPTH} deep")
        blocks[-1].append(directive)
        blocks.append(directive.block if directive.block is not None else [])

    def _directive(self, directive: Directive) -> Block:
        name = directive.words[0]
        if name != b"include":
            return [directive] if name in _KEPT or b"ssl_" in name else []
        if len(directive.words) != 2:
            return []
        found: Block = []
        for path in self._reader.matching(os.path.join(self._folder, directive.words[1])):
            found.extend(self.file(path))
        return found


def _tokens(content: bytes, words: t.List[bytes]) -> t.Iterator[t.Tuple[bytes, bytes]]:
    """Yield (mark, b"") for each of `;{}` and (b"", word) for each word; `words` are those of the directive so far."""
    at = 0
    while at < len(content):
        match = _TOKEN.match(content, at)
        if match is None:
            line = content.count(b"\n", 0, at) + 1
            raise NginxSyntaxError(f"line {line} has a quote that does not end, or a stray backslash")
        at = match.end()
        if match.lastgroup == "mark":
            if match.group() == b"{" and words and words[0].endswith(b"_by_lua_block"):
                at = _after_lua(content, at)
                yield b";", b""
            else:
                yield match.group(), b""
        elif match.lastgroup is not None:
            yield b"", _ESCAPE.sub(lambda found: _ESCAPED.get(found.group(1), found.group(1)), match.group(match.lastgroup))


def _after_lua(content: bytes, at: int) -> int:
    """Where a block of Lua ends; braces in its strings and comments do not count."""
    depth = 1
    while depth:
        mark = _LUA_MARK.search(content, at)
        at = -1 if mark is None else _after_lua_mark(content, mark)
        if mark is None or at < 0:
            raise NginxSyntaxError("a block of Lua does not end")
        depth += {b"{": 1, b"}": -1}.get(mark.group(), 0)
    return at


def _after_lua_mark(content: bytes, mark: t.Match[bytes]) -> int:
    """Where the brace, string or comment that begins here ends; -1 when it does not."""
    if mark.group("level") is not None:
        closing = b"]" + mark.group("level") + b"]"
        end = content.find(closing, mark.end())
        return end if end < 0 else end + len(closing)
    if mark.group() == b"--":
        return content.find(b"\n", mark.end())
    if mark.group() in b"{}":
        return mark.end()
    string = _LUA_STRING.match(content, mark.start())
    return string.end() if string else -1


class _Section:
    """One of the blocks http, stream, mail."""

    def __init__(self, section: Directive, folder: bytes, findings: Findings) -> None:
        self._kind = section.words[0]
        self._block = section.block or []
        self._folder = folder
        self._findings = findings
        self._inherited = _values(self._block)
        self._servers = [directive.block for directive in self._block if directive.words == (b"server",) and directive.block is not None]

    def find(self) -> None:
        """Add all uses of the section."""
        with_tls = self._addresses_with_tls()
        for server in self._servers:
            self._server(server, with_tls)
        self._clients(self._block, {})
        self._pairs(_values(self._block), b"", (), (), known=True)

    def _addresses_with_tls(self) -> t.Set[t.Optional[Listener]]:
        """TLS belongs to the address: what one server switches on holds for all servers with that address."""
        listens = (listen for server in self._servers for listen in _values(server).get(b"listen", []))
        return {_address(listen.words[1]) for listen in listens if b"ssl" in listen.words[2:]} - {None}

    def _server(self, server: Block, with_tls: t.Set[t.Optional[Listener]]) -> None:
        own = _values(server)
        values: Values = {**self._inherited, **own}
        listens = [listen for listen in own.get(b"listen", []) if len(listen.words) > 1]
        everywhere = _last(values, b"ssl") == b"on"
        listeners: t.List[Listener] = []
        for listen in listens:
            if everywhere or b"ssl" in listen.words or _address(listen.words[1]) in with_tls:
                listeners.extend(self._listeners(listen, values))
        if everywhere and not listens and self._kind == b"http":
            listeners.append(Listener("127.0.0.1", 80))
        names = look_names(name[1:] if name.startswith(b".") else name for each in own.get(b"server_name", []) for name in each.words[1:])
        self._pairs(values, b"", names, tuple(listeners))

    def _listeners(self, listen: Directive, values: Values) -> t.Iterator[Listener]:
        value, options = listen.words[1], listen.words[2:]
        shown = path_text(value)
        if b"quic" in options:
            return
        if value.startswith(b"unix:"):
            self._findings.problem(f"{path_text(listen.file)}: the socket {shown!r} is not looked at")
        elif b"proxy_protocol" in options:
            self._findings.problem(f"{path_text(listen.file)}: the listener {shown!r} expects the PROXY protocol and is not looked at")
        elif self._kind == b"mail" and _last(values, b"starttls") in (b"on", b"only"):
            self._findings.problem(f"{path_text(listen.file)}: the listener {shown!r} speaks STARTTLS and is not looked at")
        else:
            address = _address(value)
            if address is None:
                self._findings.problem(f"{path_text(listen.file)}: the listener {shown!r} is not understood")
            else:
                yield address

    def _clients(self, block: Block, inherited: Values) -> None:
        """The certificates that nginx shows as a client, in this block and those in it."""
        own = _values(block)
        values: Values = {**inherited, **own}
        for family in _CLIENT_FAMILIES:
            if any(name.startswith(family + b"ssl_") for name in own):
                self._pairs(values, family, (), ())
        for directive in block:
            if directive.block:
                self._clients(directive.block, values)

    def _pairs(self, values: Values, family: bytes, names: t.Tuple[str, ...], listeners: t.Tuple[Listener, ...], known: bool = False) -> None:
        """Add the uses of one family of directives; with `known` only what no use names yet."""
        certificates = values.get(family + b"ssl_certificate", [])
        keys = values.get(family + b"ssl_certificate_key", [])
        for index, directive in enumerate(certificates):
            certificate = self._path(directive, values)
            key = self._path(keys[index], values) if index < len(keys) else None
            if certificate and not (known and self._findings.names(certificate)):
                self._findings.add(Use(certificate=certificate, key=key, names=names, listeners=listeners))
        for name in (b"ssl_trusted_certificate", b"ssl_client_certificate"):
            for directive in values.get(family + name, []):
                chain = self._path(directive, values)
                if chain and not (known and self._findings.names(chain)):
                    self._findings.add(Use(chain=chain))

    def _path(self, directive: Directive, values: Values) -> t.Optional[bytes]:
        """The path that a directive names; None, and a problem, when it is none that can be known."""
        if len(directive.words) != 2:
            return None
        value = _followed(directive.words[1], values)
        told = f"{path_text(directive.file)}: {directive.words[0].decode('ascii', 'replace')} {path_text(directive.words[1])!r}"
        if value.startswith(b"data:"):
            self._findings.problem(f"{path_text(directive.file)}: {directive.words[0].decode('ascii', 'replace')} is given as data, not as a file")
        elif value.startswith((b"engine:", b"store:")):
            self._findings.problem(f"{told} is not a file")
        elif b"$" in value:
            self._findings.problem(f"{told} cannot be followed, because its variable is known only when a client connects")
        else:
            return absolute(self._folder, value)
        return None


def _values(block: Block) -> Values:
    """The directives without a block, by name."""
    values: Values = {}
    for directive in block:
        if directive.block is None:
            values.setdefault(directive.words[0], []).append(directive)
    return values


def _last(values: Values, name: bytes) -> bytes:
    """The first argument of the last directive of this name."""
    found = values.get(name)
    return found[-1].words[1] if found and len(found[-1].words) > 1 else b""


def _followed(value: bytes, values: Values) -> bytes:
    """The value with those variables replaced that `set` gives one text."""
    known: t.Dict[bytes, t.Set[bytes]] = {}
    for directive in values.get(b"set", []):
        if len(directive.words) == 3:
            known.setdefault(directive.words[1].lstrip(b"$"), set()).add(directive.words[2])

    def replaced(match: t.Match[bytes]) -> bytes:
        texts = known.get(match.group(1) or match.group(2), set())
        return next(iter(texts)) if len(texts) == 1 else match.group()

    return _VARIABLE.sub(replaced, value)


def _address(value: bytes) -> t.Optional[Listener]:
    """Where `listen` listens: `443`, `*:443`, `name:443`, `[::]:443`, an address alone (port 80), `a-b` for ports (the first is taken)."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]*)(?::([0-9]{1,5})(?:-[0-9]{1,5})?)?", value.decode("ascii", "replace"))
    if match is None:
        return None
    host, port = match.group(1), match.group(2)
    if port is None:
        alone = re.fullmatch(r"([0-9]{1,5})(?:-[0-9]{1,5})?", host)
        host, port = ("", alone.group(1)) if alone else (host, "80")
    return Listener(connectable(host), int(port)) if 0 < int(port) < 65536 else None
