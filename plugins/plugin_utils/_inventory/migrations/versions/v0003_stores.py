# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Aliases in stores, stores that are locked, revocation lists and requests."""

from __future__ import annotations

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:
    op = None  # type: ignore[assignment]

revision = "0003"
down_revision = "0002"

# Places of one certificate under several aliases are one without them.
_TWICE = """
DELETE FROM places WHERE EXISTS (
    SELECT 1 FROM places AS other
    WHERE other.host_id = places.host_id AND other.path = places.path AND other.certificate = places.certificate AND other.alias < places.alias
)
"""


def upgrade() -> None:
    with op.batch_alter_table("places") as places:
        places.add_column(sa.Column("alias", sa.Text, nullable=False, server_default=""))
        places.drop_constraint("pk_places", type_="primary")
        places.create_primary_key("pk_places", ["host_id", "path", "certificate", "alias"])
    op.add_column("keys", sa.Column("alias", sa.Text))
    op.create_table("locked_stores", *_file("locked_stores"), sa.Column("reason", sa.Text), *_seen("locked_stores", "host_id", "path"))
    op.create_table("records", *_file("records"), *_record(), *_seen("records", "host_id", "path", "sha256"))


def downgrade() -> None:
    op.drop_table("records")
    op.drop_table("locked_stores")
    with op.batch_alter_table("keys") as keys:
        keys.drop_column("alias")
    op.execute(_TWICE)
    with op.batch_alter_table("places") as places:
        places.drop_constraint("pk_places", type_="primary")
        places.drop_column("alias")
        places.create_primary_key("pk_places", ["host_id", "path", "certificate"])


def _file(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    texts = ("format", "class", "owner", "group", "mode")
    return (
        sa.Column("host_id", sa.Integer, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        *(sa.Column(name, sa.Text) for name in texts),
        sa.Column("mtime", sa.Double),
        sa.Column("links_json", sa.Text, nullable=False),
        sa.Column("services_json", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name=f"fk_{table}_host_id"),
    )


def _record() -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("entry", sa.Integer),
        sa.Column("name", sa.Text),
        sa.Column("this_update", sa.BigInteger),
        sa.Column("next_update", sa.BigInteger),
        sa.Column("entries", sa.Integer),
        sa.Column("key_type", sa.Text),
        sa.Column("spki", sa.String(64)),
    )


def _seen(table: str, *key: str) -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column("scan_id", sa.Integer, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("gone_at", sa.BigInteger),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name=f"fk_{table}_scan_id"),
        sa.PrimaryKeyConstraint(*key, name=f"pk_{table}"),
    )
