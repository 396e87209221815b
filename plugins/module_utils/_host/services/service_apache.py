# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the configuration language of Apache's httpd (server/config.c, server/util.c) and finds the certificates that it names."""

import os
import re
import typing as t

from ansible_collections.certops.fleet.plugins.module_utils._host.services.configuration import (
    VALUE_LIMIT,
    Findings,
    Listener,
    Reader,
    Use,
    absolute,
    connectable,
    look_names,
    shell_variables,
)
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text

# These are part of the program wherever packages are built; what no LoadModule line names is taken as absent, unless there is no such line at all.
_STATIC = {b"core", b"mod_so.c", b"so_module", b"core_module", b"http_core.c", b"mod_version.c", b"version_module", b"mod_unixd.c", b"unixd_module"}
_ENVIRONMENTS = (b"/etc/sysconfig/httpd", b"/etc/sysconfig/apache2")  # Red Hat, SUSE
_VARIABLE = re.compile(rb"\$\{([^}]*)\}")
_WORD = re.compile(rb"\s*(?:\"((?:[^\"\\]|\\.)*)\"?|'((?:[^'\\]|\\.)*)'?|(\S+))", re.DOTALL)
_LINE_LIMIT = 8192
_FILES = (
    b"sslcertificatefile",
    b"sslcertificatekeyfile",
    b"sslcertificatechainfile",
    b"sslcacertificatefile",
    b"sslcacertificatepath",
    b"sslcadnrequestfile",
    b"sslproxymachinecertificatefile",
    b"sslproxymachinecertificatechainfile",
    b"sslproxycacertificatefile",
    b"sslproxycacertificatepath",
)
_ANCHORS = (b"sslcacertificatefile", b"sslcadnrequestfile", b"sslproxymachinecertificatechainfile", b"sslproxycacertificatefile")
_ANCHOR_FOLDERS = (b"sslcacertificatepath", b"sslproxycacertificatepath")


class _Host:
    """The main server or a virtual host: its addresses, and what stands in it."""

    def __init__(self, addresses: t.Sequence[bytes]) -> None:
        self.addresses = addresses
        self.engine: t.Optional[bytes] = None
        self.names: t.List[bytes] = []
        self.files: t.Dict[bytes, t.List[bytes]] = {}


def read_apache(configuration: bytes, reader: Reader, arguments: t.Sequence[bytes] = ()) -> None:
    """Add to the reader's findings what httpd.conf and all that it includes name; `arguments` are those of the running program (-D, -d)."""
    parser = _Parser(configuration, reader, arguments)
    parser.file(configuration)
    for host in parser.hosts[1:]:
        _add(host, parser.hosts[0], parser.listens, reader.findings)
    _add_main(parser.hosts[0], parser.hosts[1:], parser.listens, reader.findings)


