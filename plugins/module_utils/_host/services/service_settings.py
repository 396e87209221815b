# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rows of the service table say of a configuration's settings: which of them name certificates, and which say where the service listens."""

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
)
from ansible_collections.certops.fleet.plugins.module_utils._host.services.settings import Scope, Settings, Words, cleaned, named
from ansible_collections.certops.fleet.plugins.module_utils._host.text import path_text

Row = t.Dict[str, t.Any]
Bound = t.Optional[t.Set[t.Tuple[str, int]]]  # what the processes listen on, None when that cannot be seen
_ROLES = ("certificate", "key", "chain", "folder", "store")
_VARIABLE = re.compile(rb"\$(?:\{([\w.-]+)\}|\(([\w.-]+)\)|([A-Za-z_]\w*))")
_ADDRESS = re.compile(r"(?:(?!http:)[a-z][a-z0-9+.]*://)?(?:(\[[0-9a-f:.]*\]|[0-9a-f:.]*|[^:\[\]\s/]*):)?([0-9]{1,5})(?:\s+(\S+))?/?")
_KEY_ENDINGS = (b".key", b"key.pem")
_REPLACED = 5  # variables in the values of variables
_OPTION = re.compile(rb"--?([A-Za-z][\w.-]*)(?:=(.*))?", re.DOTALL)
_DEFINED = re.compile(rb"-D([\w.]+)=(.*)", re.DOTALL)


def settings_for(reads: Row, reader: Reader) -> Settings:
    """Empty settings, read by the words of an entry."""
    scopes, includes = (frozenset(map(named, reads[name])) for name in ("scopes", "includes"))
    return Settings(reader, Words(scopes, includes, reads["continued"]))


def read_settings(entry: Row, configuration: t.Optional[bytes], reader: Reader, arguments: t.Sequence[bytes], bound: Bound) -> None:
    """Add to the reader's findings what a configuration names; options of the running program count as settings, and win."""
    settings = settings_for(entry["reads"], reader)
    if configuration is not None:
        if entry["syntax"] != "arguments":
            settings.read(entry["syntax"], configuration)
        _put_arguments(settings.root, arguments)
        for name in entry["reads"]["also"]:
            path = absolute(Rows(entry["reads"], settings, configuration, None).folder, os.fsencode(name))
            if os.path.isfile(path):
                settings.read(entry["syntax"], path)
    _put_arguments(settings.root, arguments)
    Rows(entry["reads"], settings, configuration, bound).find()


def _put_arguments(root: Scope, arguments: t.Sequence[bytes]) -> None:
    for argument, following in zip(arguments, [*arguments[1:], b""]):
        match = _DEFINED.fullmatch(argument) or _OPTION.fullmatch(argument)
        if match and (match.group(2) is not None or not following.startswith(b"-")):
            root.put(named(match.group(1)), match.group(2) if match.group(2) is not None else following)


