# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What questions choose by, in columns with indexes: who issued a certificate, its names, the size of a key on a curve, hosts by their name alone, and places
that are there by their class."""

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
down_revision = "0008"

BATCH = 1000
_NEXT = "SELECT sha256, issuer_json, key_type, key_size, der FROM certificates WHERE sha256 > :last ORDER BY sha256 LIMIT :batch"
_FILL = "UPDATE certificates SET issuer_name = :issuer_name, key_size = :key_size WHERE sha256 = :sha256"


def upgrade() -> None:
    op.add_column("certificates", sa.Column("issuer_name", sa.Text))
    _fill(op.get_bind())
    op.create_index("ix_certificates_common_name", "certificates", ["common_name"])
    op.create_index("ix_certificates_issuer_name", "certificates", ["issuer_name"])
    op.create_index("ix_hosts_name", "hosts", ["name"])
    there = sa.text("gone_at IS NULL")
    op.create_index("ix_places_class", "places", ["class"], sqlite_where=there, postgresql_where=there)


def downgrade() -> None:
    op.drop_index("ix_places_class", "places")
    op.drop_index("ix_hosts_name", "hosts")
    op.drop_index("ix_certificates_issuer_name", "certificates")
    op.drop_index("ix_certificates_common_name", "certificates")
    op.drop_column("certificates", "issuer_name")
    op.execute("UPDATE certificates SET key_size = NULL WHERE key_type = 'ECC'")


def _fill(connection: sa.Connection) -> None:
    """A part after the other: the certificates of a fleet are more than fits into memory."""
    last = ""
    while rows := connection.execute(sa.text(_NEXT), {"last": last, "batch": BATCH}).all():
        connection.execute(sa.text(_FILL), [_filled(row) for row in rows])
        last = rows[-1].sha256


def _filled(row: t.Any) -> dict[str, t.Any]:
    names = dict(pair for pair in json.loads(row.issuer_json or "[]") if isinstance(pair, list))  # a list that was too long ends with a text
    return {"sha256": row.sha256, "issuer_name": names.get("commonName"), "key_size": elliptic_size(row.der) if row.key_type == "ECC" else row.key_size}
