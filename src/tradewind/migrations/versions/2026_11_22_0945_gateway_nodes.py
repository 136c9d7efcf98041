"""The nodes whose gateways serve this database."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_0945"
down_revision = "2026_11_22_0920"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gateway_node",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("installation", sa.Text(), nullable=False, comment="the data folder it runs on"),
        sa.Column("life", sa.Text(), nullable=False, comment="this start of it"),
        sa.Column("gateways", sa.Integer(), nullable=False, comment="processes that serve calls"),
        sa.Column(
            "secrets_check", sa.Text(), nullable=False, comment="equal where secrets/pepper is"
        ),
        sa.Column(
            "joined_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_gateway_node")),
    )
