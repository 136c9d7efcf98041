"""Messages of the outbox have a number: those of one transaction are passed on in their order."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_1480"
down_revision = "2026_11_22_1470"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "outbox_message",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("outbox_message", "number")
