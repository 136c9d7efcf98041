"""Whether an endpoint's calls go on to another target after a time-out."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_1010"
down_revision = "2026_11_22_1000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "endpoint",
        sa.Column("retry_timeouts", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
