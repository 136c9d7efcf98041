"""Tables of what was measured. Derived from the request log, and kept longer than it."""

from sqlalchemy import BigInteger, Column, Date, DateTime, Index, PrimaryKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from tradewind.db.metadata import metadata


def _sums() -> list[Column[object]]:
    return [
        Column("attempts", BigInteger, nullable=False, comment="but not those the caller broke"),
        Column("failed", BigInteger, nullable=False),
        Column("minutes", BigInteger, nullable=False, comment="in which it was asked"),
        Column("minutes_down", BigInteger, nullable=False, comment="and answered nobody"),
        Column("first_token_us", JSONB, nullable=False, comment="a histogram, of streams"),
        Column("speed", JSONB, nullable=False, comment="a histogram of 1/1000 tokens a second"),
    ]


offer_hour = Table(
    "offer_hour",
    metadata,
    Column("model", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("hour", DateTime(timezone=True), nullable=False, comment="when it began, UTC"),
    *_sums(),
    PrimaryKeyConstraint("model", "host", "hour"),
    Index(None, "hour"),
    comment="how a host served a model in an hour",
)

offer_day = Table(
    "offer_day",
    metadata,
    Column("model", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("day", Date, nullable=False, comment="UTC"),
    *_sums(),
    PrimaryKeyConstraint("model", "host", "day"),
    Index(None, "day"),
    comment="the sums of its hours, kept longer",
)
