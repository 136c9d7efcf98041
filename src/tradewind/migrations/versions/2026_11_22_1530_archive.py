"""Where the usage of days went that is no longer in the tables; one index less for settlement."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_1530"
down_revision = "2026_11_22_1500"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "usage_archive",
        sa.Column("day", sa.Date(), nullable=False, comment="UTC, of its events"),
        sa.Column(
            "part",
            sa.Integer(),
            nullable=False,
            comment="0 is the day itself; others came when it was gone from the tables",
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False, comment="disk or s3"),
        sa.Column("location", sa.Text(), nullable=False, comment="of the Parquet file in it"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column(
            "totals",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="what its events sum up to: tokens, and costs by currency, as texts",
        ),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("detached_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dropped_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('exported', 'verified', 'detached', 'dropped')",
            name=op.f("ck_usage_archive_state"),
        ),
        sa.CheckConstraint(
            "(state = 'exported') = (verified_at IS NULL)"
            " AND (state IN ('detached', 'dropped')) = (detached_at IS NOT NULL)"
            " AND (state = 'dropped') = (dropped_at IS NOT NULL)",
            name=op.f("ck_usage_archive_times"),
        ),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("ck_usage_archive_sha256")),
        sa.CheckConstraint("part >= 0 AND events >= 0", name=op.f("ck_usage_archive_counts")),
        sa.PrimaryKeyConstraint("day", "part", name=op.f("pk_usage_archive")),
        sa.UniqueConstraint("location", name=op.f("uq_usage_archive_location")),
        comment="files that hold the events of days, and whether the days are gone from the tables",
    )
    # One part of a day is on its way at most: what comes late waits for the next.
    op.create_index(
        "uq_usage_archive_open",
        "usage_archive",
        ["day"],
        unique=True,
        postgresql_where=sa.text("state <> 'dropped'"),
    )
    # Each batch of usage notes its hours here; settlement takes them by hour.
    op.drop_index("ix_settlement_due_hour", "settlement_due")
    op.drop_constraint("pk_settlement_due", "settlement_due", type_="primary")
    op.create_primary_key("pk_settlement_due", "settlement_due", ["hour", "organization_id"])


def downgrade() -> None:
    op.drop_constraint("pk_settlement_due", "settlement_due", type_="primary")
    op.create_primary_key("pk_settlement_due", "settlement_due", ["organization_id", "hour"])
    op.create_index("ix_settlement_due_hour", "settlement_due", ["hour"])
    op.drop_table("usage_archive")
