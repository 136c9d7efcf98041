"""Billing: settlement of usage, invoices, credit notes, taxes, and what guards them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_1430"
down_revision = "2026_11_22_1420"
branch_labels = None
depends_on = None

_TABLES = (
    "billing_close",
    "tax_rule",
    "credit_note_line",
    "credit_note",
    "invoice_payment",
    "invoice_number",
    "invoice_line",
    "invoice",
    "settlement_line",
    "settlement",
    "settlement_due",
    "billing_account",
    "billing_issuer",
)
_APPEND_ONLY = (
    "settlement",
    "settlement_line",
    "invoice_payment",
    "credit_note",
    "credit_note_line",
)
# Whoever writes usage_hour need not know of settlement. A row that is there is locked and not
# written: a settlement that would take it away either sees the usage of this statement, or leaves
# the row, or is over when it is inserted again. Sorted, so that two writers cannot meet crosswise.
_NOTE_DUE = """
    CREATE FUNCTION note_settlement_due() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO settlement_due (organization_id, hour)
        SELECT DISTINCT organization_id, hour FROM changed ORDER BY 1, 2
        ON CONFLICT (organization_id, hour) DO UPDATE SET hour = excluded.hour WHERE false;
        RETURN NULL;
    END $$
"""
_DUE_AFTER = """
    CREATE TRIGGER usage_hour_is_due_after_{event} AFTER {event} ON usage_hour
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION note_settlement_due()
"""
_STAYS = """
    CREATE TRIGGER {table}_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
_KEEPS = """
    CREATE TRIGGER {table}_is_kept BEFORE DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
# What a finalized invoice may still become: paid, credited, void.
_GUARD_INVOICE = """
    CREATE FUNCTION guard_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.state <> 'draft' AND (
            NEW.state = 'draft'
            OR to_jsonb(OLD) - ARRAY['state', 'paid_minor', 'credited_minor']
                IS DISTINCT FROM to_jsonb(NEW) - ARRAY['state', 'paid_minor', 'credited_minor']
        ) THEN
            RAISE EXCEPTION 'invoice % is finalized and stays as it is', OLD.id
                USING ERRCODE = 'insufficient_privilege', HINT = 'write a credit note';
        END IF;
        RETURN NEW;
    END $$
"""
_INVOICE_IS_GUARDED = """
    CREATE TRIGGER invoice_is_guarded BEFORE UPDATE ON invoice
    FOR EACH ROW EXECUTE FUNCTION guard_invoice()
"""
_GUARD_LINE = """
    CREATE FUNCTION guard_invoice_line() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        of_invoice text := CASE WHEN TG_OP = 'DELETE' THEN OLD.invoice_id ELSE NEW.invoice_id END;
    BEGIN
        IF (SELECT state FROM invoice WHERE id = of_invoice) <> 'draft'
            OR (TG_OP = 'UPDATE' AND OLD.invoice_id <> NEW.invoice_id) THEN
            RAISE EXCEPTION 'invoice % is finalized and stays as it is', of_invoice
                USING ERRCODE = 'insufficient_privilege', HINT = 'write a credit note';
        END IF;
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END $$
"""
_LINE_IS_GUARDED = """
    CREATE TRIGGER invoice_line_is_guarded BEFORE INSERT OR UPDATE OR DELETE ON invoice_line
    FOR EACH ROW EXECUTE FUNCTION guard_invoice_line()
"""
_LINES_ARE_KEPT = """
    CREATE TRIGGER invoice_line_is_kept BEFORE TRUNCATE ON invoice_line
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""


def upgrade() -> None:
    _create_tables()
    op.execute(_NOTE_DUE)
    for event in ("insert", "update"):
        op.execute(_DUE_AFTER.format(event=event))
    for table in _APPEND_ONLY:
        op.execute(_STAYS.format(table=table))
    op.execute(_KEEPS.format(table="invoice"))
    op.execute(_GUARD_INVOICE)
    op.execute(_INVOICE_IS_GUARDED)
    op.execute(_GUARD_LINE)
    op.execute(_LINE_IS_GUARDED)
    op.execute(_LINES_ARE_KEPT)


