"""Tables of billing. Nanos are exact amounts, minor ones what is on paper: cents of a currency.

What is finalized stays as it is: triggers, which the migration makes, refuse every change of a
settlement line, of a finalized invoice's content and of a credit note.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from tradewind.db.metadata import metadata

_EMPTY = text("''")
_LINE_KINDS = "'usage', 'fee', 'minimum', 'adjustment'"

billing_issuer = Table(
    "billing_issuer",
    metadata,
    Column("is_only", Boolean, primary_key=True, server_default=text("true")),
    Column("party", JSONB, nullable=False, comment="schemas.Party: who writes the invoices"),
    Column("payment_details", Text, nullable=False, comment="where to pay, for people"),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("is_only", name="is_only"),
    CheckConstraint("char_length(payment_details) <= 1000", name="lengths"),
)

billing_account = Table(
    "billing_account",
    metadata,
    Column("organization_id", Text, ForeignKey("organization.id"), primary_key=True),
    Column("mode", Text, nullable=False),
    Column("currency", Text, nullable=False, comment="in which its plans and wallet are"),
    Column("party", JSONB, nullable=False, comment="schemas.Party: whom invoices are written to"),
    Column("buyer_kind", Text, nullable=False),
    Column("buyer_reference", Text, nullable=False, comment="what its own books want to read"),
    Column("payment_terms_days", SmallInteger, nullable=False),
    Column("billed_from", DateTime(timezone=True), nullable=False, comment="first hour charged"),
    Column("revision", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("mode IN ('none', 'postpaid', 'prepaid')", name="mode"),
    CheckConstraint("buyer_kind IN ('business', 'consumer', 'exempt')", name="buyer_kind"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    CheckConstraint("payment_terms_days BETWEEN 0 AND 365", name="payment_terms"),
    CheckConstraint("char_length(buyer_reference) <= 200", name="lengths"),
    CheckConstraint("revision > 0", name="revision"),
)

settlement_due = Table(
    "settlement_due",
    metadata,
    Column("organization_id", Text, nullable=False),
    Column("hour", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("hour", "organization_id"),
    comment="changed hours that were not compared with what is settled; by triggers",
)

settlement = Table(
    "settlement",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("id", Text, nullable=False, unique=True, comment="subject of its ledger entries"),
    Column("settled_at", DateTime(timezone=True), nullable=False),
    Column("hours", Integer, nullable=False, comment="of organizations, that were compared"),
    Column("lines", Integer, nullable=False),
    comment="one transaction that took changed hours into the ledger",
)

settlement_line = Table(
    "settlement_line",
    metadata,
    # In the order of commits: one settlement is under way at a time.
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("settlement", BigInteger, nullable=False, comment="its number"),
    Column("organization_id", Text, nullable=False),
    Column("hour", DateTime(timezone=True), nullable=False),
    Column("project_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("price_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("seller", Text, nullable=False, comment="as in the price, for good"),
    Column("requests", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("cost_nanos", Numeric(38, 0), nullable=False),
    Column("fee_nanos", Numeric(38, 0), nullable=False, comment="the platform's part of it"),
    Column("settled_at", DateTime(timezone=True), nullable=False),
    Index(None, "organization_id", "hour"),
    Index(None, "organization_id", "number"),
    Index(None, "settlement"),
    comment="by how much an hour of usage differed from what was settled of it; never changed",
)

settlement_meter = Table(
    "settlement_meter",
    metadata,
    Column("line", BigInteger, ForeignKey(settlement_line.c.number), primary_key=True),
    Column("meter", Text, primary_key=True),
    Column("is_batch", Boolean, primary_key=True),
    Column("quantity", BigInteger, nullable=False),
    Column("organization_id", Text, nullable=False, comment="of the line"),
    Column("hour", DateTime(timezone=True), nullable=False, comment="of the line"),
    Index(None, "organization_id", "hour"),
    comment="what a line has of usage_hour_meter; never changed",
)

settlement_host = Table(
    "settlement_host",
    metadata,
    Column("settlement", BigInteger, primary_key=True, comment="its number"),
    Column("organization_id", Text, primary_key=True),
    Column("hour", DateTime(timezone=True), primary_key=True),
    Column("host", Text, primary_key=True),
    Column("currency", Text, primary_key=True, comment="the host's"),
    Column("requests", BigInteger, nullable=False),
    Column("cost_nanos", Numeric(38, 0), nullable=False),
    Index(None, "organization_id", "hour"),
    comment="by how much what a host took for an hour differed from what was entered; never"
    " changed",
)

invoice = Table(
    "invoice",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("currency", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("period_start", DateTime(timezone=True), nullable=False),
    Column("period_end", DateTime(timezone=True), nullable=False),
    # Which settlement lines it takes: hour < period_end and number <= up_to, without what the
    # invoice before took: hour < after_hour and number <= after_number.
    Column("up_to", BigInteger, nullable=False),
    Column("after_hour", DateTime(timezone=True), comment="null: there was none before"),
    Column("after_number", BigInteger, nullable=False),
    Column("usage_nanos", Numeric(38, 0), nullable=False, comment="of its settlement lines"),
    Column("exact_nanos", Numeric(38, 0), nullable=False, comment="of all its lines"),
    Column("net_minor", BigInteger, nullable=False),
    Column("tax_minor", BigInteger, nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    Column("paid_minor", BigInteger, nullable=False, server_default="0"),
    Column("credited_minor", BigInteger, nullable=False, server_default="0"),
    Column("series", Text),
    Column("number", Text, unique=True),
    Column("issued_at", DateTime(timezone=True)),
    Column("due_at", DateTime(timezone=True)),
    Column("content", Text, comment="canonical JSON; the bytes that were hashed"),
    Column("sha256", LargeBinary),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("state IN ('draft', 'finalized', 'paid', 'void')", name="state"),
    CheckConstraint("total_minor = net_minor + tax_minor", name="total"),
    CheckConstraint("period_start < period_end", name="period"),
    CheckConstraint(
        "state IN ('draft', 'void') OR (number IS NOT NULL AND content IS NOT NULL)",
        name="finalized",
    ),
    CheckConstraint(
        "num_nulls(number, series, issued_at, due_at, content, sha256) IN (0, 6)",
        name="all_or_none",
    ),
    CheckConstraint("octet_length(sha256) = 32", name="sha256"),
    CheckConstraint(
        "credited_minor BETWEEN 0 AND greatest(total_minor, 0) AND paid_minor >= 0", name="open"
    ),
    Index(None, "organization_id", "currency", "period_end"),
    Index(None, "state", "due_at"),
    Index(
        "uq_invoice_draft",
        "organization_id",
        "currency",
        unique=True,
        postgresql_where=text("state = 'draft'"),
    ),
)

invoice_line = Table(
    "invoice_line",
    metadata,
    Column("invoice_id", Text, ForeignKey(invoice.c.id), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("unit", Text, nullable=False),
    Column("exact_nanos", Numeric(38, 0), nullable=False),
    Column("fee_nanos", Numeric(38, 0), nullable=False, comment="the platform's part of it"),
    Column("minor", BigInteger, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("price_id", Text, nullable=False),
    Column("seller", Text, nullable=False),
    Column("hour_from", DateTime(timezone=True), nullable=False),
    Column("hour_to", DateTime(timezone=True), nullable=False, comment="the first not in it"),
    Column("source_key", Text, nullable=False, server_default=_EMPTY),
    Column("evidence", JSONB, nullable=False, comment="schemas.Evidence"),
    CheckConstraint(f"kind IN ({_LINE_KINDS})", name="kind"),
    CheckConstraint("seq >= 1 AND char_length(description) <= 500", name="limits"),
    # A term's fee is on one invoice, whoever asks and how often.
    Index(
        "uq_invoice_line_charge",
        "source_key",
        unique=True,
        postgresql_where=text("kind = 'fee' AND source_key <> ''"),
    ),
    Index(
        "ix_invoice_line_source",
        "source_key",
        postgresql_where=text("source_key <> ''"),
    ),
)

invoice_number = Table(
    "invoice_number",
    metadata,
    Column("series", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
    comment="the last number of each series; taken in the transaction that uses it: no gaps",
)

invoice_payment = Table(
    "invoice_payment",
    metadata,
    Column("key", Text, primary_key=True, comment="makes a retry harmless"),
    Column("invoice_id", Text, ForeignKey(invoice.c.id), nullable=False),
    Column("amount_minor", BigInteger, nullable=False, comment="below zero: taken back"),
    Column("method", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("paid_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("amount_minor <> 0", name="amount"),
    CheckConstraint("char_length(key) BETWEEN 1 AND 150", name="key"),
    CheckConstraint("char_length(reference) <= 200", name="reference"),
    Index(None, "invoice_id"),
)

credit_note = Table(
    "credit_note",
    metadata,
    Column("id", Text, primary_key=True),
    Column("invoice_id", Text, ForeignKey(invoice.c.id), nullable=False),
    Column("organization_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True, comment="makes a retry harmless"),
    Column("series", Text, nullable=False),
    Column("number", Text, nullable=False, unique=True),
    Column("reason", Text, nullable=False),
    Column("is_goodwill", Boolean, nullable=False, comment="the platform bears it, not the seller"),
    Column("net_minor", BigInteger, nullable=False),
    Column("tax_minor", BigInteger, nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    Column("issued_at", DateTime(timezone=True), nullable=False),
    Column("content", Text, nullable=False, comment="canonical JSON; the bytes that were hashed"),
    Column("sha256", LargeBinary, nullable=False),
    CheckConstraint("total_minor = net_minor + tax_minor AND total_minor > 0", name="total"),
    CheckConstraint("char_length(key) BETWEEN 1 AND 150", name="key"),
    CheckConstraint("char_length(reason) BETWEEN 1 AND 500", name="reason"),
    CheckConstraint("octet_length(sha256) = 32", name="sha256"),
    Index(None, "invoice_id"),
)

credit_note_line = Table(
    "credit_note_line",
    metadata,
    Column("credit_note_id", Text, ForeignKey(credit_note.c.id), primary_key=True),
    Column("seq", Integer, primary_key=True, comment="of the invoice's line"),
    Column("minor", BigInteger, nullable=False),
)

deferral = Table(
    "deferral",
    metadata,
    Column("invoice_id", Text, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("seller", Text, nullable=False, comment="who earns it; empty is the platform"),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
    Column("nanos", Numeric(38, 0), nullable=False),
    Column("fee_nanos", Numeric(38, 0), nullable=False, comment="the platform's part of it"),
    Column("earned_until", DateTime(timezone=True), nullable=False),
    Column("left_nanos", Numeric(38, 0), nullable=False, comment="neither earned nor credited"),
    Column("left_fee_nanos", Numeric(38, 0), nullable=False),
    ForeignKeyConstraint(["invoice_id", "seq"], [invoice_line.c.invoice_id, invoice_line.c.seq]),
    CheckConstraint("since <= earned_until AND earned_until <= until", name="span"),
    CheckConstraint(
        "left_nanos BETWEEN least(nanos, 0) AND greatest(nanos, 0)"
        " AND left_fee_nanos BETWEEN least(fee_nanos, 0) AND greatest(fee_nanos, 0)",
        name="left",
    ),
    Index(None, "earned_until", postgresql_where=text("left_nanos <> 0")),
    Index(None, "organization_id"),
    comment="a line that is paid ahead, and how much of it is not earned yet",
)

project_label = Table(
    "project_label",
    metadata,
    Column("organization_id", Text, primary_key=True),
    Column("project_id", Text, primary_key=True),
    Column("cost_centre", Text, nullable=False, comment="as the buyer's own books name it"),
    Column("tags", JSONB, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(
        ["organization_id", "project_id"], ["project.organization_id", "project.id"]
    ),
    CheckConstraint("char_length(cost_centre) <= 100", name="cost_centre"),
    CheckConstraint("jsonb_typeof(tags) = 'object'", name="tags"),
    comment="what invoices and exports say of a project's usage beside its name",
)

tax_rule = Table(
    "tax_rule",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seller_country", Text, nullable=False),
    Column("buyer_country", Text, nullable=False),
    Column("buyer_kind", Text),
    Column("treatment", Text, nullable=False),
    Column("rate_ppm", Integer, nullable=False, comment="millionths: 19 % is 190000"),
    Column("jurisdiction", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_until", Date, comment="the first day on which it no longer holds"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint(
        "seller_country ~ '^([A-Z]{2}|[*])$' AND buyer_country ~ '^([A-Z]{2}|[*])$'",
        name="countries",
    ),
    CheckConstraint("buyer_kind IN ('business', 'consumer', 'exempt')", name="buyer_kind"),
    CheckConstraint("treatment IN ('S', 'Z', 'E', 'AE', 'G', 'O')", name="treatment"),
    CheckConstraint("rate_ppm BETWEEN 0 AND 1000000", name="rate"),
    CheckConstraint("(rate_ppm > 0) = (treatment = 'S')", name="treatment_rate"),
    CheckConstraint("treatment IN ('S', 'Z') OR reason <> ''", name="reason"),
    CheckConstraint(
        "char_length(reason) <= 200 AND char_length(jurisdiction) BETWEEN 1 AND 100",
        name="lengths",
    ),
    UniqueConstraint(
        "seller_country",
        "buyer_country",
        "buyer_kind",
        "valid_from",
        postgresql_nulls_not_distinct=True,
    ),
)

billing_close = Table(
    "billing_close",
    metadata,
    Column("id", Text, primary_key=True),
    Column("period_end", DateTime(timezone=True), nullable=False),
    Column("state", Text, nullable=False),
    Column("after", Text, nullable=False, comment="organizations up to this one are done"),
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("invoices", Integer, nullable=False),
    Column(
        "problems", JSONB, nullable=False, comment="[[organization, why], …], the first hundred"
    ),
    Column("problem_count", Integer, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('running', 'done', 'cancelled')", name="state"),
    CheckConstraint("(state = 'running') = (ended_at IS NULL)", name="ended"),
    Index(
        "uq_billing_close_running",
        "state",
        unique=True,
        postgresql_where=text("state = 'running'"),
    ),
)
