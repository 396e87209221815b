# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of the inventory: nothing but portable types, so that PostgreSQL can take over from SQLite.

Times are whole seconds since the epoch, UTC; the times of files on a host are seconds with their fraction. Columns that end in ``_json`` hold canonical
JSON. A change here needs a migration beside it (``migrations/versions``) and a new ``HEAD``; a unit test compares the two.
"""

from __future__ import annotations

import typing as t

from ansible_collections.certops.fleet.plugins.plugin_utils._inventory.sql import sa

HEAD = "0012"

if sa is not None:
    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )

    def _host(*, nullable: bool = False, primary_key: bool = False) -> sa.Column[int]:
        return sa.Column("host_id", sa.Integer, sa.ForeignKey("hosts.id"), nullable=nullable, primary_key=primary_key)

    def _certificate(*, nullable: bool = False, primary_key: bool = False) -> sa.Column[str]:
        return sa.Column("certificate", sa.String(64), sa.ForeignKey("certificates.sha256"), nullable=nullable, primary_key=primary_key)

    def _seen() -> tuple[sa.Column[int], ...]:
        """When something was there. ``scan_id`` is the scan that saw it last; equal scans after that one only move the scan's ``seen_until``."""
        return (
            sa.Column("scan_id", sa.Integer, sa.ForeignKey("scans.id"), nullable=False),
            sa.Column("first_seen", sa.BigInteger, nullable=False),
            sa.Column("gone_at", sa.BigInteger),
        )

    def _file() -> tuple[sa.Column[str], ...]:
        return (sa.Column("owner", sa.Text), sa.Column("group", sa.Text), sa.Column("mode", sa.Text))

    def _shown() -> tuple[sa.Column[t.Any], ...]:
        """What an endpoint shows, and when it was looked at."""
        return (
            _host(nullable=True),
            sa.Column("address", sa.Text),
            sa.Column("starttls", sa.Text, nullable=False),
            _certificate(nullable=True),
            sa.Column("chain_json", sa.Text, nullable=False),  # SHA-256 of what was shown, in that order
            sa.Column("protocol", sa.Text),
            sa.Column("cipher", sa.Text),
            sa.Column("facts_json", sa.Text, nullable=False),  # whether it verifies, OCSP response, versions
            sa.Column("reason", sa.Text),  # why the last look showed nothing, or not all
            sa.Column("first_seen", sa.BigInteger, nullable=False),
            sa.Column("last_seen", sa.BigInteger, nullable=False),
            sa.Column("looked_at", sa.BigInteger, nullable=False),
            sa.Column("gone_at", sa.BigInteger),
        )

    hosts = sa.Table(
        "hosts",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger),  # null: it never answered
        sa.Column("compared_after", sa.Integer),  # scans up to this one are not compared with the next: they are of two hosts that were merged
        sa.UniqueConstraint("namespace", "name"),
        sa.Index(None, "name"),
    )

    host_evidence = sa.Table(
        "host_evidence",
        metadata,
        _host(primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),  # machine_id, product_uuid, ssh_host_key, address, python
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("scan_id", sa.Integer, sa.ForeignKey("scans.id"), nullable=False),  # the scan that saw it last
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Index(None, "kind", "value"),
    )

    scans = sa.Table(
        "scans",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        _host(),
        sa.Column("started", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.BigInteger, nullable=False),
        sa.Column("duration", sa.Double, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("partial", sa.Boolean, nullable=False),  # only some paths were asked for
        sa.Column("privileged", sa.Boolean),
        sa.Column("digest", sa.String(64)),  # null: the host gave nothing
        sa.Column("same_as", sa.Integer, sa.ForeignKey("scans.id")),  # the scan with the same result that is stored in full
        sa.Column("seen_until", sa.BigInteger),  # the end of the last scan with this result; null where same_as has another one
        sa.Column("reason", sa.Text),  # why the host gave nothing
        sa.Column("summary_json", sa.Text),
        sa.Column("scope_json", sa.Text),  # paths done, refused (problems), skipped, left over; null where same_as says it
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id")),  # null for what no job did
        sa.Index(None, "host_id", "id"),
    )

    certificates = sa.Table(
        "certificates",
        metadata,
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("der", sa.LargeBinary, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("subject_json", sa.Text),
        sa.Column("issuer_json", sa.Text),
        sa.Column("common_name", sa.Text),
        sa.Column("issuer_name", sa.Text),  # its common name
        sa.Column("serial", sa.Text),  # lower-case hexadecimal without leading zeros
        sa.Column("not_before", sa.BigInteger),
        sa.Column("not_after", sa.BigInteger),
        sa.Column("key_type", sa.Text),
        sa.Column("key_size", sa.Integer),  # bits, of an elliptic curve those of its field
        sa.Column("signature_algorithm", sa.Text),
        sa.Column("spki", sa.String(64)),
        sa.Column("subject_key_identifier", sa.Text),
        sa.Column("authority_key_identifier", sa.Text),
        sa.Column("is_ca", sa.Boolean),
        sa.Column("self_issued", sa.Boolean),
        sa.Column("names_count", sa.Integer, nullable=False),  # of the certificate; certificate_names holds the first ones
        sa.Column("problem", sa.Text),  # why it cannot be parsed
        sa.Index(None, "spki"),
        sa.Index(None, "not_after"),
        sa.Index(None, "common_name"),
        sa.Index(None, "issuer_name", "sha256"),  # in the order of their pages: an issuer has many
    )

    certificate_names = sa.Table(
        "certificate_names",
        metadata,
        _certificate(primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Index(None, "name"),
    )

    # Identity of a place: host, path, fingerprint and, in a store that has them, alias. Where in the file it stands is an attribute, so that reordering a file
    # moves nothing.
    places = sa.Table(
        "places",
        metadata,
        _host(primary_key=True),
        sa.Column("path", sa.Text, primary_key=True),
        _certificate(primary_key=True),
        sa.Column("alias", sa.Text, primary_key=True, server_default=""),  # empty where there is none
        sa.Column("entry", sa.Integer),
        sa.Column("format", sa.Text),
        sa.Column("class", sa.Text),
        *_file(),
        sa.Column("size", sa.BigInteger),
        sa.Column("mtime", sa.Double),
        sa.Column("ctime", sa.Double),
        sa.Column("hard_links", sa.Integer),
        sa.Column("links_json", sa.Text, nullable=False),
        sa.Column("key_json", sa.Text),
        sa.Column("services_json", sa.Text, nullable=False),
        *_seen(),
        sa.Index(None, "certificate"),
        sa.Index(None, "class", "gone_at"),
        sa.Index("ix_places_gone", "host_id", sqlite_where=sa.text("gone_at IS NOT NULL"), postgresql_where=sa.text("gone_at IS NOT NULL")),
    )

    # Places, too: stores that could not be opened.
    locked_stores = sa.Table(
        "locked_stores",
        metadata,
        _host(primary_key=True),
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("format", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("class", sa.Text),
        *_file(),
        sa.Column("mtime", sa.Double),
        sa.Column("links_json", sa.Text, nullable=False),
        sa.Column("services_json", sa.Text, nullable=False),
        *_seen(),
    )

    # Revocation lists and requests that lie on hosts: what they say of themselves, not their bytes.
    records = sa.Table(
        "records",
        metadata,
        _host(primary_key=True),
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),  # crl, request
        sa.Column("entry", sa.Integer),
        sa.Column("format", sa.Text),
        sa.Column("class", sa.Text),
        sa.Column("name", sa.Text),  # the issuer of a list, the subject of a request
        sa.Column("this_update", sa.BigInteger),
        sa.Column("next_update", sa.BigInteger),
        sa.Column("entries", sa.Integer),
        sa.Column("key_type", sa.Text),
        sa.Column("spki", sa.String(64)),
        *_file(),
        sa.Column("mtime", sa.Double),
        sa.Column("links_json", sa.Text, nullable=False),
        sa.Column("services_json", sa.Text, nullable=False),
        *_seen(),
    )

    bundles = sa.Table(
        "bundles",
        metadata,
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("members_known", sa.Boolean, nullable=False),
    )

    bundle_members = sa.Table(
        "bundle_members",
        metadata,
        sa.Column("bundle", sa.String(64), sa.ForeignKey("bundles.sha256"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        _certificate(),
        sa.Index(None, "certificate"),
    )

    bundle_places = sa.Table(
        "bundle_places",
        metadata,
        _host(primary_key=True),
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("bundle", sa.String(64), sa.ForeignKey("bundles.sha256"), primary_key=True),
        sa.Column("class", sa.Text),
        *_file(),
        sa.Column("mtime", sa.Double),
        sa.Column("links_json", sa.Text, nullable=False),
        *_seen(),
        sa.Index(None, "bundle"),
    )

    # Private keys: what they are and where, never what is in them.
    keys = sa.Table(
        "keys",
        metadata,
        _host(primary_key=True),
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("identity", sa.Text, primary_key=True),  # the spki, or the entry of a key that is encrypted
        sa.Column("entry", sa.Integer),
        sa.Column("alias", sa.Text),
        sa.Column("kind", sa.Text),
        sa.Column("format", sa.Text),
        sa.Column("encrypted", sa.Boolean),
        sa.Column("size", sa.Integer),
        sa.Column("spki", sa.String(64)),
        *_file(),
        sa.Column("mtime", sa.Double),
        sa.Column("links_json", sa.Text, nullable=False),
        sa.Column("readers_json", sa.Text),  # accounts besides owner and root; null where the host did not tell
        sa.Column("readers_count", sa.Integer),
        sa.Column("everyone", sa.Boolean),
        *_seen(),
        sa.Index(None, "spki"),
    )

    # What was added to stores of trust anchors and removed from them, against what the distribution's package shipped.
    trust_stores = sa.Table(
        "trust_stores",
        metadata,
        _host(primary_key=True),
        sa.Column("path", sa.Text, primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),  # debian, rhel, suse, java, nss
        sa.Column("count", sa.Integer),
        sa.Column("verified", sa.Boolean),
        sa.Column("reason", sa.Text),
        sa.Column("added_json", sa.Text),  # both null where it cannot be told
        sa.Column("removed_json", sa.Text),
        *_seen(),
    )

    services = sa.Table(
        "services",
        metadata,
        _host(primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("entry", sa.Text),
        sa.Column("unit", sa.Text),
        sa.Column("active", sa.Boolean),
        sa.Column("configuration", sa.Text),
        sa.Column("facts_json", sa.Text, nullable=False),  # the rest: uses, listeners, how it validates and reloads
        *_seen(),
    )

    # Who else renews certificates: what each keeps, and the lines of cron and timers that start one. No secret of theirs is here.
    renewers = sa.Table(
        "renewers",
        metadata,
        _host(primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("configuration", sa.Text, primary_key=True),
        sa.Column("alias", sa.Text),
        sa.Column("paths_json", sa.Text, nullable=False),
        sa.Column("runs_json", sa.Text, nullable=False),
        sa.Column("facts_json", sa.Text, nullable=False),
        *_seen(),
    )

    # What the Ansible inventory says of a host, as it was at the last discovery: its groups, and who answers for it.
    host_ownership = sa.Table(
        "host_ownership",
        metadata,
        _host(primary_key=True),
        sa.Column("groups_json", sa.Text, nullable=False),
        sa.Column("set_json", sa.Text, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
    )

    # Who answers for what, by hand, by rules and by imports. What is replaced or taken back stays, with the time.
    assignments = sa.Table(
        "assignments",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("source", sa.String(16), nullable=False),  # manual, rules, import
        sa.Column("origin", sa.Text, nullable=False),  # the name of the rules or of the import
        sa.Column("match_json", sa.Text, nullable=False),
        sa.Column("set_json", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("removed_at", sa.BigInteger),
        sa.Column("removed_by", sa.Text),
        sa.Index(None, "source", "origin"),
    )

    # What other programs list of certificates, each by the name of its export (C(origin)). It is never mixed with what was seen.
    imported = sa.Table(
        "imported",
        metadata,
        sa.Column("origin", sa.Text, primary_key=True),
        sa.Column("identity", sa.String(64), primary_key=True),  # the SHA-256 of the certificate, or of what tells it from others
        sa.Column("certificate", sa.String(64)),  # its SHA-256; null where the export has neither it nor the certificate
        sa.Column("sha1", sa.String(40)),
        sa.Column("serial", sa.Text),  # as that of certificates
        sa.Column("subject", sa.Text),
        sa.Column("common_name", sa.Text),
        sa.Column("issuer", sa.Text),
        sa.Column("not_after", sa.BigInteger),
        sa.Column("names_json", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("reference", sa.Text),
        sa.Column("locations_json", sa.Text, nullable=False),
        sa.Column("der", sa.LargeBinary),
        sa.Column("digest", sa.String(64), nullable=False),  # of all that is told
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("first_imported", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("gone_at", sa.BigInteger),  # since when the export lacks it
        sa.Index(None, "certificate"),
        sa.Index(None, "serial"),
    )

    # Identity: who asked, and host, port and name that were asked. What answers there differs with the network that one looks from.
    endpoints = sa.Table(
        "endpoints",
        metadata,
        sa.Column("namespace", sa.Text, primary_key=True),
        sa.Column("seen_from", sa.Text, primary_key=True),  # host of the inventory, empty for the controller
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("port", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, primary_key=True),  # empty where no name was asked for
        *_shown(),
        sa.Index(None, "certificate"),
        sa.Index(None, "host_id"),
    )

    issuers = sa.Table(
        "issuers",
        metadata,
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("certificate", sa.LargeBinary),  # DER; null where only the CA itself knows
        sa.Column("chain_json", sa.Text, nullable=False),  # DER in base64, from the issuing CA's own issuer up
        sa.Column("facts_json", sa.Text, nullable=False),
        sa.Column("added", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
    )

    issuances = sa.Table(
        "issuances",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        _host(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, sa.ForeignKey("issuers.name"), nullable=False),
        sa.Column("serial", sa.Text),  # null while only a foreign issuer will know it
        sa.Column("csr_digest", sa.String(64), nullable=False),
        sa.Column("request_digest", sa.String(64)),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Column("requester", sa.Text, nullable=False),
        sa.Column("job", sa.Text),
        sa.Column("transaction", sa.String(32)),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("began", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("issued", sa.BigInteger),
        _certificate(nullable=True),
        sa.Column("chain_json", sa.Text),
        sa.UniqueConstraint("issuer", "serial"),
        sa.Index(None, "host_id", "name"),
        sa.Index(None, "transaction"),
        sa.Index(None, "certificate"),
    )

    events = sa.Table(
        "events",
        metadata,
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("namespace", sa.Text),
        sa.Column("host", sa.Text),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        # Which columns the hash is of, see events.py; those below are in it since version 2 and null before.
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("actor_known", sa.Text),
        sa.Column("account", sa.Text),
        sa.Column("job", sa.Text),
        sa.Column("ticket", sa.Text),
        sa.Column("reason", sa.Text),
    )

    # Signed statements that the log had this event with this hash; each names the one before.
    checkpoints = sa.Table(
        "checkpoints",
        metadata,
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),  # events since the checkpoint before
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
    )

    # How far the log was copied to each target, and who is at it. The target without a name stands for the making of checkpoints.
    audit_targets = sa.Table(
        "audit_targets",
        metadata,
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("events_sent", sa.Integer, nullable=False),
        sa.Column("checkpoints_sent", sa.Integer, nullable=False),
        sa.Column("claimed_until", sa.BigInteger),
        sa.Column("failed_at", sa.BigInteger),
        sa.Column("problem", sa.Text),
        sa.Column("changed", sa.BigInteger, nullable=False),
    )

    # History: what the tables above do not tell of the past, see C(past). Only what comes back or changes writes here.
    # When something was gone that was seen again. The keys are those of its table without the host, in their order.
    absences = sa.Table(
        "absences",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        _host(),
        sa.Column("thing", sa.String(16), nullable=False),  # the name of the table
        sa.Column("key_1", sa.Text, nullable=False),
        sa.Column("key_2", sa.Text, nullable=False),  # both empty where there is none
        sa.Column("key_3", sa.Text, nullable=False),
        sa.Column("gone_at", sa.BigInteger, nullable=False),
        sa.Column("back_at", sa.BigInteger, nullable=False),
        sa.Index(None, "host_id", "thing"),
    )

    # Endpoints as they were until they came back, or showed another certificate.
    endpoint_pasts = sa.Table(
        "endpoint_pasts",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        *(sa.Column(key.name, key.type, nullable=False) for key in endpoints.primary_key),
        *_shown(),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Index(None, "namespace", "seen_from", "target", "port", "name"),
    )

    # What the Ansible inventory said of a host until it said something else.
    host_ownership_pasts = sa.Table(
        "host_ownership_pasts",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        _host(),
        sa.Column("groups_json", sa.Text, nullable=False),
        sa.Column("set_json", sa.Text, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Index(None, "host_id"),
    )

    # One row for each play of each run of a job; a job that is sliced over nodes has one of each slice.
    runs = sa.Table(
        "runs",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("job", sa.Text, nullable=False),  # the job template, or the playbook, and its limit
        sa.Column("run", sa.Text, nullable=False),  # the job of AWX, or the process on the controller
        sa.Column("part", sa.Text, nullable=False),  # the slice and the play
        sa.Column("hosts_asked", sa.Integer, nullable=False),
        sa.Column("began", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("job", "run", "part"),
    )
