# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who answers for what: the variables of hosts, and assignments."""

from __future__ import annotations

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:
    op = None  # type: ignore[assignment]

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "host_ownership",
        sa.Column("host_id", sa.Integer, nullable=False),
        sa.Column("groups_json", sa.Text, nullable=False),
        sa.Column("set_json", sa.Text, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_host_ownership_host_id"),
        sa.PrimaryKeyConstraint("host_id", name="pk_host_ownership"),
    )
    op.create_table(
        "assignments",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("match_json", sa.Text, nullable=False),
        sa.Column("set_json", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("removed_at", sa.BigInteger),
        sa.Column("removed_by", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_assignments"),
    )
    op.create_index("ix_assignments_source_origin", "assignments", ["source", "origin"])


def downgrade() -> None:
    op.drop_table("assignments")
    op.drop_table("host_ownership")
