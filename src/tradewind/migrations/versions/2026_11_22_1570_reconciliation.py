"""Runs of reconciliation, and what providers say of their own usage."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_1570"
down_revision = "2026_11_22_1560"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reconciliation_run",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column(
            "day",
            sa.Date(),
            nullable=True,
            comment="that it is the daily run of; null: it was asked for",
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checks", postgresql.JSONB(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('asked', 'running', 'done', 'failed')",
            name=op.f("ck_reconciliation_run_state"),
        ),
        sa.CheckConstraint(
            "(state IN ('done', 'failed')) = (finished_at IS NOT NULL)",
            name=op.f("ck_reconciliation_run_finished"),
        ),
        sa.CheckConstraint(
            "state = 'asked' OR started_at IS NOT NULL",
            name=op.f("ck_reconciliation_run_started"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_run")),
        sa.UniqueConstraint("day", name=op.f("uq_reconciliation_run_day")),
    )
    op.create_index(op.f("ix_reconciliation_run_asked_at"), "reconciliation_run", ["asked_at"])
    op.create_table(
        "provider_statement",
        sa.Column("number", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("ck_provider_statement_sha256")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_provider_statement")),
        sa.UniqueConstraint("id", name=op.f("uq_provider_statement_id")),
        sa.UniqueConstraint("host", "sha256", name=op.f("uq_provider_statement_host_sha256")),
        comment="what a provider says of its own usage; of a day the newest one counts",
    )
    op.create_table(
        "provider_statement_line",
        sa.Column("statement", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="UTC"),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False, comment="of a cost; empty for a count"),
        sa.Column("quantity", sa.Numeric(38, 0), nullable=False, comment="nanos, or how many"),
        sa.CheckConstraint(
            "measure IN ('cost', 'requests', 'input_tokens', 'output_tokens')",
            name=op.f("ck_provider_statement_line_measure"),
        ),
        sa.CheckConstraint(
            "(measure = 'cost') = (currency <> '')",
            name=op.f("ck_provider_statement_line_currency"),
        ),
        sa.CheckConstraint(
            "currency = '' OR currency ~ '^[A-Z]{3}$'",
            name=op.f("ck_provider_statement_line_currency_code"),
        ),
        sa.ForeignKeyConstraint(
            ["statement"],
            ["provider_statement.number"],
            name=op.f("fk_provider_statement_line_statement_provider_statement"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "statement",
            "day",
            "measure",
            "currency",
            name=op.f("pk_provider_statement_line"),
        ),
    )


def downgrade() -> None:
    op.drop_table("provider_statement_line")
    op.drop_table("provider_statement")
    op.drop_table("reconciliation_run")
