"""Tables of the market. Prices are nanos of `currency` per 1,000,000 tokens."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, ForeignKey, Index, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from tradewind.db.metadata import metadata

price = Table(
    "price",
    metadata,
    Column("id", Text, primary_key=True),
    Column("model_id", Text, ForeignKey("model.id"), nullable=False),
    Column("currency", Text, nullable=False),
    Column("input_nanos", BigInteger, nullable=False),
    Column("output_nanos", BigInteger, nullable=False),
    Column("cached_input_nanos", BigInteger, nullable=False),
    # Null is as any input.
    Column("cache_write_nanos", BigInteger),
    # Of other meters than tokens: nanos per 1,000,000 units by the meter's name.
    Column("meters", JSONB, nullable=False, server_default="{}"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint(
        "input_nanos >= 0 AND output_nanos >= 0 AND cached_input_nanos >= 0", name="not_negative"
    ),
    # With at most 10^9 tokens a call (see gateway.record) a cost always fits in 64 bits.
    CheckConstraint(
        "greatest(input_nanos, output_nanos, cached_input_nanos) <= 1000000000000000",
        name="not_absurd",
    ),
    CheckConstraint("cache_write_nanos BETWEEN 0 AND 1000000000000000", name="cache_write"),
    CheckConstraint("jsonb_typeof(meters) = 'object'", name="meters"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    Index(None, "model_id", "created_at"),
)
