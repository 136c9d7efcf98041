"""How well hosts serve models, by hour and by day."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_1130"
down_revision = "2026_11_22_1120"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "offer_hour",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column(
            "hour",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when it began, UTC",
        ),
        *_sums(),
        sa.PrimaryKeyConstraint("model", "host", "hour", name=op.f("pk_offer_hour")),
        comment="how a host served a model in an hour",
    )
    op.create_index(op.f("ix_offer_hour_hour"), "offer_hour", ["hour"])
    op.create_table(
        "offer_day",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="UTC"),
        *_sums(),
        sa.PrimaryKeyConstraint("model", "host", "day", name=op.f("pk_offer_day")),
        comment="the sums of its hours, kept longer",
    )
    op.create_index(op.f("ix_offer_day_day"), "offer_day", ["day"])


def _sums() -> list[sa.Column[object]]:
    return [
        sa.Column(
            "attempts",
            sa.BigInteger(),
            nullable=False,
            comment="but not those the caller broke",
        ),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("minutes", sa.BigInteger(), nullable=False, comment="in which it was asked"),
        sa.Column("minutes_down", sa.BigInteger(), nullable=False, comment="and answered nobody"),
        sa.Column(
            "first_token_us",
            postgresql.JSONB(),
            nullable=False,
            comment="a histogram, of streams",
        ),
        sa.Column(
            "speed",
            postgresql.JSONB(),
            nullable=False,
            comment="a histogram of 1/1000 tokens a second",
        ),
    ]
