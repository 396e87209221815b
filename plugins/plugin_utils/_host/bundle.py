# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of the host program for each verb: its sources, packed once, and the request."""

from __future__ import annotations

import base64
import hashlib
import json
import typing as t
import zlib
from pathlib import Path

HOST_FOLDER = Path(__file__).resolve().parents[2] / "module_utils" / "_host"
_COMMON = ("base.py", "evidence.py", "program.py")
_CERTIFICATES = ("der.py", "keys.py", "pem.py", "text.py", "x509.py")
_SERVICES = (
    "configuration.py",
    "processes.py",
    "run.py",
    "service_apache.py",
    "service_haproxy.py",
    "service_nginx.py",
    "service_table.py",
    "services.py",
    "units.py",
)
_WALK = ("findings.py", "mounts.py", "paths_table.py", "patterns.py", "places.py", "reading.py", "scan.py", "walk.py")
_FILES = ("attributes.py", "declared.py", "files.py", "found.py", "kernel.py", "layout.py", "owners.py", "results.py", "staged.py", "staging.py", "swap.py")
_JOURNAL = ("baseline.py", "commit.py", "journal.py", "lock.py", "look.py", "serving.py", "verify.py")
_TRANSACTION = ("checks.py", "guardian.py", "names.py", "namespace.py", "reloading.py", "transaction.py")
_LOOKING = (*_CERTIFICATES, *_SERVICES, *_FILES, *_JOURNAL)
_CHANGING = (*_LOOKING, "prepare.py")

# What each verb needs: the closure of the imports of verb_<name>.py, which a unit test compares.
SOURCES: dict[str, tuple[str, ...]] = {
    "scan": (*_CERTIFICATES, *_SERVICES, *_WALK, "verb_scan.py"),
    "inspect": (*_LOOKING, "resolve.py", "verb_inspect.py"),
    "outcome": (*_CHANGING, "verb_outcome.py"),
    "request": (*_CHANGING, "csr.py", "material.py", "verb_request.py"),
    "install": (*_CHANGING, *_TRANSACTION, "material.py", "verb_install.py"),
    "discard": (*_CHANGING, "verb_discard.py"),
}


def _packed(value: object) -> str:
    # In short lines: of a text that is cut off, an old Python shows the last line.
    return base64.encodebytes(zlib.compress(json.dumps(value).encode(), 9)).decode("ascii")


def _read(names: tuple[str, ...]) -> dict[str, str]:
    return {name: (HOST_FOLDER / name).read_text(encoding="utf-8") for name in sorted({*_COMMON, *names})}


# Read when an action plugin is imported, before the workers fork: paid once, not for each host.
_START = (HOST_FOLDER / "start.py").read_text(encoding="utf-8")
_BUNDLES = {verb: _packed(_read(names)) for verb, names in SOURCES.items()}
_DIGESTS = {verb: hashlib.sha256((_START + bundle).encode()).hexdigest() for verb, bundle in _BUNDLES.items()}


def program_digest(verb: str) -> str:
    """Return the SHA-256 of the program of a verb, without its request, as lower-case hexadecimal digits."""
    return _DIGESTS[verb]


def program_text(verb: str, request: t.Mapping[str, object]) -> str:
    """Return what the host's interpreter reads from its standard input; a text that is cut off anywhere starts nothing."""
    return f'{_START}\n\nstart("""\n{_BUNDLES[verb]}""", """\n{packed_request(request)}""")\n'


def packed_request(request: t.Mapping[str, object]) -> str:
    """Return a request as base64 text of its compressed JSON."""
    return _packed(request)
