# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The first schema: hosts, what their scans saw, issuances and events."""

from __future__ import annotations

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:
    op = None  # type: ignore[assignment]

revision = "0001"
down_revision = None


def upgrade() -> None:
    _bundles()
    _certificates()
    _events()
    _hosts()
    _issuers()
    _bundle_members()
    _certificate_names()
    _host_evidence()
    _issuances()
    _scans()
    _bundle_places()
    _keys()
    _places()
    _services()


def _bundles() -> None:
    op.create_table(
        "bundles",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("members_known", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_bundles"),
    )


def _certificates() -> None:
    op.create_table(
        "certificates",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("der", sa.LargeBinary, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("subject_json", sa.Text),
        sa.Column("issuer_json", sa.Text),
        sa.Column("common_name", sa.Text),
        sa.Column("serial", sa.Text),
        sa.Column("not_before", sa.BigInteger),
        sa.Column("not_after", sa.BigInteger),
        sa.Column("key_type", sa.Text),
        sa.Column("key_size", sa.Integer),
        sa.Column("signature_algorithm", sa.Text),
        sa.Column("spki", sa.String(64)),
        sa.Column("subject_key_identifier", sa.Text),
        sa.Column("authority_key_identifier", sa.Text),
        sa.Column("is_ca", sa.Boolean),
        sa.Column("self_issued", sa.Boolean),
        sa.Column("names_count", sa.Integer, nullable=False),
        sa.Column("problem", sa.Text),
        sa.PrimaryKeyConstraint("sha256", name="pk_certificates"),
    )
    op.create_index("ix_certificates_not_after", "certificates", ["not_after"])
    op.create_index("ix_certificates_spki", "certificates", ["spki"])


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("seq", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("namespace", sa.Text),
        sa.Column("host", sa.Text),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
    )


def _hosts() -> None:
    op.create_table(
        "hosts",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_hosts"),
        sa.UniqueConstraint("namespace", "name", name="uq_hosts_namespace_name"),
    )


def _issuers() -> None:
    op.create_table(
        "issuers",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("certificate", sa.LargeBinary),
        sa.Column("chain_json", sa.Text, nullable=False),
        sa.Column("facts_json", sa.Text, nullable=False),
        sa.Column("added", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_issuers"),
    )


def _bundle_members() -> None:
    op.create_table(
        "bundle_members",
        sa.Column("bundle", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("certificate", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["bundle"], ["bundles.sha256"], name="fk_bundle_members_bundle"),
        sa.ForeignKeyConstraint(["certificate"], ["certificates.sha256"], name="fk_bundle_members_certificate"),
        sa.PrimaryKeyConstraint("bundle", "position", name="pk_bundle_members"),
    )
    op.create_index("ix_bundle_members_certificate", "bundle_members", ["certificate"])


def _certificate_names() -> None:
    op.create_table(
        "certificate_names",
        sa.Column("certificate", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["certificate"], ["certificates.sha256"], name="fk_certificate_names_certificate"),
        sa.PrimaryKeyConstraint("certificate", "position", name="pk_certificate_names"),
    )
    op.create_index("ix_certificate_names_name", "certificate_names", ["name"])


def _host_evidence() -> None:
    op.create_table(
        "host_evidence",
        sa.Column("host_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_host_evidence_host_id"),
        sa.PrimaryKeyConstraint("host_id", "kind", "value", name="pk_host_evidence"),
    )
    op.create_index("ix_host_evidence_kind_value", "host_evidence", ["kind", "value"])


def _issuances() -> None:
    op.create_table(
        "issuances",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("host_id", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("serial", sa.Text),
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
        sa.Column("certificate", sa.String(64)),
        sa.Column("chain_json", sa.Text),
        sa.ForeignKeyConstraint(["certificate"], ["certificates.sha256"], name="fk_issuances_certificate"),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_issuances_host_id"),
        sa.ForeignKeyConstraint(["issuer"], ["issuers.name"], name="fk_issuances_issuer"),
        sa.PrimaryKeyConstraint("id", name="pk_issuances"),
        sa.UniqueConstraint("issuer", "serial", name="uq_issuances_issuer_serial"),
    )
    op.create_index("ix_issuances_certificate", "issuances", ["certificate"])
    op.create_index("ix_issuances_host_id_name", "issuances", ["host_id", "name"])
    op.create_index("ix_issuances_transaction", "issuances", ["transaction"])


def _scans() -> None:
    op.create_table(
        "scans",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("host_id", sa.Integer, nullable=False),
        sa.Column("started", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.BigInteger, nullable=False),
        sa.Column("duration", sa.Double, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("partial", sa.Boolean, nullable=False),
        sa.Column("privileged", sa.Boolean),
        sa.Column("digest", sa.String(64)),
        sa.Column("same_as", sa.Integer),
        sa.Column("reason", sa.Text),
        sa.Column("summary_json", sa.Text),
        sa.Column("scope_json", sa.Text),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_scans_host_id"),
        sa.ForeignKeyConstraint(["same_as"], ["scans.id"], name="fk_scans_same_as"),
        sa.PrimaryKeyConstraint("id", name="pk_scans"),
    )
    op.create_index("ix_scans_host_id_id", "scans", ["host_id", "id"])


def _bundle_places() -> None:
    op.create_table(
        "bundle_places",
        sa.Column("host_id", sa.Integer, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("bundle", sa.String(64), nullable=False),
        sa.Column("class", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("group", sa.Text),
        sa.Column("mode", sa.Text),
        sa.Column("mtime", sa.Double),
        sa.Column("links_json", sa.Text, nullable=False),
        sa.Column("scan_id", sa.Integer, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("gone_at", sa.BigInteger),
        sa.ForeignKeyConstraint(["bundle"], ["bundles.sha256"], name="fk_bundle_places_bundle"),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_bundle_places_host_id"),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name="fk_bundle_places_scan_id"),
        sa.PrimaryKeyConstraint("host_id", "path", "bundle", name="pk_bundle_places"),
    )
    op.create_index("ix_bundle_places_bundle", "bundle_places", ["bundle"])


def _keys() -> None:
    op.create_table(
        "keys",
        sa.Column("host_id", sa.Integer, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("entry", sa.Integer),
        sa.Column("kind", sa.Text),
        sa.Column("format", sa.Text),
        sa.Column("encrypted", sa.Boolean),
        sa.Column("size", sa.Integer),
        sa.Column("spki", sa.String(64)),
        sa.Column("owner", sa.Text),
        sa.Column("group", sa.Text),
        sa.Column("mode", sa.Text),
        sa.Column("mtime", sa.Double),
        sa.Column("links_json", sa.Text, nullable=False),
        sa.Column("scan_id", sa.Integer, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("gone_at", sa.BigInteger),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_keys_host_id"),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name="fk_keys_scan_id"),
        sa.PrimaryKeyConstraint("host_id", "path", "identity", name="pk_keys"),
    )
    op.create_index("ix_keys_spki", "keys", ["spki"])


def _places() -> None:
    op.create_table(
        "places",
        sa.Column("host_id", sa.Integer, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("certificate", sa.String(64), nullable=False),
        sa.Column("entry", sa.Integer),
        sa.Column("format", sa.Text),
        sa.Column("class", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("group", sa.Text),
        sa.Column("mode", sa.Text),
        sa.Column("size", sa.BigInteger),
        sa.Column("mtime", sa.Double),
        sa.Column("ctime", sa.Double),
        sa.Column("hard_links", sa.Integer),
        sa.Column("links_json", sa.Text, nullable=False),
        sa.Column("key_json", sa.Text),
        sa.Column("services_json", sa.Text, nullable=False),
        sa.Column("scan_id", sa.Integer, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("gone_at", sa.BigInteger),
        sa.ForeignKeyConstraint(["certificate"], ["certificates.sha256"], name="fk_places_certificate"),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_places_host_id"),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name="fk_places_scan_id"),
        sa.PrimaryKeyConstraint("host_id", "path", "certificate", name="pk_places"),
    )
    op.create_index("ix_places_certificate", "places", ["certificate"])


def _services() -> None:
    op.create_table(
        "services",
        sa.Column("host_id", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("entry", sa.Text),
        sa.Column("unit", sa.Text),
        sa.Column("active", sa.Boolean),
        sa.Column("configuration", sa.Text),
        sa.Column("facts_json", sa.Text, nullable=False),
        sa.Column("scan_id", sa.Integer, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("gone_at", sa.BigInteger),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_services_host_id"),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name="fk_services_scan_id"),
        sa.PrimaryKeyConstraint("host_id", "name", name="pk_services"),
    )
