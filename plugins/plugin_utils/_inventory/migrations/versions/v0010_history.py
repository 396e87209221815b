# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was there at a time: absences, what endpoints showed and hosts were said to be before; and the runs that scans belong to."""

from __future__ import annotations

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:
    op = None  # type: ignore[assignment]

revision = "0010"
down_revision = "0009"

# In place: a table that others refer to cannot be made anew in SQLite.
_RUN = "ALTER TABLE scans ADD COLUMN run_id INTEGER CONSTRAINT fk_scans_run_id REFERENCES runs (id)"


def upgrade() -> None:
    op.create_table(
        "absences",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("host_id", sa.Integer, nullable=False),
        sa.Column("thing", sa.String(16), nullable=False),
        *(sa.Column(f"key_{number}", sa.Text, nullable=False) for number in (1, 2, 3)),
        sa.Column("gone_at", sa.BigInteger, nullable=False),
        sa.Column("back_at", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_absences_host_id"),
        sa.PrimaryKeyConstraint("id", name="pk_absences"),
    )
    op.create_index("ix_absences_host_id_thing", "absences", ["host_id", "thing"])
    _endpoint_pasts()
    op.create_table(
        "host_ownership_pasts",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("host_id", sa.Integer, nullable=False),
        sa.Column("groups_json", sa.Text, nullable=False),
        sa.Column("set_json", sa.Text, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_host_ownership_pasts_host_id"),
        sa.PrimaryKeyConstraint("id", name="pk_host_ownership_pasts"),
    )
    op.create_index("ix_host_ownership_pasts_host_id", "host_ownership_pasts", ["host_id"])
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("job", "run", "part")),
        sa.Column("hosts_asked", sa.Integer, nullable=False),
        sa.Column("began", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("job", "run", "part", name="uq_runs_job_run_part"),
    )
    op.execute(_RUN)


def _endpoint_pasts() -> None:
    op.create_table(
        "endpoint_pasts",
        sa.Column("id", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("namespace", "seen_from", "target")),
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
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("first_seen", "last_seen", "looked_at")),
        sa.Column("gone_at", sa.BigInteger),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_endpoint_pasts_host_id"),
        sa.ForeignKeyConstraint(["certificate"], ["certificates.sha256"], name="fk_endpoint_pasts_certificate"),
        sa.PrimaryKeyConstraint("id", name="pk_endpoint_pasts"),
    )
    op.create_index("ix_endpoint_pasts_namespace_seen_from_target_port_name", "endpoint_pasts", ["namespace", "seen_from", "target", "port", "name"])


def downgrade() -> None:
    op.drop_column("scans", "run_id")  # in place, as others refer to the table
    for name in ("runs", "host_ownership_pasts", "endpoint_pasts", "absences"):
        op.drop_table(name)
