# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of the host program for each verb: its sources, packed once, and the request."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import marshal
import sys
import types
import typing as t
import zlib
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path

from ansible_collections.certops.fleet.plugins.module_utils._host.start import PACKAGE
from ansible_collections.certops.fleet.plugins.plugin_utils._files.kept import kept

HOST_FOLDER = Path(__file__).resolve().parents[2] / "module_utils" / "_host"


def _in(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}.py" for name in names)


_COMMON = ("accounts.py", "base.py", "evidence.py", "program.py")
_GROUND = ("run.py", "text.py", *_in("x509", "der", "keys", "pem", "x509"))
_WEB_SERVERS = _in("services", "service_apache", "service_haproxy", "service_nginx")
_OTHER_SERVICES = _in("services", "service_exim", "service_prosody", "service_settings", "service_table", "settings", "shipped")
_SERVICES = (*_in("services", "configuration", "entries", "instances", "processes", "services", "units"), *_WEB_SERVERS, *_OTHER_SERVICES)
_PROBING = ("endpoint/hello.py", "tls.py", *_in("services", "hello", "look", "probing", "starttls"))
_SCAN = (
    *_in("scan", "cache", "findings", "mounts", "paths", "paths_table", "patterns", "places", "readers", "reading", "scan", "walk"),
    *_in("stores", "contents", "embedded", "items", "java", "nss", "pkcs12", "pkcs7", "ssh"),
    *_in("x509", "distinguished", "records"),
    "transaction/files.py",
)
_TRUST = _in("trust", "debian", "nss", "p11kit", "reference", "stores")
_RENEWERS = _in("renewers", "certbot", "certmonger", "reading", "renewers", "schedule", "shell", "stored", "tracked")
_ENDPOINT = _in("endpoint", "engine", "handshake", "hello", "openssl", "starttls", "wire")
_STAGED = _in("transaction", "attributes", "declared", "files", "found", "installed", "kernel", "layout", "owners", "results", "staged", "staging", "swap")
_FILES = ("renewers/tracked.py", *_STAGED)
_JOURNAL = ("tls.py", *_in("services", "look", "starttls"), *_in("transaction", "baseline", "commit", "journal", "lock", "serving", "verify"))
_INSTALL = ("x509/names.py", *_in("transaction", "checks", "guardian", "material", "namespace", "reloading", "transaction"))
_INSPECTION = _in("transaction", "inspection", "resolve")
_LOOKING = (*_GROUND, *_SERVICES, *_FILES, *_JOURNAL)
_CHANGING = (*_LOOKING, "transaction/prepare.py")

# What each verb needs: the closure of the imports of verb_<name>.py, which a unit test compares.
SOURCES: dict[str, tuple[str, ...]] = {
    "scan": (*_GROUND, *_SERVICES, *_PROBING, *_SCAN, *_RENEWERS, *_TRUST, "verb_scan.py"),
    "endpoints": (*_ENDPOINT, "run.py", "text.py", "tls.py", "x509/der.py", "verb_endpoints.py"),
    "inspect": (*_LOOKING, *_INSPECTION, "verb_inspect.py"),
    "outcome": (*_CHANGING, "verb_outcome.py"),
    "request": (*_CHANGING, *_INSPECTION, *_in("transaction", "csr", "material"), "verb_request.py"),
    "install": (*_CHANGING, *_INSTALL, *_SCAN, "verb_install.py"),
    "discard": (*_CHANGING, "verb_discard.py"),
}


_PREPARED: set[str] = set()
_START = (HOST_FOLDER / "start.py").read_text(encoding="utf-8")


def _packed(value: object) -> str:
    # In short lines: of a text that is cut off, an old Python shows the last line. A higher level costs every run more than the network gains.
    return _lines(json.dumps(value).encode(), 5)


def _lines(data: bytes, level: int) -> str:
    return base64.encodebytes(zlib.compress(data, level)).decode("ascii")


@functools.cache
def _bundle(verb: str) -> str:
    return _kept(verb, "sources", lambda: _packed(_read(SOURCES[verb])))


@functools.cache
def _compiled(verb: str) -> str:
    def made() -> str:
        codes = {name: marshal.dumps(_code(name)) for name in _names(SOURCES[verb])}
        return _lines(marshal.dumps(codes), 3)

    return _kept(verb, "program", made)


def _kept(verb: str, kind: str, make: t.Callable[[], str]) -> str:
    """What an earlier run packed of the same files in the same way, or what is made now."""
    return kept(cache_from_source(str(HOST_FOLDER / f"verb_{verb}.py"), optimization=kind), _key(verb), make)


@functools.cache
def _key(verb: str) -> str:
    """SHA-256 of everything that a program is made of and by."""
    digest = hashlib.sha256(MAGIC_NUMBER + Path(__file__).read_bytes())
    for name in ("start.py", *_names(SOURCES[verb])):
        source = _source(name)
        digest.update(f"{name} {len(source)}\n".encode() + source)
    return digest.hexdigest()


def _names(names: tuple[str, ...]) -> list[str]:
    return sorted({*_COMMON, *names})


def _read(names: tuple[str, ...]) -> dict[str, str]:
    return {name: _source(name).decode() for name in _names(names)}


@functools.cache
def _source(name: str) -> bytes:
    return (HOST_FOLDER / name).read_bytes()


@functools.cache
def _code(name: str) -> types.CodeType:
    return _without_lines(compile(_source(name), f"{PACKAGE.replace('.', '/')}/{name}", "exec", dont_inherit=True, optimize=2))


def _without_lines(code: types.CodeType) -> types.CodeType:
    """The table of lines and columns is a third of it."""
    inner = tuple(_without_lines(each) if isinstance(each, types.CodeType) else each for each in code.co_consts)
    return code.replace(co_linetable=b"", co_consts=inner)


def prepare(*verbs: str) -> None:
    """Pack the programs of these verbs now. An action plugin does it for those that every host is asked for, while it is imported: before the workers fork."""
    for verb in verbs:
        program_digest(verb)
        _compiled(verb)
        _PREPARED.add(verb)


Form = t.Literal["compiled", "both", "sources"]


def form_for(verb: str, python: str | None) -> Form:
    """How the program of a verb goes to a host with this version of Python (`3.11.2`): compiled, where it need not compile it; in both ways where the version
    is not known yet."""
    if verb not in _PREPARED or sys.implementation.name != "cpython":
        return "sources"
    if python is None:
        return "both"
    return "compiled" if python.split(".")[:2] == [str(part) for part in sys.version_info[:2]] else "sources"


@functools.cache
def program_digest(verb: str) -> str:
    """Return the SHA-256 of the program of a verb, without its request, as lower-case hexadecimal digits."""
    return hashlib.sha256((_START + _bundle(verb)).encode()).hexdigest()


def program_text(verb: str, request: t.Mapping[str, object], *, form: Form = "sources") -> str:
    """Return what the host's interpreter reads from its standard input; a text that is cut off anywhere starts nothing.

    What goes `compiled` runs in the controller's version of Python alone; another asks for the sources.
    """
    said = f'"""\n{packed_request(request)}"""'
    if form == "sources":
        return f'{_START}\n\nstart("""\n{_bundle(verb)}""", {said})\n'
    sources = f', """\n{_bundle(verb)}"""' if form == "both" else ""
    return f'{_START}\n\nstart_compiled("{MAGIC_NUMBER.hex()}", """\n{_compiled(verb)}""", {said}{sources})\n'


def packed_request(request: t.Mapping[str, object]) -> str:
    """Return a request as base64 text of its compressed JSON."""
    return _packed(request)
