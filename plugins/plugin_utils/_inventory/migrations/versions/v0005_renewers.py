# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who else renews certificates on a host."""

from __future__ import annotations

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:
    op = None  # type: ignore[assignment]

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "renewers",
        sa.Column("host_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("configuration", sa.Text, nullable=False),
        sa.Column("alias", sa.Text),
        sa.Column("paths_json", sa.Text, nullable=False),
        sa.Column("runs_json", sa.Text, nullable=False),
        sa.Column("facts_json", sa.Text, nullable=False),
        sa.Column("scan_id", sa.Integer, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("gone_at", sa.BigInteger),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_renewers_host_id"),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name="fk_renewers_scan_id"),
        sa.PrimaryKeyConstraint("host_id", "kind", "name", "configuration", name="pk_renewers"),
    )


def downgrade() -> None:
    op.drop_table("renewers")