def _create_tables() -> None:
    op.create_table(
        "billing_issuer",
        sa.Column("is_only", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "party",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="schemas.Party: who writes the invoices",
        ),
        sa.Column("payment_details", sa.Text(), nullable=False, comment="where to pay, for people"),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "char_length(payment_details) <= 1000", name=op.f("ck_billing_issuer_lengths")
        ),
        sa.CheckConstraint("is_only", name=op.f("ck_billing_issuer_is_only")),
        sa.PrimaryKeyConstraint("is_only", name=op.f("pk_billing_issuer")),
    )
    op.create_table(
        "billing_account",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column(
            "currency", sa.Text(), nullable=False, comment="in which its plans and wallet are"
        ),
        sa.Column(
            "party",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="schemas.Party: whom invoices are written to",
        ),
        sa.Column("buyer_kind", sa.Text(), nullable=False),
        sa.Column(
            "buyer_reference", sa.Text(), nullable=False, comment="what its own books want to read"
        ),
        sa.Column("payment_terms_days", sa.SmallInteger(), nullable=False),
        sa.Column(
            "billed_from", sa.DateTime(timezone=True), nullable=False, comment="first hour charged"
        ),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "buyer_kind IN ('business', 'consumer', 'exempt')",
            name=op.f("ck_billing_account_buyer_kind"),
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_billing_account_currency")),
        sa.CheckConstraint(
            "mode IN ('none', 'postpaid', 'prepaid')", name=op.f("ck_billing_account_mode")
        ),
        sa.CheckConstraint(
            "char_length(buyer_reference) <= 200", name=op.f("ck_billing_account_lengths")
        ),
        sa.CheckConstraint(
            "payment_terms_days BETWEEN 0 AND 365", name=op.f("ck_billing_account_payment_terms")
        ),
        sa.CheckConstraint("revision > 0", name=op.f("ck_billing_account_revision")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_billing_account_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_billing_account")),
    )
    op.create_table(
        "settlement_due",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "hour", name=op.f("pk_settlement_due")),
        comment="changed hours that were not compared with what is settled; by triggers",
    )
    op.create_index(op.f("ix_settlement_due_hour"), "settlement_due", ["hour"], unique=False)
    op.create_table(
        "settlement",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="subject of its ledger entries"),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "hours", sa.Integer(), nullable=False, comment="of organizations, that were compared"
        ),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_settlement")),
        sa.UniqueConstraint("id", name=op.f("uq_settlement_id")),
        comment="one transaction that took changed hours into the ledger",
    )
    op.create_table(
        "settlement_line",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("settlement", sa.BigInteger(), nullable=False, comment="its number"),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("price_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("seller", sa.Text(), nullable=False, comment="as in the price, for good"),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_nanos", sa.Numeric(precision=38, scale=0), nullable=False),
        sa.Column(
            "fee_nanos",
            sa.Numeric(precision=38, scale=0),
            nullable=False,
            comment="the platform's part of it",
        ),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_settlement_line")),
        comment="by how much an hour of usage differed from what was settled of it; never changed",
    )
    op.create_index(
        op.f("ix_settlement_line_organization_id_hour"),
        "settlement_line",
        ["organization_id", "hour"],
        unique=False,
    )
    op.create_index(
        op.f("ix_settlement_line_organization_id_number"),
        "settlement_line",
        ["organization_id", "number"],
        unique=False,
    )
    op.create_index(
        op.f("ix_settlement_line_settlement"), "settlement_line", ["settlement"], unique=False
    )
    op.create_table(
        "invoice",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("up_to", sa.BigInteger(), nullable=False),
        sa.Column(
            "after_hour",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="null: there was none before",
        ),
        sa.Column("after_number", sa.BigInteger(), nullable=False),
        sa.Column(
            "usage_nanos",
            sa.Numeric(precision=38, scale=0),
            nullable=False,
            comment="of its settlement lines",
        ),
        sa.Column(
            "exact_nanos",
            sa.Numeric(precision=38, scale=0),
            nullable=False,
            comment="of all its lines",
        ),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("paid_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("credited_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("series", sa.Text(), nullable=True),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "content",
            sa.Text(),
            nullable=True,
            comment="canonical JSON; the bytes that were hashed",
        ),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('draft', 'finalized', 'paid', 'void')", name=op.f("ck_invoice_state")
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'void') OR (number IS NOT NULL AND content IS NOT NULL)",
            name=op.f("ck_invoice_finalized"),
        ),
        sa.CheckConstraint(
            "credited_minor BETWEEN 0 AND greatest(total_minor, 0) AND paid_minor >= 0",
            name=op.f("ck_invoice_open"),
        ),
        sa.CheckConstraint(
            "num_nulls(number, series, issued_at, due_at, content, sha256) IN (0, 6)",
            name=op.f("ck_invoice_all_or_none"),
        ),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("ck_invoice_sha256")),
        sa.CheckConstraint("period_start < period_end", name=op.f("ck_invoice_period")),
        sa.CheckConstraint("total_minor = net_minor + tax_minor", name=op.f("ck_invoice_total")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_invoice_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice")),
        sa.UniqueConstraint("number", name=op.f("uq_invoice_number")),
    )
    op.create_index(
        op.f("ix_invoice_organization_id_currency_period_end"),
        "invoice",
        ["organization_id", "currency", "period_end"],
        unique=False,
    )
    op.create_index(op.f("ix_invoice_state_due_at"), "invoice", ["state", "due_at"], unique=False)
    op.create_index(
        "uq_invoice_draft",
        "invoice",
        ["organization_id", "currency"],
        unique=True,
        postgresql_where=sa.text("state = 'draft'"),
    )
    op.create_table(
        "invoice_line",
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("exact_nanos", sa.Numeric(precision=38, scale=0), nullable=False),
        sa.Column(
            "fee_nanos",
            sa.Numeric(precision=38, scale=0),
            nullable=False,
            comment="the platform's part of it",
        ),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("price_id", sa.Text(), nullable=False),
        sa.Column("seller", sa.Text(), nullable=False),
        sa.Column("hour_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "hour_to", sa.DateTime(timezone=True), nullable=False, comment="the first not in it"
        ),
        sa.Column("source_key", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "evidence",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="schemas.Evidence",
        ),
        sa.CheckConstraint(
            "kind IN ('usage', 'fee', 'minimum', 'adjustment')", name=op.f("ck_invoice_line_kind")
        ),
        sa.CheckConstraint(
            "seq >= 1 AND char_length(description) <= 500", name=op.f("ck_invoice_line_limits")
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoice.id"], name=op.f("fk_invoice_line_invoice_id_invoice")
        ),
        sa.PrimaryKeyConstraint("invoice_id", "seq", name=op.f("pk_invoice_line")),
    )
    op.create_index(
        "ix_invoice_line_source",
        "invoice_line",
        ["source_key"],
        unique=False,
        postgresql_where=sa.text("source_key <> ''"),
    )
    op.create_index(
        "uq_invoice_line_charge",
        "invoice_line",
        ["source_key"],
        unique=True,
        postgresql_where=sa.text("kind = 'fee' AND source_key <> ''"),
    )
    op.create_table(
        "invoice_number",
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("series", name=op.f("pk_invoice_number")),
        comment="the last number of each series; taken in the transaction that uses it: no gaps",
    )
    op.create_table(
        "invoice_payment",
        sa.Column("key", sa.Text(), nullable=False, comment="makes a retry harmless"),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_invoice_payment_amount")),
        sa.CheckConstraint(
            "char_length(key) BETWEEN 1 AND 150", name=op.f("ck_invoice_payment_key")
        ),
        sa.CheckConstraint(
            "char_length(reference) <= 200", name=op.f("ck_invoice_payment_reference")
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoice.id"], name=op.f("fk_invoice_payment_invoice_id_invoice")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_invoice_payment")),
    )
    op.create_index(
        op.f("ix_invoice_payment_invoice_id"), "invoice_payment", ["invoice_id"], unique=False
    )
    op.create_table(
        "credit_note",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="makes a retry harmless"),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "is_goodwill",
            sa.Boolean(),
            nullable=False,
            comment="the platform bears it, not the seller",
        ),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "content",
            sa.Text(),
            nullable=False,
            comment="canonical JSON; the bytes that were hashed",
        ),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("char_length(key) BETWEEN 1 AND 150", name=op.f("ck_credit_note_key")),
        sa.CheckConstraint(
            "char_length(reason) BETWEEN 1 AND 500", name=op.f("ck_credit_note_reason")
        ),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("ck_credit_note_sha256")),
        sa.CheckConstraint(
            "total_minor = net_minor + tax_minor AND total_minor > 0",
            name=op.f("ck_credit_note_total"),
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoice.id"], name=op.f("fk_credit_note_invoice_id_invoice")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_note")),
        sa.UniqueConstraint("key", name=op.f("uq_credit_note_key")),
        sa.UniqueConstraint("number", name=op.f("uq_credit_note_number")),
    )
    op.create_index(op.f("ix_credit_note_invoice_id"), "credit_note", ["invoice_id"], unique=False)
    op.create_table(
        "credit_note_line",
        sa.Column("credit_note_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False, comment="of the invoice's line"),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["credit_note_id"],
            ["credit_note.id"],
            name=op.f("fk_credit_note_line_credit_note_id_credit_note"),
        ),
        sa.PrimaryKeyConstraint("credit_note_id", "seq", name=op.f("pk_credit_note_line")),
    )
    op.create_table(
        "tax_rule",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("seller_country", sa.Text(), nullable=False),
        sa.Column("buyer_country", sa.Text(), nullable=False),
        sa.Column("buyer_kind", sa.Text(), nullable=True),
        sa.Column("treatment", sa.Text(), nullable=False),
        sa.Column("rate_ppm", sa.Integer(), nullable=False, comment="millionths: 19 % is 190000"),
        sa.Column("jurisdiction", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column(
            "valid_until",
            sa.Date(),
            nullable=True,
            comment="the first day on which it no longer holds",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(rate_ppm > 0) = (treatment = 'S')", name=op.f("ck_tax_rule_treatment_rate")
        ),
        sa.CheckConstraint(
            "buyer_kind IN ('business', 'consumer', 'exempt')", name=op.f("ck_tax_rule_buyer_kind")
        ),
        sa.CheckConstraint(
            "seller_country ~ '^([A-Z]{2}|[*])$' AND buyer_country ~ '^([A-Z]{2}|[*])$'",
            name=op.f("ck_tax_rule_countries"),
        ),
        sa.CheckConstraint(
            "treatment IN ('S', 'Z') OR reason <> ''", name=op.f("ck_tax_rule_reason")
        ),
        sa.CheckConstraint(
            "treatment IN ('S', 'Z', 'E', 'AE', 'G', 'O')", name=op.f("ck_tax_rule_treatment")
        ),
        sa.CheckConstraint(
            "char_length(reason) <= 200 AND char_length(jurisdiction) BETWEEN 1 AND 100",
            name=op.f("ck_tax_rule_lengths"),
        ),
        sa.CheckConstraint("rate_ppm BETWEEN 0 AND 1000000", name=op.f("ck_tax_rule_rate")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_rule")),
        sa.UniqueConstraint(
            "seller_country",
            "buyer_country",
            "buyer_kind",
            "valid_from",
            name=op.f("uq_tax_rule_seller_country_buyer_country_buyer_kind_valid_from"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "billing_close",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "after", sa.Text(), nullable=False, comment="organizations up to this one are done"
        ),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("invoices", sa.Integer(), nullable=False),
        sa.Column(
            "problems",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="[[organization, why], …], the first hundred",
        ),
        sa.Column("problem_count", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'running') = (ended_at IS NULL)", name=op.f("ck_billing_close_ended")
        ),
        sa.CheckConstraint(
            "state IN ('running', 'done', 'cancelled')", name=op.f("ck_billing_close_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_close")),
    )
    op.create_index(
        "uq_billing_close_running",
        "billing_close",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state = 'running'"),
    )


def downgrade() -> None:
    for event in ("insert", "update"):
        op.execute(f"DROP TRIGGER usage_hour_is_due_after_{event} ON usage_hour")
    op.execute("DROP FUNCTION note_settlement_due()")
    for table in _TABLES:
        op.drop_table(table)
    op.execute("DROP FUNCTION guard_invoice_line()")
    op.execute("DROP FUNCTION guard_invoice()")
