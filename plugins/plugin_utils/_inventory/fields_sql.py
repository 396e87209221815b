# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which fields of documents are columns of the rows that they are made of, for C(select_sql). A field that is not named here is left to JMESPath."""

from __future__ import annotations

import functools
import operator
import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory import schema
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.certificates import KINDS_OF_NAMES
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.select_sql import Condition, Field, Fields, Within
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa
from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.text import TEXT_LIMIT, clean_text

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
def certificates(namespace: str | None = None) -> Fields:
    """With the places of a namespace alone, or with all of them."""
    table = schema.certificates
    own = _fields(table, text="sha256 serial spki signature_algorithm", boolean="is_ca self_issued", time="first_seen")
    names = {"subject.commonName": Field("text", table.c.common_name), "issuer.commonName": Field("text", table.c.issuer_name)}
    lists = {"places": Field("list", within=_places_of(namespace)), "subject_alt_name": Field("names", table.c.names_count, _has_name)}
    return {**own, **names, **lists, "public_key_type": Field("text", table.c.key_type), **_health(table.c.not_after)}


def _places_of(namespace: str | None) -> tuple[Within, ...]:
    """The files and endpoints that a certificate lies in. What an endpoint has for its path is no column."""
    hosts, certificates = schema.hosts.c, schema.certificates.c
    on_host, shown = schema.places, schema.endpoints
    files = on_host.join(schema.hosts, hosts.id == on_host.c.host_id)
    listeners = shown.outerjoin(schema.hosts, hosts.id == shown.c.host_id)

    def within(source: t.Any, table: t.Any, space: t.Any) -> t.Callable[[t.Any], t.Any]:
        at = sa.true() if namespace is None else space == namespace

        def exists(condition: t.Any) -> t.Any:
            # Few rows are of one host: they are looked up once, and not for each certificate.
            if _names_host(condition):
                return certificates.sha256.in_(sa.select(table.c.certificate).select_from(source).where(table.c.certificate.is_not(None), at, condition))
            own = table.c.certificate == certificates.sha256
            return sa.exists(sa.select(sa.literal(1)).select_from(source).where(own, at, condition).correlate(schema.certificates))

        return exists

    names = ("namespace", "host", "path", "alias", "class", "first_seen", "gone_at")
    file = {name: field for name, field in places().items() if name in names}
    listener = {name: field for name, field in endpoints().items() if name in names}
    listener |= {"class": Field("text", sa.literal("in_use")), "alias": NOTHING}
    return Within(file, within(files, on_host, hosts.namespace)), Within(listener, within(listeners, shown, shown.c.namespace))


def _names_host(condition: t.Any) -> bool:
    """Whether a host is named exactly somewhere in a condition."""
    name = schema.hosts.c.name
    equals = (part for part in sa.sql.visitors.iterate(condition) if getattr(part, "operator", None) is operator.eq)
    return any(element is name for part in equals for element in sa.sql.visitors.iterate(part))


def _has_name(text: str) -> Condition | None:
    """That one of the alternative names is this one. Documents end a list that is too long where the stored names end."""
    kind, separator, name = text.partition(":")
    if not separator or kind not in KINDS_OF_NAMES or len(text) >= TEXT_LIMIT or clean_text(name) != name:
        return None
    names = schema.certificate_names.c
    found = sa.select(names.certificate).where(names.name == name, names.kind == KINDS_OF_NAMES[kind])
    return Condition(schema.certificates.c.sha256.in_(found))


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
