# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""URLs of PostgreSQL: what libpq is told, what is refused, and what is never shown."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.location import locate
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.values import InventoryError

FULL = "postgresql://op:p%40ss@db.example:6432/fleet?sslmode=verify-full&sslrootcert=/etc/ca.pem"


def _parameters(url: str, **environ: str) -> t.Mapping[str, str]:
    server = locate(url, environ=environ).server
    assert server is not None
    return server.parameters


def test_everything_that_a_url_says_reaches_libpq() -> None:
    """Decoded, with a limit for the time to connect, and named without user and password."""
    location = locate(FULL, environ={})
    told = {"user": "op", "password": "p@ss", "host": "db.example", "port": "6432", "dbname": "fleet", "sslmode": "verify-full", "sslrootcert": "/etc/ca.pem"}
    assert told.items() <= _parameters(FULL).items()
    assert _parameters(FULL)["connect_timeout"] == "10"
    assert location.name == location.url == "postgresql://db.example/fleet"
    assert "p@ss" not in repr(location)


@pytest.mark.parametrize(
    ("url", "environ", "mode"),
    [
        ("postgresql://db/fleet", {}, "require"),
        ("postgresql+psycopg://db/fleet?sslrootcert=/ca.pem", {}, "verify-full"),
        ("postgres://db/fleet?sslmode=disable", {}, "disable"),
        ("postgresql://db/fleet", {"PGSSLMODE": "prefer"}, None),
        ("postgresql:///fleet", {"PGHOST": "db"}, "require"),
        ("postgresql:///fleet?service=certops", {}, None),
        ("postgresql:///fleet", {}, None),
        ("postgresql:///fleet?host=/run/postgresql", {}, None),
        ("postgresql://127.0.0.1/fleet", {}, None),
        ("postgresql://[::1]/fleet", {}, None),
        ("postgresql://[2001:db8::1]:5433/fleet", {}, "require"),
    ],
)
def test_who_is_asked_over_a_network_must_offer_tls(url: str, environ: dict[str, str], mode: str | None) -> None:
    """Unless the user says otherwise; with something to verify it by it must verify."""
    assert _parameters(url, **environ).get("sslmode") == mode


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://op:secret@db", "is a URL of PostgreSQL without a database: accepted is postgresql://user@host"),
        ("postgresql:op:secret@db/fleet", "is no such URL"),
        ("postgresql+asyncpg://op:secret@db/fleet", "is no such URL"),
        ("postgresql://op:secret@db:0/fleet", "is no such URL"),
        ("postgresql://op:secret@db:99999/fleet", "is no such URL"),
        ("postgresql://op:secret@one,two/fleet", "is no such URL"),
        ("postgresql://op:secret@db/fleet?sslmode=maybe", "has the sslmode 'maybe': accepted are disable, allow"),
        ("postgresql://db/fleet?password=secret", "has the parameter 'password': accepted are application_name"),
        ("postgresql://op:secret@db/fleet?connect_timeout=soon", "has the connect_timeout 'soon': accepted are whole seconds"),
        ("postgresql://op:secret%00@db/fleet", "holds a NUL character"),
    ],
)
def test_refused(url: str, message: str) -> None:
    """One sentence, and never the password."""
    with pytest.raises(InventoryError) as error:
        locate(url, environ={})
    assert message in str(error.value)
    assert "secret" not in str(error.value)
