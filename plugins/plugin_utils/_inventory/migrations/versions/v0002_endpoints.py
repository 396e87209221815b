# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Endpoints: places that are seen by asking a listener."""

from __future__ import annotations

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:
    op = None  # type: ignore[assignment]

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "endpoints",
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("seen_from", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("host_id", sa.Integer),
        sa.Column("address", sa.Text),
        sa.Column("starttls", sa.Text, nullable=False),
        sa.Column("certificate", sa.String(64)),
        sa.Column("chain_json", sa.Text, nullable=False),
        sa.Column("protocol", sa.Text),
        sa.Column("cipher", sa.Text),
        sa.Column("facts_json", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("looked_at", sa.BigInteger, nullable=False),
        sa.Column("gone_at", sa.BigInteger),
        sa.ForeignKeyConstraint(["certificate"], ["certificates.sha256"], name="fk_endpoints_certificate"),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_endpoints_host_id"),
        sa.PrimaryKeyConstraint("namespace", "seen_from", "target", "port", "name", name="pk_endpoints"),
    )
    op.create_index("ix_endpoints_certificate", "endpoints", ["certificate"])
    op.create_index("ix_endpoints_host_id", "endpoints", ["host_id"])


def downgrade() -> None:
    op.drop_table("endpoints")
