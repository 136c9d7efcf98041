"""Clawbacks: what a processor takes back; cards with names, and pages to go on with."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_1555"
down_revision = "2026_11_22_1550"
branch_labels = None
depends_on = None

_EMPTY = sa.text("''")


def upgrade() -> None:
    op.add_column(
        "wallet",
        sa.Column(
            "card_label",
            sa.Text(),
            server_default=_EMPTY,
            nullable=False,
            comment="how people know it",
        ),
    )
    op.add_column(
        "payment",
        sa.Column(
            "action_url",
            sa.Text(),
            server_default=_EMPTY,
            nullable=False,
            comment="where somebody goes on",
        ),
    )
    op.create_index(
        "ix_payment_intent_id",
        "payment",
        ["processor", "intent_id"],
        postgresql_where=sa.text("intent_id <> ''"),
    )
    op.create_table(
        "clawback",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("processor", sa.Text(), nullable=False),
        sa.Column("processor_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_nanos", sa.BigInteger(), nullable=False),
        sa.Column("taken_nanos", sa.BigInteger(), nullable=False, comment="out of the wallet"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False, comment="empty while nothing left"),
        sa.Column("moves", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('dispute', 'refund')", name=op.f("ck_clawback_kind")),
        sa.CheckConstraint(
            "state IN ('none', 'open', 'final', 'returned')", name=op.f("ck_clawback_state")
        ),
        sa.CheckConstraint(
            "amount_nanos > 0 AND taken_nanos BETWEEN 0 AND amount_nanos",
            name=op.f("ck_clawback_amount"),
        ),
        sa.CheckConstraint(
            "(entry_id <> '') = (state IN ('open', 'final'))", name=op.f("ck_clawback_entry")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payment.id"], name=op.f("fk_clawback_payment_id_payment")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clawback")),
    )
    op.create_index(
        "uq_clawback_processor_id", "clawback", ["processor", "processor_id"], unique=True
    )
    op.create_index(op.f("ix_clawback_payment_id"), "clawback", ["payment_id"])
    op.create_index(
        "ix_clawback_open",
        "clawback",
        ["updated_at"],
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "ix_clawback_short",
        "clawback",
        ["id"],
        postgresql_where=sa.text("entry_id <> '' AND taken_nanos < amount_nanos"),
    )


def downgrade() -> None:
    op.drop_table("clawback")
    op.drop_index("ix_payment_intent_id", table_name="payment")
    op.drop_column("payment", "action_url")
    op.drop_column("wallet", "card_label")
