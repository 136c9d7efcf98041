"""Payments taken back: what a processor takes back of an invoice's payment is owed again."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_1577"
down_revision = "2026_11_22_1575"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint(op.f("ck_invoice_payment_amount"), "invoice_payment", type_="check")
    op.create_check_constraint(
        op.f("ck_invoice_payment_amount"), "invoice_payment", "amount_minor <> 0"
    )
    op.alter_column("invoice_payment", "amount_minor", comment="below zero: taken back")
    op.alter_column("clawback", "taken_nanos", comment="out of what it paid")
    op.add_column(
        "clawback",
        sa.Column(
            "invoice_nanos",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="part of taken_nanos: owed again by an invoice",
        ),
    )
    op.create_check_constraint(
        op.f("ck_clawback_invoice"), "clawback", "invoice_nanos BETWEEN 0 AND taken_nanos"
    )


def downgrade() -> None:
    op.drop_column("clawback", "invoice_nanos")
    op.alter_column("clawback", "taken_nanos", comment="out of the wallet")
    op.alter_column("invoice_payment", "amount_minor", comment=None)
    # What was taken back would have to be deleted, and is kept: then this stops here.
    op.drop_constraint(op.f("ck_invoice_payment_amount"), "invoice_payment", type_="check")
    op.create_check_constraint(
        op.f("ck_invoice_payment_amount"), "invoice_payment", "amount_minor > 0"
    )
