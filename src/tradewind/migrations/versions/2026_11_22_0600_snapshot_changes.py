"""What has changed since the last snapshot, so that it need not be compiled whole."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_0600"
down_revision = "2026_11_22_0000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "snapshot_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "xact",
            sa.BigInteger(),
            nullable=False,
            comment="the transaction, as pg_current_xact_id()",
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "subject",
            sa.Text(),
            nullable=False,
            comment="id of what changed; empty is all of a kind",
        ),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshot_change")),
    )
    op.create_index(op.f("ix_snapshot_change_xact"), "snapshot_change", ["xact"], unique=False)
