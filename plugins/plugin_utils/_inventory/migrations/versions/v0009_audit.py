# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events say how the actor is known, the job, the ticket and the reason; checkpoints of the log, and how far it was copied.

The lines that are there keep their hash: they are of version 1. An older release, after a downgrade, takes those of version 2 for altered.
"""

from __future__ import annotations

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:
    op = None  # type: ignore[assignment]

revision = "0009"
down_revision = "0008"

_TEXTS = ("actor_known", "account", "job", "ticket", "reason")


def upgrade() -> None:
    op.add_column("events", sa.Column("version", sa.Integer, nullable=False, server_default="1"))
    for name in _TEXTS:
        op.add_column("events", sa.Column(name, sa.Text))
    op.create_table(
        "checkpoints",
        sa.Column("seq", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_checkpoints"),
    )
    op.create_table(
        "audit_targets",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("events_sent", sa.Integer, nullable=False),
        sa.Column("checkpoints_sent", sa.Integer, nullable=False),
        sa.Column("claimed_until", sa.BigInteger),
        sa.Column("failed_at", sa.BigInteger),
        sa.Column("problem", sa.Text),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_audit_targets"),
    )


def downgrade() -> None:
    op.drop_table("audit_targets")
    op.drop_table("checkpoints")
    for name in ("version", *_TEXTS):
        op.drop_column("events", name)
