"""What is overdue of subscriptions; who was charged before confirmations were asked for."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_1540"
down_revision = "2026_11_22_1530"
branch_labels = None
depends_on = None

# Their calls go on as before: gateways refuse who is charged and has not confirmed who pays.
_CONFIRMED_BEFORE = """
    INSERT INTO payment_confirmation (
        organization_id, payer, price, cap, terms_hash, confirmed_by_id, confirmed_by, confirmed_at
    )
    SELECT account.organization_id, left(account.party ->> 'legal_name', 200), 'list prices', '',
        '', 'platform', 'the platform: charged before confirmations were asked for', now()
    FROM billing_account AS account
    WHERE account.mode <> 'none' AND NOT EXISTS (
        SELECT FROM payment_confirmation AS said
        WHERE said.organization_id = account.organization_id
    )
"""


def upgrade() -> None:
    op.create_table(
        "subscription_arrears",
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column(
            "invoice_id", sa.Text(), nullable=False, comment="of billing, which stands above"
        ),
        sa.Column("number", sa.Text(), nullable=False, comment="of the invoice, for people"),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True, comment="paid or void"),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscription.id"],
            name=op.f("fk_subscription_arrears_subscription_id_subscription"),
        ),
        sa.PrimaryKeyConstraint(
            "subscription_id", "invoice_id", name=op.f("pk_subscription_arrears")
        ),
    )
    op.create_index(
        "ix_subscription_arrears_open",
        "subscription_arrears",
        ["subscription_id"],
        unique=False,
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
    op.create_index(
        op.f("ix_sale_offer_model_id_id"),
        "sale_offer",
        ["model_id", "id"],
        unique=False,
        postgresql_where=sa.text("model_id IS NOT NULL"),
    )
    op.execute(_CONFIRMED_BEFORE)
