"""Payouts: profiles, terms, holds, runs, statements, payouts, reserves, and the trail."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_1560"
down_revision = "2026_11_22_1555"
branch_labels = None
depends_on = None

_TABLES = (
    "payout_event",
    "payout_reserve",
    "payout",
    "payout_statement",
    "payout_run",
    "payout_source",
    "payout_hold",
    "payout_terms",
    "payout_profile",
)
_DESTINATION = (
    "(way = 'bank' AND iban ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$' AND account = '')"
    " OR (way = 'stripe' AND iban = '' AND bic = '' AND account ~ '^acct_[A-Za-z0-9]{1,64}$')"
)
_FOUR_EYES = (
    "state NOT IN ('approved', 'exported', 'done')"
    " OR (approved_at IS NOT NULL AND (approved_by_id <> prepared_by_id OR is_self_approved))"
)
_STAYS = """
    CREATE TRIGGER {table}_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
_IS_KEPT = """
    CREATE TRIGGER {table}_is_kept BEFORE DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
# What was exported stays as it is, but for its being done.
_GUARD_RUN = """
    CREATE FUNCTION guard_payout_run() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.exported_at IS NOT NULL AND (
            to_jsonb(NEW) - 'state' IS DISTINCT FROM to_jsonb(OLD) - 'state'
            OR NEW.state NOT IN ('exported', 'done')
        ) THEN
            RAISE EXCEPTION 'payout run % was exported', OLD.id USING ERRCODE = '42501';
        END IF;
        RETURN NEW;
    END $$
"""
# An amount and where it goes are decided once.
_GUARD_PAYOUT = """
    CREATE FUNCTION guard_payout() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE may_change text[] :=
        ARRAY['state', 'note', 'processor_id', 'settled_entry_id', 'settled_at'];
    BEGIN
        IF to_jsonb(NEW) - may_change IS DISTINCT FROM to_jsonb(OLD) - may_change THEN
            RAISE EXCEPTION 'payout % is what it is', OLD.id USING ERRCODE = '42501';
        END IF;
        RETURN NEW;
    END $$
"""
_ON_UPDATE = """
    CREATE TRIGGER {table}_is_guarded BEFORE UPDATE ON {table}
    FOR EACH ROW EXECUTE FUNCTION guard_{table}()
