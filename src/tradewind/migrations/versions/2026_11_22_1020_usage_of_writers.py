"""What each gateway spent by day, so that the leases of a dead one can be settled."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_1020"
down_revision = "2026_11_22_1010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "usage_writer_day",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("boot_ns", sa.BigInteger(), nullable=False, comment="with node: the writer"),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="UTC, when the calls were admitted"),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.CHAR(3), nullable=False),
        sa.Column("cost_nanos", sa.Numeric(38, 0), nullable=False),
        sa.PrimaryKeyConstraint(
            "node",
            "boot_ns",
            "organization_id",
            "day",
            "project_id",
            "key_id",
            "currency",
            name=op.f("pk_usage_writer_day"),
        ),
        comment="what each gateway spent, so that a dead one's leases of budgets can be settled",
    )
    op.add_column(
        "journal_segment",
        sa.Column(
            "is_summed_by_writer",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="all of it is in usage_writer_day; false for what an older release began",
        ),
    )
