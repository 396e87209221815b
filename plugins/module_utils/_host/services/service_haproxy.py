# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads HAProxy's configuration language (configuration.txt, sections 2.2, 3.1, 5.1, 5.2) and finds the certificates that it names."""

import os
import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.services.configuration import (
    VALUE_LIMIT,
    Listener,
    Reader,
    Use,
    absolute,
    connectable,
    look_names,
    read_regular,
    shell_variables,
)
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text

_ENVIRONMENTS = (b"/etc/default/haproxy", b"/etc/sysconfig/haproxy")
_NOT_LOADED = (b".key", b".issuer", b".ocsp", b".sctl")  # names that a folder given as `crt` may hold besides certificates
_BUNDLED = (b".rsa", b".ecdsa", b".dsa")
_SECTIONS = (b"global", b"defaults", b"frontend", b"backend", b"listen", b"peers", b"ring", b"log-forward", b"crt-store")
_OTHER_SECTIONS = (b"resolvers", b"mailers", b"userlist", b"program", b"cache", b"http-errors", b"fcgi-app", b"traces", b"log-profile", b"acme")
_LINE_LIMIT = 8192
_PEM_LIMIT = 1 << 20
_PIECE = re.compile(
    rb"""(?P<space>[ \t\r]+)
    | (?P<comment>\#.*)
    | \\(?P<escaped>x[0-9a-fA-F]{2}|.)
    | "(?P<weak>(?:[^"\\]|\\.)*)"
    | '(?P<strong>[^']*)'
    | (?P<plain>[^ \t\r\#\\"']+)""",
    re.VERBOSE,
)
_WEAK = re.compile(rb"\\(?P<escaped>x[0-9a-fA-F]{2}|.)|\$(?:\{(?P<braced>\w+)(?:-(?P<default>[^}]*))?\}|(?P<name>\w+))")
_CONTROLS = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_LIST_LINE = re.compile(rb"\s*(\S+)(?:\s+\[([^\]]*)\])?(.*)")

Words = t.Sequence[bytes]


class _State:
    """What earlier lines say about later ones."""

    def __init__(self) -> None:
        self.section = b""
        self.store = b""
        self.bases: t.Dict[bytes, bytes] = {}  # ca-base, crt-base
        self.store_bases: t.Dict[bytes, bytes] = {}  # crt-base, key-base of the section crt-store
        self.stored: t.Dict[bytes, t.Tuple[bytes, bytes]] = {}  # certificate and key by @store/alias
        self.defaults: t.Dict[bytes, Words] = {}  # default-bind, default-server of the section
        self.folder = b"/"  # that systemd starts programs in
        self.extras: t.Optional[Words] = None  # of ssl-load-extra-files
        self.remove_extension = False


def read_haproxy(configurations: t.Sequence[bytes], reader: Reader) -> None:
    """Add to the reader's findings what these files (of a folder: all `.cfg` in it) name together, in this order."""
    parser = _Parser(reader)
    for path in configurations:
        names = _files_of(path, reader, lambda name: name.endswith(b".cfg")) if os.path.isdir(path) else [path]
        for name in names:
            parser.file(name)


