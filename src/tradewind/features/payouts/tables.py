"""Tables of payouts. Amounts are nanos of the currency beside them.

A trigger, which the migration makes, refuses every change of a statement and of the trail, and of
what a run has frozen when it was exported.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from tradewind.db.metadata import metadata

_DESTINATION = (
    "(way = 'bank' AND iban ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$' AND account = '')"
    " OR (way = 'stripe' AND iban = '' AND bic = '' AND account ~ '^acct_[A-Za-z0-9]{1,64}$')"
)

payout_profile = Table(
    "payout_profile",
    metadata,
    Column("publisher_slug", Text, ForeignKey("publisher.slug"), primary_key=True),
    Column("way", Text, nullable=False),
    Column("name", Text, nullable=False, comment="of whoever holds the account"),
    Column("iban", Text, nullable=False),
    Column("bic", Text, nullable=False),
    Column("account", Text, nullable=False, comment="at Stripe"),
    Column("currency", Text, nullable=False, comment="in which it is paid"),
    Column("minimum_nanos", BigInteger, nullable=False),
    Column("usable_from", DateTime(timezone=True), nullable=False, comment="nothing goes before"),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("revision", Integer, nullable=False),
    CheckConstraint(_DESTINATION, name="destination"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    CheckConstraint("minimum_nanos >= 0 AND revision > 0", name="amounts"),
    CheckConstraint("char_length(name) BETWEEN 1 AND 70", name="name"),
)

payout_terms = Table(
    "payout_terms",
    metadata,
    Column("publisher_slug", Text, ForeignKey("publisher.slug"), primary_key=True),
    Column("hold_days", SmallInteger, nullable=False),
    Column("reserve_ppm", Integer, nullable=False),
    Column("reserve_days", SmallInteger, nullable=False),
    Column("tax_ppm", Integer, nullable=False),
    Column("tax_jurisdiction", Text, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("hold_days BETWEEN 0 AND 365 AND reserve_days BETWEEN 1 AND 730", name="days"),
    CheckConstraint(
        "reserve_ppm BETWEEN 0 AND 1000000 AND tax_ppm BETWEEN 0 AND 1000000", name="shares"
    ),
    CheckConstraint("tax_ppm = 0 OR tax_jurisdiction <> ''", name="jurisdiction"),
    comment="what finance says of a publisher; none is the usual terms",
)

payout_hold = Table(
    "payout_hold",
    metadata,
    Column("publisher_slug", Text, ForeignKey("publisher.slug"), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("placed_by", Text, nullable=False),
    Column("placed_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("char_length(reason) BETWEEN 1 AND 500", name="reason"),
    comment="nothing is paid to these until somebody has looked",
)

payout_source = Table(
    "payout_source",
    metadata,
    Column("currency", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("iban", Text, nullable=False),
    Column("bic", Text, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    comment="the platform's own account in a currency",
)

payout_run = Table(
    "payout_run",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key", Text, nullable=False, unique=True, comment="makes a retry harmless"),
    Column("currency", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("up_to", BigInteger, nullable=False, comment="number of the last entry it looks at"),
    Column("after", Text, nullable=False, comment="publishers up to this one are done"),
    Column("payouts", Integer, nullable=False),
    Column("nanos", Numeric(38, 0), nullable=False),
    Column("prepared_by_id", Text, nullable=False),
    Column("prepared_by", Text, nullable=False),
    Column("prepared_at", DateTime(timezone=True), nullable=False),
    Column("approved_by_id", Text),
    Column("approved_by", Text),
    Column("approved_at", DateTime(timezone=True)),
    Column("is_self_approved", Boolean, nullable=False),
    Column("exported_at", DateTime(timezone=True)),
    Column("execute_on", Date),
    Column("file", LargeBinary, comment="pain.001, as it was exported; null: nothing by bank"),
    Column("sha256", LargeBinary),
    CheckConstraint(
        "state IN ('preparing', 'prepared', 'approved', 'exported', 'done', 'cancelled')",
        name="state",
    ),
    CheckConstraint("num_nulls(approved_by_id, approved_by, approved_at) IN (0, 3)", name="eyes"),
    # Four eyes for every writer: what is exported was approved, by another unless it says so.
    CheckConstraint(
        "state NOT IN ('approved', 'exported', 'done')"
        " OR (approved_at IS NOT NULL AND (approved_by_id <> prepared_by_id OR is_self_approved))",
        name="four_eyes",
    ),
    CheckConstraint("state NOT IN ('exported', 'done') OR exported_at IS NOT NULL", name="file"),
    CheckConstraint("num_nulls(file, sha256) IN (0, 2)", name="digest"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    CheckConstraint("char_length(key) BETWEEN 1 AND 150", name="key"),
    Index(
        "uq_payout_run_open",
        "currency",
        unique=True,
        postgresql_where="state IN ('preparing', 'prepared', 'approved')",
    ),
)

payout_statement = Table(
    "payout_statement",
    metadata,
    Column("id", Text, primary_key=True),
    Column("publisher_slug", Text, ForeignKey("publisher.slug"), nullable=False),
    Column("currency", Text, nullable=False),
    Column("number", Integer, nullable=False, comment="counts up, without gaps"),
    Column("run_id", Text, ForeignKey(payout_run.c.id), nullable=False),
    Column("after", BigInteger, nullable=False, comment="entries behind this number,"),
    Column("up_to", BigInteger, nullable=False, comment="and up to this one"),
    Column("opening_nanos", Numeric(38, 0), nullable=False),
    Column("balance_nanos", Numeric(38, 0), nullable=False),
    Column("payable_nanos", Numeric(38, 0), nullable=False),
    Column("closing_nanos", Numeric(38, 0), nullable=False),
    Column("drawn_at", DateTime(timezone=True), nullable=False),
    Column("content", Text, nullable=False, comment="canonical JSON; the bytes that were hashed"),
    Column("sha256", LargeBinary, nullable=False),
    UniqueConstraint("publisher_slug", "currency", "number"),
    CheckConstraint("number > 0 AND after <= up_to", name="span"),
    CheckConstraint("payable_nanos >= 0", name="payable"),
    CheckConstraint("octet_length(sha256) = 32", name="sha256"),
)

payout = Table(
    "payout",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run_id", Text, ForeignKey(payout_run.c.id), nullable=False),
    Column("statement_id", Text, ForeignKey(payout_statement.c.id), nullable=False, unique=True),
    Column("publisher_slug", Text, ForeignKey("publisher.slug"), nullable=False),
    Column("way", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("iban", Text, nullable=False),
    Column("bic", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("nanos", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("processor_id", Text, nullable=False),
    Column("entry_id", Text, ForeignKey("ledger_entry.id"), nullable=False),
    Column("settled_entry_id", Text, ForeignKey("ledger_entry.id")),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("settled_at", DateTime(timezone=True)),
    CheckConstraint(
        "state IN ('ready', 'exported', 'confirmed', 'failed', 'cancelled')", name="state"
    ),
    CheckConstraint(_DESTINATION, name="destination"),
    CheckConstraint("nanos > 0", name="amount"),
    CheckConstraint("state <> 'confirmed' OR settled_entry_id IS NOT NULL", name="settled"),
    Index(None, "run_id", "id"),
    Index(None, "publisher_slug", "id"),
    Index("ix_payout_exported", "way", "id", postgresql_where="state = 'exported'"),
)

payout_reserve = Table(
    "payout_reserve",
    metadata,
    Column("payout_id", Text, ForeignKey(payout.c.id), primary_key=True),
    Column("publisher_slug", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("nanos", BigInteger, nullable=False),
    Column("release_at", DateTime(timezone=True), nullable=False),
    Column("released_by", Text, ForeignKey(payout.c.id), comment="the payout that released it"),
    Column("is_undone", Boolean, nullable=False, comment="its payout failed"),
    CheckConstraint("nanos > 0", name="amount"),
    CheckConstraint("NOT (is_undone AND released_by IS NOT NULL)", name="once"),
    Index(
        "ix_payout_reserve_held",
        "publisher_slug",
        "currency",
        postgresql_where="released_by IS NULL AND NOT is_undone",
    ),
    Index(None, "released_by", postgresql_where="released_by IS NOT NULL"),
    comment="what is withheld of payouts",
)

payout_event = Table(
    "payout_event",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("subject", Text, nullable=False, comment="a run, a publisher, a currency's source"),
    Column("what", Text, nullable=False),
    Column("by_id", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Index(None, "subject", "number"),
    comment="who did what; never changed",
)
