"""Tables of the market. Prices are nanos of `currency` per 1,000,000 units of a meter."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
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
    Column(
        "effective_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=func.now(),
        comment="the newest that is not after a moment is in force at it",
    ),
    Column(
        "seller",
        Text,
        nullable=False,
        server_default=text("''"),
        comment="slug of the publisher who is paid; empty is the platform",
    ),
    Column(
        "is_charged",
        Boolean,
        nullable=False,
        server_default=text("true"),
        comment="false: shown and counted, and never on an invoice",
    ),
    Column(
        "is_free",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="that it costs nothing was said, and is no gap",
    ),
    Column("source", Text, nullable=False, server_default=text("'order'")),
    Column(
        "subject",
        Text,
        nullable=False,
        server_default=text("''"),
        comment="id of what it came of: a price file, a margin, a sale",
    ),
    Column("created_by", Text, nullable=False, server_default=text("''")),
    Column(
        "organization_id",
        Text,
        ForeignKey("organization.id"),
        comment="for whose own endpoints it is; null is everybody's price",
    ),
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
    CheckConstraint("source IN ('order', 'file', 'margin', 'sale')", name="source"),
    CheckConstraint(
        "NOT is_free OR (input_nanos = 0 AND output_nanos = 0 AND cached_input_nanos = 0"
        " AND coalesce(cache_write_nanos, 0) = 0"
        " AND NOT jsonb_path_exists(meters, '$.* ? (@ != 0)'))",
        name="free",
    ),
    CheckConstraint(
        "char_length(seller) <= 200 AND char_length(subject) <= 200"
        " AND char_length(created_by) <= 200",
        name="lengths",
    ),
    # What an organization calls over its own accounts it pays to the provider.
    CheckConstraint("organization_id IS NULL OR NOT is_charged", name="own"),
    Index(None, "model_id", "effective_at"),
    Index(None, "effective_at"),
)

price_effect = Table(
    "price_effect",
    metadata,
    # One row: prices that took effect up to then were told to the gateways and the search.
    Column("is_the_one", Boolean, primary_key=True, server_default=text("true")),
    Column("told_until", DateTime(timezone=True), nullable=False),
    CheckConstraint("is_the_one", name="one"),
)

price_key = Table(
    "price_key",
    metadata,
    Column("id", Text, primary_key=True, comment="the start of the SHA-256 of the public key"),
    Column("name", Text, nullable=False),
    Column("public_key", LargeBinary, nullable=False, comment="Ed25519, 32 bytes"),
    Column(
        "publisher_slug",
        Text,
        nullable=False,
        comment="whose models its files may price; empty is every publisher's",
    ),
    Column("added_by", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("revoked_at", DateTime(timezone=True)),
    Column("revoked_by", Text, nullable=False, server_default=text("''")),
    CheckConstraint("octet_length(public_key) = 32", name="public_key"),
    CheckConstraint("char_length(name) BETWEEN 1 AND 80", name="name"),
)

price_file = Table(
    "price_file",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sha256", LargeBinary, nullable=False, comment="of the file, which is applied once"),
    Column("content", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("key_id", Text, ForeignKey(price_key.c.id), nullable=False),
    Column("entries", Integer, nullable=False),
    Column("prices", Integer, nullable=False, comment="versions that it made"),
    Column("held", Integer, nullable=False, comment="entries that wait for a review"),
    Column("applied_by", Text, nullable=False),
    Column("applied_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("sha256"),
    CheckConstraint(
        "octet_length(sha256) = 32 AND octet_length(signature) = 64"
        " AND octet_length(content) <= 4194304",
        name="lengths",
    ),
)

price_margin = Table(
    "price_margin",
    metadata,
    Column("id", Text, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("target", Text, nullable=False, comment="publisher/slug, publisher, host or nothing"),
    Column("percent", Integer, nullable=False, comment="in hundredths of a percent, on the cost"),
    Column("least_nanos", BigInteger, nullable=False, comment="each price is at least"),
    Column("step_nanos", BigInteger, nullable=False, comment="rounded up to a multiple of it"),
    Column("is_enabled", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("scope", "target"),
    CheckConstraint("scope IN ('model', 'publisher', 'host', 'all')", name="scope"),
    CheckConstraint("(scope = 'all') = (target = '')", name="target"),
    CheckConstraint("percent BETWEEN -10000 AND 10000000", name="percent"),
    CheckConstraint("least_nanos BETWEEN 0 AND 1000000000000000", name="least"),
    CheckConstraint("step_nanos BETWEEN 1 AND 1000000000000", name="step"),
    CheckConstraint("revision > 0", name="revision"),
)

price_proposal = Table(
    "price_proposal",
    metadata,
    Column("id", Text, primary_key=True),
    Column("model_id", Text, ForeignKey("model.id"), nullable=False),
    Column("source", Text, nullable=False),
    Column("subject", Text, nullable=False, comment="the file or margin that it came of"),
    Column("content", JSONB, nullable=False, comment="the price as it would be set"),
    Column("reason", Text, nullable=False, comment="why it waits for a review"),
    Column("state", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("decided_by", Text, nullable=False, server_default=text("''")),
    Column("decided_at", DateTime(timezone=True)),
    Column("price_id", Text, ForeignKey(price.c.id)),
    CheckConstraint("source IN ('file', 'margin')", name="source"),
    CheckConstraint("state IN ('waiting', 'accepted', 'refused', 'replaced')", name="state"),
    CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided"),
    CheckConstraint("(state = 'accepted') = (price_id IS NOT NULL)", name="price"),
    # One at a time for each model and source: a newer one takes the place of the one that waits.
    Index(
        "uq_price_proposal_waiting",
        "model_id",
        "source",
        unique=True,
        postgresql_where=text("state = 'waiting'"),
    ),
)

price_alarm = Table(
    "price_alarm",
    metadata,
    Column("day", Date, primary_key=True, comment="UTC"),
    Column("model", Text, primary_key=True, comment="publisher/slug"),
    Column("told_at", DateTime(timezone=True), nullable=False),
    comment="who was told of a missing price, once a day",
)
