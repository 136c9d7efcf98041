"""What the request log shows of a call beyond its bill."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_0630"
down_revision = "2026_11_22_0620"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "usage_event",
        sa.Column(
            "cache_write_tokens",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="part of input_tokens, and never of the cached ones",
        ),
    )
    op.add_column(
        "usage_event",
        sa.Column(
            "meters",
            postgresql.JSONB(),
            nullable=True,
            comment="quantities of what only some calls have: reasoning_tokens, images, characters",
        ),
    )
    op.add_column(
        "usage_hour",
        sa.Column("cache_write_tokens", sa.BigInteger(), server_default="0", nullable=False),
    )
    op.create_table(
        "request_log",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("surface", sa.Text(), nullable=False, comment="the API the client spoke"),
        sa.Column("requested_model", sa.Text(), nullable=False, comment="as the client wrote it"),
        sa.Column(
            "model",
            sa.Text(),
            nullable=False,
            comment="empty when it was refused before one was found",
        ),
        sa.Column(
            "host", sa.Text(), nullable=False, comment="whose host answered; empty when none did"
        ),
        sa.Column("http_status", sa.SmallInteger(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=False),
        sa.Column(
            "attempts",
            postgresql.JSONB(),
            nullable=False,
            comment="one after another: target, why, result",
        ),
        sa.Column("queued_us", sa.BigInteger(), nullable=False),
        sa.Column("overhead_us", sa.BigInteger(), nullable=False),
        sa.Column("trace_parent", sa.Text(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("tags", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("at", "event_id", name=op.f("pk_request_log")),
        postgresql_partition_by="RANGE (at)",
        comment="what became of each call, and of refused ones; kept for some days only",
    )
    op.create_index(
        op.f("ix_request_log_organization_id_at"), "request_log", ["organization_id", "at"]
    )
