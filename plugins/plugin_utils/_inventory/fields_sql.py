# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which fields of documents are columns of the rows that they are made of, for C(select_sql). A field that is not named here is left to JMESPath."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.select_sql import Field, Fields
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa

NOTHING = Field("nothing")


def _fields(table: t.Any, **kinds: str) -> dict[str, Field]:
    """Fields that have the names of their columns: C(kind="name other")."""
    return {name: Field(t.cast("t.Any", kind), table.c[name]) for kind, names in kinds.items() for name in names.split()}


def _on_host(table: t.Any, **kinds: str) -> dict[str, Field]:
    """What lies on a host."""
    hosts = schema.hosts.c
    own = _fields(table, **{**kinds, "text": f"path {kinds['text']}" if "path" in table.c else kinds["text"], "time": "first_seen gone_at"})
    return {**own, "namespace": Field("text", hosts.namespace), "host": Field("text", hosts.name)}


def _health(column: t.Any) -> dict[str, Field]:
    return {"days_remaining": Field("days", column), "status": Field("status", column)}


def _of_certificate() -> dict[str, Field]:
    certificates = schema.certificates
    named = _fields(certificates, text="spki common_name", boolean="is_ca", time="not_after")
    return {**named, **_health(certificates.c.not_after)}


@functools.cache
def certificates() -> Fields:
    table = schema.certificates
    return {**_fields(table, text="sha256 serial spki", time="first_seen"), **_health(table.c.not_after)}


@functools.cache
def places() -> Fields:
    table = schema.places
    own = _on_host(table, text="format class owner group mode", integer="entry size hard_links")
    alias, sha256 = Field("text", sa.func.nullif(table.c.alias, "")), Field("text", table.c.certificate)
    return {**own, **_of_certificate(), "alias": alias, "sha256": sha256, "reason": NOTHING}


@functools.cache
def locked_stores() -> Fields:
    own = _on_host(schema.locked_stores, text="format class owner group mode reason")
    unknown = ("entry", "alias", "sha256", "spki", "common_name", "is_ca", "not_after", "days_remaining", "status", "size", "hard_links")
    return {**own, **dict.fromkeys(unknown, NOTHING)}


@functools.cache
def keys() -> Fields:
    return _on_host(schema.keys, text="alias kind format spki owner group mode", integer="entry size readers_count", boolean="encrypted everyone")


@functools.cache
def services() -> Fields:
    return _on_host(schema.services, text="name entry unit configuration", boolean="active")


@functools.cache
def endpoints() -> Fields:
    table, hosts = schema.endpoints, schema.hosts.c
    own = _fields(table, text="namespace target name seen_from starttls address protocol cipher reason", integer="port", time="first_seen gone_at looked_at")
    host, sha256 = Field("text", sa.func.coalesce(sa.func.nullif(hosts.name, ""), table.c.target)), Field("text", table.c.certificate)
    return {**own, **_of_certificate(), "host": host, "sha256": sha256}


@functools.cache
def issuances() -> Fields:
    table, hosts = schema.issuances, schema.hosts.c
    names = "name issuer serial csr_digest request_digest profile requester job transaction state reason"
    own = _fields(table, text=names, integer="id", time="began changed issued")
    return {**own, "namespace": Field("text", hosts.namespace), "host": Field("text", hosts.name), "sha256": Field("text", table.c.certificate)}


@functools.cache
def events() -> Fields:
    return _fields(schema.events, text="actor actor_known account job ticket reason kind namespace host subject previous hash", integer="seq", time="time")
