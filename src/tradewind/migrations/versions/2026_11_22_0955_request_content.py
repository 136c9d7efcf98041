"""Prompts and answers, for organizations that keep them."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_0955"
down_revision = "2026_11_22_0945"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "request_content",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the call was admitted",
        ),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("prompt", sa.LargeBinary(), nullable=False, comment="JSON, redacted"),
        sa.Column(
            "answer",
            sa.LargeBinary(),
            nullable=False,
            comment="JSON, redacted; empty: there was none",
        ),
        sa.Column("is_prompt_truncated", sa.Boolean(), nullable=False),
        sa.Column("is_answer_truncated", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("at", "event_id", name=op.f("pk_request_content")),
        postgresql_partition_by="RANGE (at)",
        comment="prompts and answers of organizations that keep them, for as many days as they say",
    )
    op.create_index(
        op.f("ix_request_content_organization_id_at"), "request_content", ["organization_id", "at"]
    )