class Rows:
    """Applies the rows of one entry to the settings of one configuration."""

    def __init__(self, reads: Row, settings: Settings, configuration: t.Optional[bytes], bound: Bound) -> None:
        self._reads = reads
        self._settings = settings
        self._reader = settings.reader
        self._findings: Findings = settings.reader.findings
        self._configuration = configuration
        self._bound = bound
        self.folder = os.path.dirname(configuration or b"/")
        base = self._first(settings.root, reads["base"])
        self.folder = base or self.folder

    def find(self) -> None:
        """Add all uses."""
        for scope in self._settings.scopes:
            listeners = self._listeners(scope)
            names = look_names(name for setting in self._reads["names"] for name in scope.get(named(setting)))
            for row in self._reads["files"]:
                if self._counts(scope, row) and _applies(scope, row["when"]):
                    self._use(scope, row, names, () if row["client"] else listeners)

    def _counts(self, scope: Scope, row: Row) -> bool:
        """Whether a scope says something itself: a file of this row, or where it listens; the rest it has from around it."""
        if scope.parent is None:
            return True
        named_here = (setting for role in _ROLES for setting in row[role])
        listens = (setting for port in self._reads["ports"] for setting in port["setting"])
        return any(scope.own(named(setting)) for setting in (*named_here, *(() if row["client"] else listens), *self._reads["names"]))

    def _use(self, scope: Scope, row: Row, names: t.Tuple[str, ...], listeners: t.Tuple[Listener, ...]) -> None:
        key, chain, folder = (self._first(scope, row[role]) for role in ("key", "chain", "folder"))
        certificates = self._paths(scope, row["certificate"])
        if key is None and len(certificates) > 1:  # one setting names the files of both
            key = next((path for path in certificates if path.endswith(_KEY_ENDINGS)), None)
        for certificate in certificates:
            if certificate == key and len(certificates) > 1:
                continue
            self._findings.add(Use(certificate, key or certificate, chain, folder, None, names, listeners))
        for store in self._paths(scope, row["store"]):
            self._findings.add(Use(store=store, names=names, listeners=listeners))
        if not row["certificate"] and (chain or folder):
            for path in self._paths(scope, row["chain"]):
                self._findings.add(Use(chain=path))
            if folder:
                self._findings.add(Use(folder=folder))

    def _first(self, scope: Scope, settings: t.Sequence[str]) -> t.Optional[bytes]:
        return next(iter(self._paths(scope, settings)), None)

    def _paths(self, scope: Scope, settings: t.Sequence[str]) -> t.List[bytes]:
        """The files that the first of these settings names which has a value; a path among them is what counts where none has, if it exists."""
        for setting in settings:
            if setting.startswith(("/", "./")):
                usual = absolute(self.folder, os.fsencode(setting))
                if os.path.exists(usual):
                    return [usual]
                continue
            values = [value for value in scope.get(named(setting)) if value.lower() not in (b"", b"none", b"off")]
            if values:
                return [path for value in values for path in self._followed(setting, value, scope)]
        return []

    def _followed(self, setting: str, value: bytes, scope: Scope) -> t.List[bytes]:
        for _time in range(_REPLACED):
            value = _VARIABLE.sub(lambda match: _replaced(match, scope), value)[:VALUE_LIMIT]
        if re.search(rb"[$%`]", value):
            where = path_text(self._configuration or b"the command line")
            self._findings.problem(f"{where}: {setting} {path_text(value)!r} cannot be followed, because its variable is not known")
            return []
        value = value[len(b"file:") :] if value.startswith(b"file:") else value
        pieces = [piece for piece in re.split(rb"[,\s]+", value) if piece] if re.search(rb"[,\s]+/", value) else [value]
        return [path for piece in pieces for path in self._reader.matching(absolute(self.folder, cleaned(piece)))]

    def _listeners(self, scope: Scope) -> t.Tuple[Listener, ...]:
        found: t.Dict[Listener, None] = {}
        for row in self._reads["ports"]:
            if not _applies(scope, row["when"]):
                continue
            values = [value for setting in row["setting"] for value in scope.get(named(setting))]
            for place in b",".join(values).split(b","):
                found.update(dict.fromkeys(self._configured(place, scope, row)))
            if not values and row["port"] is not None:
                found.update(dict.fromkeys(self._usual(row)))
        return tuple(found)

    def _configured(self, value: bytes, scope: Scope, row: Row) -> t.Iterator[Listener]:
        """Where a setting says that the service listens: `443`, `*:443`, `[::]:443`, `tcp://host:443`, `443 address`; nothing for `http:` or a socket."""
        match = _ADDRESS.fullmatch(cleaned(value).decode("ascii", "replace").lower())
        if match is None or not 0 < int(match.group(2)) < 65536:
            return
        told = next((value for setting in row["address"] for value in scope.get(named(setting))), b"")
        address = match.group(1) or match.group(3) or (told.split()[:1] or [b""])[0].decode("ascii", "replace").strip(",")
        port = int(match.group(2))
        where = connectable(address if re.search("[.:]", address) and not re.search("[^0-9a-f.:\\[\\]]", address) else "")
        yield Listener(self._seen(port) or where if where == "127.0.0.1" else where, port, row["protocol"])

    def _usual(self, row: Row) -> t.Iterator[Listener]:
        """A port that nothing names counts when the service's processes listen there, or may."""
        if self._bound is None:
            yield Listener("127.0.0.1", row["port"], row["protocol"])
        elif self._seen(row["port"]):
            yield Listener(self._seen(row["port"]) or "", row["port"], row["protocol"])

    def _seen(self, port: int) -> t.Optional[str]:
        """The address to connect to for a port that the processes listen on."""
        addresses = sorted(connectable(address) for address, bound in self._bound or () if bound == port)
        return next((address for address in ("127.0.0.1", "::1") if address in addresses), addresses[0] if addresses else None)


def _replaced(match: "t.Match[bytes]", scope: Scope) -> bytes:
    name = match.group(1) or match.group(2) or match.group(3)
    found = scope.get(named(name))
    return found[-1] if found else match.group()


def _applies(scope: Scope, when: t.Dict[str, t.List[t.Optional[str]]]) -> bool:
    """Whether each of these settings has one of the values that are accepted; null stands for none at all."""
    for setting, accepted in when.items():
        values = scope.get(named(setting))
        if (values[-1].decode("utf-8", "replace").lower() if values else None) not in accepted:
            return False
    return True


def read_folder(entry: Row, configuration: t.Optional[bytes], reader: Reader, _arguments: t.Sequence[bytes], bound: Bound) -> None:
    """A folder of certificates of which the last by its name counts, with its key beside it (cockpit(1), cockpit-tls)."""
    folder = configuration or b"/nowhere"
    try:
        names = os.listdir(folder)
    except OSError as exc:
        reader.findings.problem(f"{path_text(folder)} cannot be read: {exc.strerror}")
        return
    found = sorted(name for name in names if name.endswith((b".cert", b".crt")) and not name.startswith(b"."))
    if found:
        settings = settings_for(entry["reads"], reader)
        certificate = os.path.join(folder, found[-1])
        settings.root.put("certificate", certificate)
        beside = os.path.splitext(certificate)[0] + b".key"
        settings.root.put("key", beside if os.path.isfile(beside) else certificate)
        Rows(entry["reads"], settings, certificate, bound).find()
