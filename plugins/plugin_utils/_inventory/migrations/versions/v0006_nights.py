# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When something was last seen is told by the scan that saw it: a host on which nothing changed costs one row a night, however much it has."""

from __future__ import annotations

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:
    op = None  # type: ignore[assignment]

revision = "0006"
down_revision = "0005"

_SEEN = ("places", "bundle_places", "keys", "locked_stores", "records", "trust_stores", "services", "renewers")
_UNTIL = """
UPDATE scans SET seen_until = (SELECT max(again.ended) FROM scans AS again WHERE again.id = scans.id OR again.same_as = scans.id)
WHERE digest IS NOT NULL AND same_as IS NULL
"""
# A scan wrote all the evidence that it saw with the time of its end.
_SCAN = """
UPDATE host_evidence SET scan_id = coalesce(
    (SELECT max(coalesce(same_as, id)) FROM scans WHERE scans.host_id = host_evidence.host_id AND digest IS NOT NULL AND ended <= host_evidence.last_seen),
    (SELECT min(coalesce(same_as, id)) FROM scans WHERE scans.host_id = host_evidence.host_id)
)
"""
_LAST_SEEN = "UPDATE {table} SET last_seen = coalesce((SELECT seen_until FROM scans WHERE scans.id = {table}.scan_id), first_seen)"


def upgrade() -> None:
    op.add_column("scans", sa.Column("seen_until", sa.BigInteger))
    op.create_index("ix_scans_same_as", "scans", ["same_as"])  # for this one statement
    op.execute(_UNTIL)
    op.drop_index("ix_scans_same_as", "scans")
    for name in _SEEN:
        with op.batch_alter_table(name) as table:
            table.drop_column("last_seen")
    op.add_column("host_evidence", sa.Column("scan_id", sa.Integer))
    op.execute(_SCAN)
    with op.batch_alter_table("host_evidence") as table:
        table.alter_column("scan_id", nullable=False)
        table.create_foreign_key("fk_host_evidence_scan_id", "scans", ["scan_id"], ["id"])
        table.drop_column("last_seen")


def downgrade() -> None:
    for name in (*_SEEN, "host_evidence"):
        op.add_column(name, sa.Column("last_seen", sa.BigInteger))
        op.execute(_LAST_SEEN.format(table=name))
        with op.batch_alter_table(name) as table:
            table.alter_column("last_seen", nullable=False)
    with op.batch_alter_table("host_evidence") as table:
        table.drop_constraint("fk_host_evidence_scan_id", type_="foreignkey")
        table.drop_column("scan_id")
    op.drop_column("scans", "seen_until")  # in place, which SQLite can since 3.35: a table that others refer to cannot be made anew
