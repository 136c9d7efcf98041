"""Responses and request contents that organizations keep."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_0640"
down_revision = "2026_11_22_0630"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stored_response",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column(
            "previous_id",
            sa.Text(),
            nullable=True,
            comment="of the same project; it may be gone",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "running_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="null: it has ended",
        ),
        sa.Column(
            "input",
            sa.LargeBinary(),
            nullable=False,
            comment="JSON: the items of its own request",
        ),
        sa.Column("response", sa.LargeBinary(), nullable=False, comment="JSON: the object"),
        sa.PrimaryKeyConstraint(
            "organization_id", "project_id", "id", name=op.f("pk_stored_response")
        ),
    )
    op.create_index(
        op.f("ix_stored_response_expires_at"), "stored_response", ["expires_at"], unique=False
    )
