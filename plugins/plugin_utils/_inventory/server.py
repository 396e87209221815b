# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server of PostgreSQL out of a URL (libpq, section 34.1.1.2). Whatever is wrong with it is told without the URL: a password may stand in it."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from urllib.parse import parse_qsl, unquote

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import InventoryError

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
# What may stand behind the question mark, see libpq, section 34.1.2. A password there would be one more place for it.
PARAMETERS = frozenset(("host", "service", "passfile", "connect_timeout", "application_name", "options", "target_session_attrs"))
PARAMETERS |= {"sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "ssl_min_protocol_version", "channel_binding", "gssencmode", "krbsrvname"}
MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
FORM = "accepted is postgresql://user@host:port/database?sslmode=verify-full&sslrootcert=/path"
CONNECT_SECONDS = "10"
_LOCAL = re.compile(r"|/.*|localhost|127\..*|::1")
_URL = re.compile(r"([a-z+]+)://(?:([^/@?]*)@)?(\[[0-9a-fA-F:.%]+\]|[^/:@?\[\],]*)(?::([0-9]{1,5}))?(?:/([^/?]*))?(?:\?(.*))?", re.DOTALL)


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """How messages name the database, and what libpq is told; the latter may hold a password and is never shown."""

    name: str
    parameters: t.Mapping[str, str] = dataclasses.field(repr=False)


def parse_server(url: str, *, environ: t.Mapping[str, str]) -> Server:
    """The server that a URL stands for. What it does not say comes from libpq's own variables and files (PGPASSWORD, PGPASSFILE, PGSERVICE and others)."""
    parts = _URL.fullmatch(url)
    if parts is None or parts[1] not in SCHEMES or (parts[4] and not 0 < int(parts[4]) < 65536):
        raise InventoryError(f"certops_inventory begins with 'postgresql:' and is no such URL: {FORM}")
    user, colon, password = (parts[2] or "").partition(":")
    told = {"host": parts[3].strip("[]"), "port": parts[4], "dbname": parts[5], "user": user, "password": password if colon else ""}
    parameters = {name: unquote(value) for name, value in told.items() if value} | _query(parts[6] or "")
    if any("\x00" in value for value in parameters.values()):
        raise InventoryError(f"certops_inventory holds a NUL character: {FORM}")
    if not ({"dbname", "service"} & set(parameters) or environ.get("PGDATABASE") or environ.get("PGSERVICE")):
        raise InventoryError(f"certops_inventory is a URL of PostgreSQL without a database: {FORM}")
    return Server(_name(parameters), _defaults(parameters, environ) | parameters)


def _query(text: str) -> dict[str, str]:
    found = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name not in PARAMETERS:
            raise InventoryError(f"certops_inventory has the parameter {name[:40]!r}: accepted are {', '.join(sorted(PARAMETERS))}")
        found[name] = value
    if found.get("sslmode", MODES[0]) not in MODES:
        raise InventoryError(f"certops_inventory has the sslmode {found['sslmode'][:40]!r}: accepted are {', '.join(MODES)}")
    if not found.get("connect_timeout", CONNECT_SECONDS).isdecimal():
        raise InventoryError(f"certops_inventory has the connect_timeout {found['connect_timeout'][:40]!r}: accepted are whole seconds")
    return found


def _name(parameters: t.Mapping[str, str]) -> str:
    host = parameters.get("host", "")
    host = "" if host.startswith("/") else f"[{host}]" if ":" in host else host
    return f"postgresql://{host}/{parameters.get('dbname', '')}"


def _defaults(parameters: t.Mapping[str, str], environ: t.Mapping[str, str]) -> dict[str, str]:
    """Who is asked over a network must offer TLS, and must be who it is said to be where there is something to check it by."""
    timeout = environ.get("PGCONNECT_TIMEOUT") or CONNECT_SECONDS
    defaults = {
        "connect_timeout": timeout,
        "application_name": "certops.fleet",
        "client_encoding": "UTF8",
        "keepalives_idle": "30",
        "tcp_user_timeout": "60000",
    }
    host = parameters.get("host") or environ.get("PGHOST", "")
    if not (_LOCAL.fullmatch(host) or "PGSSLMODE" in environ or "service" in parameters or "PGSERVICE" in environ):
        defaults["sslmode"] = "verify-full" if "sslrootcert" in parameters or "PGSSLROOTCERT" in environ else "require"
    return defaults
