# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who can read private keys, and trust stores."""

from __future__ import annotations

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:
    op = None  # type: ignore[assignment]

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("keys", sa.Column("readers_json", sa.Text))
    op.add_column("keys", sa.Column("readers_count", sa.Integer))
    op.add_column("keys", sa.Column("everyone", sa.Boolean))
    op.create_table(
        "trust_stores",
        sa.Column("host_id", sa.Integer, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("count", sa.Integer),
        sa.Column("verified", sa.Boolean),
        sa.Column("reason", sa.Text),
        sa.Column("added_json", sa.Text),
        sa.Column("removed_json", sa.Text),
        sa.Column("scan_id", sa.Integer, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("gone_at", sa.BigInteger),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_trust_stores_host_id"),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name="fk_trust_stores_scan_id"),
        sa.PrimaryKeyConstraint("host_id", "path", name="pk_trust_stores"),
    )


def downgrade() -> None:
    op.drop_table("trust_stores")
    with op.batch_alter_table("keys") as keys:
        for name in ("readers_json", "readers_count", "everyone"):
            keys.drop_column(name)
