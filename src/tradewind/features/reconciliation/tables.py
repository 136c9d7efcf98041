"""Tables of reconciliation: runs of its checks, and what providers say of their own usage."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from tradewind.db.metadata import metadata

reconciliation_run = Table(
    "reconciliation_run",
    metadata,
    Column("id", Text, primary_key=True),
    Column("day", Date, unique=True, comment="that it is the daily run of; null: it was asked for"),
    Column("state", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Column("checks", JSONB, nullable=False),
    Column("error", Text, nullable=False),
    CheckConstraint("state IN ('asked', 'running', 'done', 'failed')", name="state"),
    CheckConstraint("(state IN ('done', 'failed')) = (finished_at IS NOT NULL)", name="finished"),
    CheckConstraint("state = 'asked' OR started_at IS NOT NULL", name="started"),
    Index(None, "asked_at"),
)

provider_statement = Table(
    "provider_statement",
    metadata,
    Column("number", BigInteger, nullable=False, autoincrement=True, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("host", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("added_by", Text, nullable=False),
    Column("added_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("octet_length(sha256) = 32", name="sha256"),
    # A file that is sent again is the one that is there.
    UniqueConstraint("host", "sha256"),
    comment="what a provider says of its own usage; of a day the newest one counts",
)

provider_statement_line = Table(
    "provider_statement_line",
    metadata,
    Column(
        "statement",
        BigInteger,
        ForeignKey(provider_statement.c.number, ondelete="CASCADE"),
        nullable=False,
    ),
    Column("day", Date, nullable=False, comment="UTC"),
    Column("measure", Text, nullable=False),
    Column("currency", Text, nullable=False, comment="of a cost; empty for a count"),
    Column("quantity", Numeric(38, 0), nullable=False, comment="nanos, or how many"),
    PrimaryKeyConstraint("statement", "day", "measure", "currency"),
    CheckConstraint(
        "measure IN ('cost', 'requests', 'input_tokens', 'output_tokens')", name="measure"
    ),
    CheckConstraint("(measure = 'cost') = (currency <> '')", name="currency"),
    CheckConstraint("currency = '' OR currency ~ '^[A-Z]{3}$'", name="currency_code"),
)