class _Parser:
    """Goes through the files in the order in which httpd does."""

    def __init__(self, configuration: bytes, reader: Reader, arguments: t.Sequence[bytes]) -> None:
        self._reader = reader
        self._findings = reader.findings
        folder = os.path.dirname(configuration)
        self._root = os.path.dirname(folder) if os.path.basename(folder) == b"conf" else folder
        self._variables: t.Dict[bytes, bytes] = {}
        self._defined: t.Set[bytes] = set()
        self._modules: t.Set[bytes] = set()
        self._skipped = 0  # sections open within one that does not count
        self.listens: t.List[bytes] = []
        self.hosts = [_Host(())]
        self._host = self.hosts[0]
        self._environment(folder)
        for option, value in zip(arguments, [*arguments[1:], b""]):
            if option[:2] == b"-D":
                self._defined.add(option[2:] or value)
            elif option == b"-d" and value:
                self._root = value

    def _environment(self, folder: bytes) -> None:
        """Variables that the start script sets: read, never executed."""
        for path in (os.path.join(folder, b"envvars"), *_ENVIRONMENTS):
            if os.path.isfile(path):
                self._variables.update(shell_variables(self._reader.read(path) or b""))
        self._defined.update(flag[2:] if flag.startswith(b"-D") else flag for flag in self._variables.get(b"APACHE_SERVER_FLAGS", b"").split())

    def file(self, path: bytes) -> None:
        """Read one file."""
        content = self._reader.enter(path)
        sections: t.List[t.Tuple[bytes, t.Optional[_Host], bool]] = []
        try:
            for line in re.sub(rb"\\\r?\n", b"", content or b"").split(b"\n"):
                self._line(line.strip(), path, sections)
        finally:
            self._reader.leave()
        if sections:
            self._findings.problem(f"{path_text(path)} ends within a section <{path_text(sections[-1][0])}>")
        while sections:
            self._end(sections)

    def _line(self, line: bytes, path: bytes, sections: t.List[t.Tuple[bytes, t.Optional[_Host], bool]]) -> None:
        if not line or line.startswith(b"#"):
            return
        if len(line) > _LINE_LIMIT:
            self._findings.problem(f"{path_text(path)} has a line of more than {_LINE_LIMIT} bytes, which was left out")
            return
        line = _VARIABLE.sub(lambda match: self._variables.get(match.group(1), match.group()), line)
        if line.startswith(b"</"):
            if not sections or sections[-1][0] != line[2:].rstrip(b"> \t").lower():
                self._findings.problem(f"{path_text(path)} has {path_text(line[:80])!r} where no such section is open")
            else:
                self._end(sections)
        elif line.startswith(b"<"):
            words = _words(line[1:].rstrip()[:-1] if line.endswith(b">") else line[1:])
            self._begin(words, path, sections)
        elif not self._skipped:
            self._directive(_words(line), path)

    def _begin(self, words: t.Sequence[bytes], path: bytes, sections: t.List[t.Tuple[bytes, t.Optional[_Host], bool]]) -> None:
        name = words[0].lower() if words else b""
        counts = not self._skipped and self._applies(name, words[1:], path)
        before = None
        if counts and name == b"virtualhost":
            before, self._host = self._host, _Host(words[1:])
            self.hosts.append(self._host)
        self._skipped += not counts
        sections.append((name, before, counts))

    def _end(self, sections: t.List[t.Tuple[bytes, t.Optional[_Host], bool]]) -> None:
        _name, before, counts = sections.pop()
        self._skipped -= not counts
        self._host = before or self._host

    def _applies(self, name: bytes, words: t.Sequence[bytes], path: bytes) -> bool:
        """Whether a section counts; conditions on requests and versions do."""
        condition = words[0] if words else b""
        wanted = not condition.startswith(b"!")
        condition = condition.lstrip(b"!")
        if name == b"ifdefine":
            return wanted == (condition in self._defined)
        if name == b"ifmodule":
            return wanted == (not self._modules or condition in self._modules or condition in _STATIC)
        if name == b"iffile":
            return wanted == os.path.exists(absolute(self._root, condition))
        if name == b"macro":
            self._findings.problem(f"{path_text(path)} defines a macro {path_text(condition)!r}; macros are not followed")
            return False
        return True

    def _directive(self, words: t.Sequence[bytes], path: bytes) -> None:
        name, values = words[0].lower(), words[1:]
        if not values:
            return
        if name in (b"include", b"includeoptional"):
            self._include(values[0], name == b"include")
        elif name in _FILES:
            self._file_named(name, words[0], values[0], path)
        elif name == b"sslengine":
            self._host.engine = values[0].lower()
        elif name in (b"servername", b"serveralias"):
            self._host.names.extend(values)
        elif name == b"listen":
            self.listens.append(values[0])
        else:
            self._state(name, values)

    def _state(self, name: bytes, values: t.Sequence[bytes]) -> None:
        """Directives that change how the rest is read."""
        if name == b"define":
            self._defined.add(values[0])
            self._variables[values[0]] = values[1][:VALUE_LIMIT] if len(values) > 1 else b""
        elif name == b"undefine":
            self._defined.discard(values[0])
            self._variables.pop(values[0], None)
        elif name == b"serverroot":
            self._root = values[0]
        elif name == b"loadmodule" and len(values) > 1:
            self._modules.add(values[0])
            self._modules.add(os.path.splitext(os.path.basename(values[1]))[0] + b".c")

    def _file_named(self, name: bytes, shown: bytes, value: bytes, path: bytes) -> None:
        if b"${" in value:
            self._findings.problem(f"{path_text(path)}: {path_text(shown)} {path_text(value)!r} cannot be followed, because its variable is not known")
        elif re.match(rb"[a-z0-9]+:", value):
            self._findings.problem(f"{path_text(path)}: {path_text(shown)} {path_text(value)!r} is not a file")
        else:
            self._host.files.setdefault(name, []).append(absolute(self._root, value))

    def _include(self, value: bytes, needed: bool) -> None:
        pattern = absolute(self._root, value)
        for path in self._reader.matching(pattern):
            if os.path.isdir(path):
                self._folder(path)
            elif needed or os.path.exists(path):
                self.file(path)

    def _folder(self, folder: bytes) -> None:
        """All files of a folder and of those in it, by name."""
        for base, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                self.file(os.path.join(base, name))
            if self._reader.exhausted:
                break


