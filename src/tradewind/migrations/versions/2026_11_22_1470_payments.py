"""Wallets, payments, bank transfers, and the hard budget that follows a wallet."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_1470"
down_revision = "2026_11_22_1460"
branch_labels = None
depends_on = None

_TABLES = ("bank_line", "refund", "payment", "wallet_lot", "wallet")


def upgrade() -> None:
    op.add_column(
        "budget",
        sa.Column(
            "purpose",
            sa.Text(),
            server_default=sa.text("''"),
            nullable=False,
            comment="'wallet': kept by the platform, which no member changes; empty: a member's",
        ),
    )
    op.create_check_constraint(op.f("ck_budget_purpose"), "budget", "purpose IN ('', 'wallet')")
    op.create_table(
        "wallet",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column(
            "low_nanos", sa.BigInteger(), nullable=False, comment="below it somebody is told"
        ),
        sa.Column("is_low", sa.Boolean(), nullable=False, comment="and was"),
        sa.Column(
            "auto_below_nanos",
            sa.BigInteger(),
            nullable=True,
            comment="with the next two: automatic top-up",
        ),
        sa.Column("auto_amount_nanos", sa.BigInteger(), nullable=True),
        sa.Column("auto_month_cap_nanos", sa.BigInteger(), nullable=True),
        sa.Column(
            "customer", sa.Text(), nullable=False, comment="the processor's name of the buyer"
        ),
        sa.Column(
            "card", sa.Text(), nullable=False, comment="the processor's name of a saved card"
        ),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_wallet_currency")),
        sa.CheckConstraint(
            "auto_below_nanos >= 0 AND auto_amount_nanos > 0 AND auto_month_cap_nanos > 0"
            " AND num_nulls(auto_below_nanos, auto_amount_nanos, auto_month_cap_nanos) IN (0, 3)",
            name=op.f("ck_wallet_auto"),
        ),
        sa.CheckConstraint("low_nanos >= 0", name=op.f("ck_wallet_low")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_wallet_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_wallet")),
    )
    op.create_table(
        "wallet_lot",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_nanos", sa.BigInteger(), nullable=False),
        sa.Column(
            "left_nanos", sa.BigInteger(), nullable=False, comment="as of the last look at it"
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("payment_id", sa.Text(), nullable=True),
        sa.Column("memo", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "expires_at IS NULL OR kind = 'credit'", name=op.f("ck_wallet_lot_expiry")
        ),
        sa.CheckConstraint("kind IN ('paid', 'credit')", name=op.f("ck_wallet_lot_kind")),
        sa.CheckConstraint(
            "amount_nanos > 0 AND left_nanos BETWEEN 0 AND amount_nanos",
            name=op.f("ck_wallet_lot_amount"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["wallet.organization_id"],
            name=op.f("fk_wallet_lot_organization_id_wallet"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wallet_lot")),
        sa.UniqueConstraint("key", name=op.f("uq_wallet_lot_key")),
    )
    op.create_index(
        "ix_wallet_lot_expires",
        "wallet_lot",
        ["expires_at"],
        unique=False,
        postgresql_where="left_nanos > 0",
    )
    op.create_index(
        op.f("ix_wallet_lot_organization_id"),
        "wallet_lot",
        ["organization_id"],
        unique=False,
        postgresql_where="left_nanos > 0",
    )
    op.create_table(
        "payment",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("processor", sa.Text(), nullable=False, comment="stripe, bank"),
        sa.Column(
            "processor_id",
            sa.Text(),
            nullable=False,
            comment="empty until the processor has said it",
        ),
        sa.Column("intent_id", sa.Text(), nullable=False, comment="what a refund names"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=True),
        sa.Column("amount_nanos", sa.BigInteger(), nullable=False),
        sa.Column("paid_nanos", sa.BigInteger(), nullable=False),
        sa.Column("refunded_nanos", sa.BigInteger(), nullable=False, comment="asked for or done"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "reference", sa.Text(), nullable=False, comment="creditor reference of a bank transfer"
        ),
        sa.Column("is_automatic", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False, comment="why it failed"),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(kind = 'invoice') = (invoice_id IS NOT NULL)", name=op.f("ck_payment_invoice")
        ),
        sa.CheckConstraint("kind IN ('topup', 'invoice', 'card')", name=op.f("ck_payment_kind")),
        sa.CheckConstraint("state IN ('pending', 'paid', 'failed')", name=op.f("ck_payment_state")),
        sa.CheckConstraint(
            "amount_nanos >= 0 AND refunded_nanos >= 0 AND refunded_nanos <= paid_nanos",
            name=op.f("ck_payment_amount"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_payment_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
        sa.UniqueConstraint("key", name=op.f("uq_payment_key")),
    )
    op.create_index(
        op.f("ix_payment_organization_id_id"), "payment", ["organization_id", "id"], unique=False
    )
    op.create_index(
        "ix_payment_pending",
        "payment",
        ["updated_at"],
        unique=False,
        postgresql_where="state = 'pending'",
    )
    op.create_index(
        "uq_payment_processor_id",
        "payment",
        ["processor", "processor_id"],
        unique=True,
        postgresql_where="processor_id <> ''",
    )
    op.create_index(
        "uq_payment_reference",
        "payment",
        ["reference"],
        unique=True,
        postgresql_where="reference <> ''",
    )
    op.create_table(
        "refund",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("amount_nanos", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("processor_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'paid', 'failed')", name=op.f("ck_refund_state")),
        sa.CheckConstraint("amount_nanos > 0", name=op.f("ck_refund_amount")),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_refund_payment_id_payment")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund")),
        sa.UniqueConstraint("key", name=op.f("uq_refund_key")),
    )
    op.create_index(op.f("ix_refund_payment_id"), "refund", ["payment_id"], unique=False)
    op.create_index(
        "ix_refund_pending", "refund", ["id"], unique=False, postgresql_where="state = 'pending'"
    )
    op.create_table(
        "bank_line",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("nanos", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("remittance", sa.Text(), nullable=False),
        sa.Column("payer", sa.Text(), nullable=False),
        sa.Column("bank_reference", sa.Text(), nullable=False),
        sa.Column("is_reversal", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=True),
        sa.Column("invoice_id", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False, comment="who assigned it by hand"),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(state = 'matched') = (organization_id IS NOT NULL)", name=op.f("ck_bank_line_owner")
        ),
        sa.CheckConstraint(
            "state IN ('matched', 'unmatched', 'ignored')", name=op.f("ck_bank_line_state")
        ),
        sa.CheckConstraint("octet_length(fingerprint) = 32", name=op.f("ck_bank_line_fingerprint")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_line")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_bank_line_fingerprint")),
    )
    op.create_index(
        "ix_bank_line_unmatched",
        "bank_line",
        ["id"],
        unique=False,
        postgresql_where="state = 'unmatched'",
    )
    op.create_index(
        "uq_budget_wallet",
        "budget",
        ["organization_id", "currency"],
        unique=True,
        postgresql_where=sa.text("purpose = 'wallet'"),
    )


def downgrade() -> None:
    op.execute("DELETE FROM budget WHERE purpose = 'wallet'")
    for table in _TABLES:
        op.drop_table(table)
    op.drop_index("uq_budget_wallet", table_name="budget")
    op.drop_column("budget", "purpose")