class _Parser:
    """Goes through the lines in their order."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._findings = reader.findings
        self._state = _State()
        self._path = b""
        self._variables: t.Dict[bytes, bytes] = {}
        for path in _ENVIRONMENTS:
            if os.path.isfile(path):
                self._variables.update(shell_variables(reader.read(path) or b""))

    def file(self, path: bytes) -> None:
        """Read one file."""
        self._path = path
        self._state.section = b""
        for number, line in enumerate((self._reader.read(path) or b"").split(b"\n"), 1):
            words = self._words(line, number)
            if words:
                self._line(words)

    def _words(self, line: bytes, number: int) -> t.List[bytes]:
        words: t.List[bytes] = []
        at, apart = 0, True
        while at < len(line):
            match = _PIECE.match(line, at) if len(line) <= _LINE_LIMIT else None
            if match is None:
                self._findings.problem(f"{path_text(self._path)}: line {number} has a quote that does not end, or is too long")
                return []
            at = match.end()
            if match.lastgroup == "comment":
                break
            if match.lastgroup != "space":
                piece = self._piece(match)
                words[len(words) - (not apart) :] = [piece if apart else words[-1] + piece]
            apart = match.lastgroup == "space"
        return words

    def _piece(self, match: t.Match[bytes]) -> bytes:
        if match.lastgroup == "escaped":
            return _escaped(match.group("escaped"))
        if match.lastgroup == "weak":
            return _WEAK.sub(self._weak, match.group("weak"))
        return match.group(match.lastgroup or 0)

    def _weak(self, match: t.Match[bytes]) -> bytes:
        """An escape or a variable within double quotes; a variable that is not known is marked by a NUL byte, and its path is not followed."""
        if match.group("escaped"):
            return _escaped(match.group("escaped"))
        value = self._variables.get(match.group("braced") or match.group("name"), match.group("default"))
        return b"\0" + match.group() if value is None else value

    def _line(self, words: Words) -> None:
        state, name = self._state, words[0]
        if name in _SECTIONS or name in _OTHER_SECTIONS:
            state.section, state.defaults = name, {}
            state.store, state.store_bases = b"".join(words[1:2]), {}
        elif state.section == b"global":
            self._global(words)
        elif state.section == b"crt-store":
            self._store(words)
        elif name in (b"default-bind", b"default-server"):
            state.defaults[name] = words[1:]
            self._add(words[1:], (), client=name == b"default-server")
        elif name == b"bind" and len(words) > 1:
            self._bind(words[1], [*words[2:], *state.defaults.get(b"default-bind", ())])
        elif name in (b"server", b"peer", b"server-template"):
            self._add(words[2:], (), client=True)

    def _global(self, words: Words) -> None:
        state, name, values = self._state, words[0], words[1:]
        if name == b"ssl-load-extra-del-ext":
            state.remove_extension = True
        elif name == b"ssl-load-extra-files":
            state.extras = values
        elif name == b"default-path":
            state.folder = self._default_path(values)
        elif name in (b"ca-base", b"crt-base") and values:
            state.bases[name] = values[0]
        elif name == b"setenv" and len(values) > 1:
            self._variables[values[0]] = values[1][:VALUE_LIMIT]
        elif name == b"presetenv" and len(values) > 1:
            self._variables.setdefault(values[0], values[1][:VALUE_LIMIT])
        elif name == b"unsetenv":
            for variable in values:
                self._variables.pop(variable, None)

    def _default_path(self, values: Words) -> bytes:
        folder = os.path.dirname(self._path)
        known = {b"config": folder, b"parent": os.path.dirname(folder), b"origin": b"".join(values[1:2])}
        return known.get(b"".join(values[:1]), b"/")

    def _store(self, words: Words) -> None:
        """A line of the section crt-store."""
        state = self._state
        if words[0] in (b"crt-base", b"key-base") and len(words) > 1:
            state.store_bases[words[0]] = words[1]
        elif words[0] == b"load":
            options = dict(zip(words[1::2], words[2::2]))
            certificate = self._path_of(options.get(b"crt"), state.store_bases.get(b"crt-base", state.bases.get(b"crt-base", b"")))
            key = self._path_of(options.get(b"key"), state.store_bases.get(b"key-base", b""))
            if certificate:
                pair = (certificate, key or self._key_of(certificate))
                self._findings.add(Use(*pair))
                for name in (options.get(b"alias"), options.get(b"crt")):
                    if name:
                        state.stored[b"@" + state.store + b"/" + name] = pair

    def _bind(self, addresses: bytes, options: Words) -> None:
        listeners: t.List[Listener] = []
        if b"ssl" in options:
            for address in addresses.split(b","):
                listener = self._listener(address, b"accept-proxy" in options)
                if listener is not None:
                    listeners.append(listener)
        self._add(options, tuple(listeners))

    def _listener(self, address: bytes, proxied: bool) -> t.Optional[Listener]:
        family, _at, rest = ("@" + address.decode("ascii", "replace")).rpartition("@")
        family = family.lstrip("@")
        shown = f"{path_text(self._path)}: the listener {path_text(address)!r}"
        if family in ("quic4", "quic6", "udp", "udp4", "udp6"):
            return None
        host, _colon, ports = rest.rpartition(":")
        port = ports.partition("-")[0]
        if family not in ("", "ipv4", "ipv6", "tcp", "tcp4", "tcp6") or rest.startswith("/"):
            self._findings.problem(f"{shown} is a socket without a port and is not looked at")
        elif proxied:
            self._findings.problem(f"{shown} expects the PROXY protocol and is not looked at")
        elif not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 65536:
            self._findings.problem(f"{shown} is not understood")
        else:
            return Listener(connectable(host or ("::" if family in ("ipv6", "tcp6") else "")), int(port))
        return None

    def _add(self, options: Words, listeners: t.Tuple[Listener, ...], client: bool = False) -> None:
        """Add the files that the options of a bind or server line name."""
        for option, value in zip(options, options[1:]):
            if option == b"crt":
                self._certificates(value, (), listeners, client)
            elif option == b"crt-list" and not client:
                self._list(self._path_of(value, b""), listeners)
            elif option in (b"ca-file", b"ca-verify-file") and not value.startswith(b"@"):
                self._anchors(value)
            elif option == b"ca-sign-file":
                path = self._path_of(value, self._state.bases.get(b"ca-base", b""))
                if path:
                    self._findings.add(Use(certificate=path, key=path))

    def _anchors(self, value: bytes) -> None:
        path = self._path_of(value, self._state.bases.get(b"ca-base", b""))
        if path:
            self._findings.add(Use(folder=path) if os.path.isdir(path) else Use(chain=path))

    def _certificates(self, value: bytes, names: t.Tuple[str, ...], listeners: t.Tuple[Listener, ...], client: bool = False) -> None:
        """What one `crt` stands for: a file, the files of a folder, a bundle of files for several kinds of keys, or an entry of a crt-store."""
        if value.startswith(b"@"):
            if value not in self._state.stored:
                self._findings.problem(f"{path_text(self._path)}: crt {path_text(value)!r} is in no crt-store")
            else:
                self._findings.add(Use(*self._state.stored[value], names=names, listeners=listeners))
            return
        path = self._path_of(value, self._state.bases.get(b"crt-base", b""))
        if path is None:
            return
        folder = path if os.path.isdir(path) and not client else None
        files = [path]
        if folder is not None:
            files = _files_of(folder, self._reader, lambda name: not name.endswith(_NOT_LOADED))
        elif not os.path.exists(path) and self._loads(b"bundle"):
            files = [path + ending for ending in _BUNDLED if os.path.exists(path + ending)] or [path]
        for file in files:
            self._findings.add(Use(certificate=file, key=self._key_of(file), folder=folder, names=names, listeners=listeners))
        if folder is not None and not files:
            self._findings.add(Use(folder=folder, listeners=listeners))

    def _list(self, path: t.Optional[bytes], listeners: t.Tuple[Listener, ...]) -> None:
        """A file of lines `crtfile [options] filter …`; the filters are the names that are asked for."""
        for line in ((path and self._reader.read(path)) or b"").split(b"\n"):
            match = _LIST_LINE.fullmatch(line.rstrip()) if len(line) <= _LINE_LIMIT else None
            if match is None or match.group(1).startswith(b"#"):
                continue
            options = (match.group(2) or b"").split()
            for option, value in zip(options, options[1:]):
                if option in (b"ca-file", b"ca-verify-file") and not value.startswith(b"@"):
                    self._anchors(value)
            self._certificates(match.group(1), look_names(match.group(3).split()), listeners)

    def _key_of(self, certificate: bytes) -> bytes:
        """Where the key of a certificate lies: in its file, unless there is none in it and one lies beside it."""
        stem = certificate[:-4] if self._state.remove_extension and certificate.endswith(b".crt") else certificate
        try:
            combined = b"PRIVATE KEY-----" in read_regular(certificate, _PEM_LIMIT)
        except OSError:
            combined = False
        beside = stem + b".key"
        return beside if not combined and self._loads(b"key") and os.path.isfile(beside) else certificate

    def _loads(self, extra: bytes) -> bool:
        """Whether files that nothing names are looked for (ssl-load-extra-files)."""
        extras = self._state.extras
        return extras is None or extra in extras or b"all" in extras

    def _path_of(self, value: t.Optional[bytes], base: bytes) -> t.Optional[bytes]:
        if not value:
            return None
        if b"\0" in value + base:
            shown = path_text((base + value).replace(b"\0", b""))
            self._findings.problem(f"{path_text(self._path)}: {shown!r} cannot be followed, because its variable is not known")
            return None
        return absolute(self._state.folder, os.path.join(base, value))


def _escaped(sign: bytes) -> bytes:
    if len(sign) == 3:
        return bytes([int(sign[1:], 16)]).strip(b"\0")  # no path has a NUL byte
    return _CONTROLS.get(sign, sign)


def _files_of(folder: bytes, reader: Reader, wanted: t.Callable[[bytes], bool]) -> t.List[bytes]:
    """The files of a folder in the order of their names, those that begin with a dot left out."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as exc:
        reader.findings.problem(f"{path_text(folder)} cannot be read: {exc.strerror}")
        return []
    paths = (os.path.join(folder, name) for name in names if not name.startswith(b".") and wanted(name))
    return [path for path in paths if os.path.isfile(path)]