def _words(line: bytes) -> t.List[bytes]:
    """The words of a line; in quotes a backslash protects the quote and itself (ap_getword_conf)."""
    found = []
    for match in _WORD.finditer(line):
        quoted = match.group(1) if match.group(1) is not None else match.group(2)
        if quoted is not None:
            found.append(re.sub(rb"\\([\\\"'])", rb"\1", quoted))
        elif match.group(3) is not None:
            found.append(match.group(3))
    return found


def _merged(host: _Host, main: _Host, name: bytes) -> t.List[bytes]:
    """What counts in a virtual host: its own files, the main server's behind them (mod_ssl knocks out as many as the host has)."""
    own = host.files.get(name, [])
    return own + main.files.get(name, [])[len(own) :]


def _add(host: _Host, main: _Host, listens: t.Sequence[bytes], findings: Findings) -> None:
    engine = host.engine or main.engine or b"off"
    listeners: t.Tuple[Listener, ...] = ()
    if engine in (b"on", b"optional"):
        listeners = tuple(dict.fromkeys(each for address in host.addresses for each in _listeners(address, listens, findings)))
    if not listeners and not host.files:
        return
    _add_files(host, main, look_names(map(_bare_name, host.names)), listeners, findings)


def _add_main(main: _Host, hosts: t.Sequence[_Host], listens: t.Sequence[bytes], findings: Findings) -> None:
    """The main server answers where no virtual host does; what only it names is named nevertheless."""
    listeners: t.Tuple[Listener, ...] = ()
    if main.engine in (b"on", b"optional"):
        taken = {listener for host in hosts for address in host.addresses for listener in _listeners(address, listens, findings)}
        everywhere = dict.fromkeys(each for listen in listens for each in _listeners(b"*:" + listen.rpartition(b":")[2], [listen], findings))
        listeners = tuple(listener for listener in everywhere if listener not in taken)
    if listeners or not all(findings.names(path) for paths in main.files.values() for path in paths):
        _add_files(main, main, look_names(map(_bare_name, main.names)), listeners, findings)


def _add_files(host: _Host, main: _Host, names: t.Tuple[str, ...], listeners: t.Tuple[Listener, ...], findings: Findings) -> None:
    keys = _merged(host, main, b"sslcertificatekeyfile")
    chain = next(iter(_merged(host, main, b"sslcertificatechainfile")), None)
    for index, certificate in enumerate(_merged(host, main, b"sslcertificatefile")):
        key = keys[index] if index < len(keys) else certificate
        findings.add(Use(certificate=certificate, key=key, chain=chain, names=names, listeners=listeners))
    for path in _merged(host, main, b"sslproxymachinecertificatefile"):
        findings.add(Use(certificate=path, key=path))
    for name in _ANCHORS:
        for path in _merged(host, main, name):
            findings.add(Use(chain=path))
    for name in _ANCHOR_FOLDERS:
        for path in _merged(host, main, name):
            findings.add(Use(folder=path))


def _bare_name(name: bytes) -> bytes:
    """ServerName may have a scheme before it and a port behind it."""
    return name.rpartition(b"://")[2].partition(b":")[0]


def _listeners(address: bytes, listens: t.Sequence[bytes], findings: Findings) -> t.Iterator[Listener]:
    """Where a virtual host's address is listened on, according to the Listen lines."""
    host, port = _split(address)
    wild = host in ("", "*", "_default_")
    met = False
    for listen in listens:
        listen_host, listen_port = _split(listen)
        if listen_port is None or port not in (None, listen_port):
            continue
        everywhere = listen_host in ("", "*", "0.0.0.0", "[::]")  # noqa: S104 (it is read, not bound)
        if wild or everywhere or host == listen_host:
            met = True
            yield Listener(connectable(listen_host if wild else host), listen_port)
    if not met:
        findings.problem(f"the virtual host {path_text(address)!r} has no Listen line")


def _split(address: bytes) -> t.Tuple[str, t.Optional[int]]:
    """`*:443`, `443`, `[::1]:443`, `1.2.3.4`, `*:*` as host and port (None for every port)."""
    match = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}|\*))?", address.decode("ascii", "replace"))
    if match is None:
        return "?", None
    host, port = match.group(1), match.group(2)
    if port is None and host.isdigit():
        host, port = "", host
    return host, int(port) if port and port != "*" and 0 < int(port) < 65536 else None
