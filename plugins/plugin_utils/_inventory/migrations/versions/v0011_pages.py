# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What questions choose by, in columns with indexes: who issued a certificate, its names, the size of a key on a curve, hosts by their name alone, places by
their class; and what SQLite is to expect of large tables."""

from __future__ import annotations

import json
import typing as t

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:
    op = None  # type: ignore[assignment]

from ansible_collections.certops.fleet.plugins.plugin_utils._x509.info import elliptic_size

revision = "0011"
down_revision = "0010"

BATCH = 1000
_NEXT = "SELECT sha256, issuer_json, key_type, key_size, der FROM certificates WHERE sha256 > :last ORDER BY sha256 LIMIT :batch"
_FILL = "UPDATE certificates SET issuer_name = :issuer_name, key_size = :key_size WHERE sha256 = :sha256"

# What SQLite is to expect of the tables of a fleet, so that it reads a page in the order of an index instead of sorting everything. Nobody would run ANALYZE,
# and what it finds in a small inventory is wrong for a large one. Rows, and rows with the same first column, first two, ... (sqlite.org/fileformat2.html).
_EXPECTED = {
    "hosts": {"sqlite_autoindex_hosts_1": "100000 20000 1", "ix_hosts_name": "100000 1"},
    # Twins of a host are looked for by what it has: not among all hosts that have something of the kind.
    "host_evidence": {"sqlite_autoindex_host_evidence_1": "500000 5 1 1", "ix_host_evidence_kind_value": "500000 100000 1"},
    "places": {
        "sqlite_autoindex_places_1": "5000000 50 2 1 1",
        "ix_places_certificate": "5000000 5",
        "ix_places_class_gone_at": "5000000 1000000 500000",
        "ix_places_gone": "100000 5",
    },
    "certificates": {
        "sqlite_autoindex_certificates_1": "1000000 1",
        "ix_certificates_spki": "1000000 2",
        "ix_certificates_not_after": "1000000 5",
        "ix_certificates_common_name": "1000000 5",
        "ix_certificates_issuer_name_sha256": "1000000 10000 1",
    },
    "scans": {"ix_scans_host_id_id": "1000000 30 1"},
    "keys": {"sqlite_autoindex_keys_1": "1000000 10 1 1", "ix_keys_spki": "1000000 2"},
    "services": {"sqlite_autoindex_services_1": "500000 5 1"},
}


def upgrade() -> None:
    op.add_column("certificates", sa.Column("issuer_name", sa.Text))
    _fill(op.get_bind())
    op.create_index("ix_certificates_common_name", "certificates", ["common_name"])
    op.create_index("ix_certificates_issuer_name_sha256", "certificates", ["issuer_name", "sha256"])
    op.create_index("ix_hosts_name", "hosts", ["name"])
    op.create_index("ix_places_class_gone_at", "places", ["class", "gone_at"])
    gone = sa.text("gone_at IS NOT NULL")
    op.create_index("ix_places_gone", "places", ["host_id"], sqlite_where=gone, postgresql_where=gone)
    if op.get_bind().dialect.name == "sqlite":
        _forget()
        rows = [{"tbl": table, "idx": index, "stat": text} for table, indexes in _EXPECTED.items() for index, text in indexes.items()]
        op.get_bind().execute(sa.text("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (:tbl, :idx, :stat)"), rows)
        op.execute("ANALYZE sqlite_schema")  # reads them


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _forget()
    op.drop_index("ix_places_gone", "places")
    op.drop_index("ix_places_class_gone_at", "places")
    op.drop_index("ix_hosts_name", "hosts")
    op.drop_index("ix_certificates_issuer_name_sha256", "certificates")
    op.drop_index("ix_certificates_common_name", "certificates")
    op.drop_column("certificates", "issuer_name")
    op.execute("UPDATE certificates SET key_size = NULL WHERE key_type = 'ECC'")


def _forget() -> None:
    """Of these tables there are no statistics; the first statement makes the table of them."""
    op.execute("ANALYZE sqlite_schema")
    op.get_bind().execute(sa.text("DELETE FROM sqlite_stat1 WHERE tbl = :tbl"), [{"tbl": table} for table in _EXPECTED])


def _fill(connection: sa.Connection) -> None:
    """A part after the other: the certificates of a fleet are more than fits into memory."""
    last = ""
    while rows := connection.execute(sa.text(_NEXT), {"last": last, "batch": BATCH}).all():
        connection.execute(sa.text(_FILL), [_filled(row) for row in rows])
        last = rows[-1].sha256


def _filled(row: t.Any) -> dict[str, t.Any]:
    names = dict(pair for pair in json.loads(row.issuer_json or "[]") if isinstance(pair, list))  # a list that was too long ends with a text
    return {"sha256": row.sha256, "issuer_name": names.get("commonName"), "key_size": elliptic_size(row.der) if row.key_type == "ECC" else row.key_size}