"""


def upgrade() -> None:
    op.create_table(
        "payout_event",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "subject", sa.Text(), nullable=False, comment="a run, a publisher, a currency's source"
        ),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("by_id", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_payout_event")),
        comment="who did what; never changed",
    )
    op.create_index(
        op.f("ix_payout_event_subject_number"), "payout_event", ["subject", "number"], unique=False
    )
    op.create_table(
        "payout_run",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="makes a retry harmless"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "up_to", sa.BigInteger(), nullable=False, comment="number of the last entry it looks at"
        ),
        sa.Column("after", sa.Text(), nullable=False, comment="publishers up to this one are done"),
        sa.Column("payouts", sa.Integer(), nullable=False),
        sa.Column("nanos", sa.Numeric(precision=38, scale=0), nullable=False),
        sa.Column("prepared_by_id", sa.Text(), nullable=False),
        sa.Column("prepared_by", sa.Text(), nullable=False),
        sa.Column("prepared_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by_id", sa.Text(), nullable=True),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_self_approved", sa.Boolean(), nullable=False),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("execute_on", sa.Date(), nullable=True),
        sa.Column(
            "file",
            sa.LargeBinary(),
            nullable=True,
            comment="pain.001, as it was exported; null: nothing by bank",
        ),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_payout_run_currency")),
        sa.CheckConstraint(
            "state IN ('preparing', 'prepared', 'approved', 'exported', 'done', 'cancelled')",
            name=op.f("ck_payout_run_state"),
        ),
        sa.CheckConstraint(
            _FOUR_EYES,
            name=op.f("ck_payout_run_four_eyes"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('exported', 'done') OR exported_at IS NOT NULL",
            name=op.f("ck_payout_run_file"),
        ),
        sa.CheckConstraint("char_length(key) BETWEEN 1 AND 150", name=op.f("ck_payout_run_key")),
        sa.CheckConstraint(
            "num_nulls(approved_by_id, approved_by, approved_at) IN (0, 3)",
            name=op.f("ck_payout_run_eyes"),
        ),
        sa.CheckConstraint("num_nulls(file, sha256) IN (0, 2)", name=op.f("ck_payout_run_digest")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_run")),
        sa.UniqueConstraint("key", name=op.f("uq_payout_run_key")),
    )
    op.create_index(
        "uq_payout_run_open",
        "payout_run",
        ["currency"],
        unique=True,
        postgresql_where="state IN ('preparing', 'prepared', 'approved')",
    )
    op.create_table(
        "payout_source",
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("iban", sa.Text(), nullable=False),
        sa.Column("bic", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_payout_source_currency")),
        sa.PrimaryKeyConstraint("currency", name=op.f("pk_payout_source")),
        comment="the platform's own account in a currency",
    )
    op.create_table(
        "payout_hold",
        sa.Column("publisher_slug", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "char_length(reason) BETWEEN 1 AND 500", name=op.f("ck_payout_hold_reason")
        ),
        sa.ForeignKeyConstraint(
            ["publisher_slug"],
            ["publisher.slug"],
            name=op.f("fk_payout_hold_publisher_slug_publisher"),
        ),
        sa.PrimaryKeyConstraint("publisher_slug", name=op.f("pk_payout_hold")),
        comment="nothing is paid to these until somebody has looked",
    )
    op.create_table(
        "payout_profile",
        sa.Column("publisher_slug", sa.Text(), nullable=False),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="of whoever holds the account"),
        sa.Column("iban", sa.Text(), nullable=False),
        sa.Column("bic", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False, comment="at Stripe"),
        sa.Column("currency", sa.Text(), nullable=False, comment="in which it is paid"),
        sa.Column("minimum_nanos", sa.BigInteger(), nullable=False),
        sa.Column(
            "usable_from", sa.DateTime(timezone=True), nullable=False, comment="nothing goes before"
        ),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            _DESTINATION,
            name=op.f("ck_payout_profile_destination"),
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_payout_profile_currency")),
        sa.CheckConstraint(
            "char_length(name) BETWEEN 1 AND 70", name=op.f("ck_payout_profile_name")
        ),
        sa.CheckConstraint(
            "minimum_nanos >= 0 AND revision > 0", name=op.f("ck_payout_profile_amounts")
        ),
        sa.ForeignKeyConstraint(
            ["publisher_slug"],
            ["publisher.slug"],
            name=op.f("fk_payout_profile_publisher_slug_publisher"),
        ),
        sa.PrimaryKeyConstraint("publisher_slug", name=op.f("pk_payout_profile")),
    )
    op.create_table(
        "payout_statement",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("publisher_slug", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="counts up, without gaps"),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False, comment="entries behind this number,"),
        sa.Column("up_to", sa.BigInteger(), nullable=False, comment="and up to this one"),
        sa.Column("opening_nanos", sa.Numeric(precision=38, scale=0), nullable=False),
        sa.Column("balance_nanos", sa.Numeric(precision=38, scale=0), nullable=False),
        sa.Column("payable_nanos", sa.Numeric(precision=38, scale=0), nullable=False),
        sa.Column("closing_nanos", sa.Numeric(precision=38, scale=0), nullable=False),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "content",
            sa.Text(),
            nullable=False,
            comment="canonical JSON; the bytes that were hashed",
        ),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("number > 0 AND after <= up_to", name=op.f("ck_payout_statement_span")),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("ck_payout_statement_sha256")),
        sa.CheckConstraint("payable_nanos >= 0", name=op.f("ck_payout_statement_payable")),
        sa.ForeignKeyConstraint(
            ["publisher_slug"],
            ["publisher.slug"],
            name=op.f("fk_payout_statement_publisher_slug_publisher"),
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["payout_run.id"], name=op.f("fk_payout_statement_run_id_payout_run")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_statement")),
        sa.UniqueConstraint(
            "publisher_slug",
            "currency",
            "number",
            name=op.f("uq_payout_statement_publisher_slug_currency_number"),
        ),
    )
    op.create_table(
        "payout_terms",
        sa.Column("publisher_slug", sa.Text(), nullable=False),
        sa.Column("hold_days", sa.SmallInteger(), nullable=False),
        sa.Column("reserve_ppm", sa.Integer(), nullable=False),
        sa.Column("reserve_days", sa.SmallInteger(), nullable=False),
        sa.Column("tax_ppm", sa.Integer(), nullable=False),
        sa.Column("tax_jurisdiction", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "tax_ppm = 0 OR tax_jurisdiction <> ''", name=op.f("ck_payout_terms_jurisdiction")
        ),
        sa.CheckConstraint(
            "hold_days BETWEEN 0 AND 365 AND reserve_days BETWEEN 1 AND 730",
            name=op.f("ck_payout_terms_days"),
        ),
        sa.CheckConstraint(
            "reserve_ppm BETWEEN 0 AND 1000000 AND tax_ppm BETWEEN 0 AND 1000000",
            name=op.f("ck_payout_terms_shares"),
        ),
        sa.ForeignKeyConstraint(
            ["publisher_slug"],
            ["publisher.slug"],
            name=op.f("fk_payout_terms_publisher_slug_publisher"),
        ),
        sa.PrimaryKeyConstraint("publisher_slug", name=op.f("pk_payout_terms")),
        comment="what finance says of a publisher; none is the usual terms",
    )
    op.create_table(
        "payout",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("statement_id", sa.Text(), nullable=False),
        sa.Column("publisher_slug", sa.Text(), nullable=False),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("iban", sa.Text(), nullable=False),
        sa.Column("bic", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("nanos", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("processor_id", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("settled_entry_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            _DESTINATION,
            name=op.f("ck_payout_destination"),
        ),
        sa.CheckConstraint(
            "state <> 'confirmed' OR settled_entry_id IS NOT NULL", name=op.f("ck_payout_settled")
        ),
        sa.CheckConstraint(
            "state IN ('ready', 'exported', 'confirmed', 'failed', 'cancelled')",
            name=op.f("ck_payout_state"),
        ),
        sa.CheckConstraint("nanos > 0", name=op.f("ck_payout_amount")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entry.id"], name=op.f("fk_payout_entry_id_ledger_entry")
        ),
        sa.ForeignKeyConstraint(
            ["publisher_slug"], ["publisher.slug"], name=op.f("fk_payout_publisher_slug_publisher")
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["payout_run.id"], name=op.f("fk_payout_run_id_payout_run")
        ),
        sa.ForeignKeyConstraint(
            ["settled_entry_id"],
            ["ledger_entry.id"],
            name=op.f("fk_payout_settled_entry_id_ledger_entry"),
        ),
        sa.ForeignKeyConstraint(
            ["statement_id"],
            ["payout_statement.id"],
            name=op.f("fk_payout_statement_id_payout_statement"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout")),
        sa.UniqueConstraint("statement_id", name=op.f("uq_payout_statement_id")),
    )
    op.create_index(
        "ix_payout_exported",
        "payout",
        ["way", "id"],
        unique=False,
        postgresql_where="state = 'exported'",
    )
    op.create_index(
        op.f("ix_payout_publisher_slug_id"), "payout", ["publisher_slug", "id"], unique=False
    )
    op.create_index(op.f("ix_payout_run_id_id"), "payout", ["run_id", "id"], unique=False)
    op.create_table(
        "payout_reserve",
        sa.Column("payout_id", sa.Text(), nullable=False),
        sa.Column("publisher_slug", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("nanos", sa.BigInteger(), nullable=False),
        sa.Column("release_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_by", sa.Text(), nullable=True, comment="the payout that released it"),
        sa.Column("is_undone", sa.Boolean(), nullable=False, comment="its payout failed"),
        sa.CheckConstraint(
            "NOT (is_undone AND released_by IS NOT NULL)", name=op.f("ck_payout_reserve_once")
        ),
        sa.CheckConstraint("nanos > 0", name=op.f("ck_payout_reserve_amount")),
        sa.ForeignKeyConstraint(
            ["payout_id"], ["payout.id"], name=op.f("fk_payout_reserve_payout_id_payout")
        ),
        sa.ForeignKeyConstraint(
            ["released_by"], ["payout.id"], name=op.f("fk_payout_reserve_released_by_payout")
        ),
        sa.PrimaryKeyConstraint("payout_id", name=op.f("pk_payout_reserve")),
        comment="what is withheld of payouts",
    )
    op.create_index(
        "ix_payout_reserve_held",
        "payout_reserve",
        ["publisher_slug", "currency"],
        unique=False,
        postgresql_where="released_by IS NULL AND NOT is_undone",
    )
    op.create_index(
        op.f("ix_payout_reserve_released_by"),
        "payout_reserve",
        ["released_by"],
        unique=False,
        postgresql_where="released_by IS NOT NULL",
    )
    for table in ("payout_statement", "payout_event"):
        op.execute(_STAYS.format(table=table))
    for table in ("payout_run", "payout", "payout_reserve"):
        op.execute(_IS_KEPT.format(table=table))
    op.execute(_GUARD_RUN)
    op.execute(_GUARD_PAYOUT)
    for table in ("payout_run", "payout"):
        op.execute(_ON_UPDATE.format(table=table))


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
    op.execute("DROP FUNCTION guard_payout()")
    op.execute("DROP FUNCTION guard_payout_run()")
