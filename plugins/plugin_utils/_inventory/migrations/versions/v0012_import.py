# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What other programs list of certificates."""

from __future__ import annotations

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:
    op = None  # type: ignore[assignment]

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "imported",
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("identity", sa.String(64), nullable=False),
        sa.Column("certificate", sa.String(64)),
        sa.Column("sha1", sa.String(40)),
        sa.Column("serial", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("common_name", sa.Text),
        sa.Column("issuer", sa.Text),
        sa.Column("not_after", sa.BigInteger),
        sa.Column("names_json", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("reference", sa.Text),
        sa.Column("locations_json", sa.Text, nullable=False),
        sa.Column("der", sa.LargeBinary),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("first_imported", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("gone_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("origin", "identity", name="pk_imported"),
    )
    op.create_index("ix_imported_certificate", "imported", ["certificate"])
    op.create_index("ix_imported_serial", "imported", ["serial"])


def downgrade() -> None:
    op.drop_table("imported")
