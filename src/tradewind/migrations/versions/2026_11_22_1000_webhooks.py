"""The outbox, webhooks and their deliveries; when a budget was exhausted."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_1000"
down_revision = "2026_11_22_0955"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outbox_message",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="makes enqueueing idempotent"),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("set_aside_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True, comment="why the last attempt failed"),
        sa.CheckConstraint(
            "num_nonnulls(next_try_at, handled_at, set_aside_at) = 1",
            name=op.f("ck_outbox_message_state"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_outbox_message_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_message")),
        sa.UniqueConstraint(
            "organization_id", "key", name=op.f("uq_outbox_message_organization_id_key")
        ),
    )
    op.create_index(
        op.f("ix_outbox_message_handled_at"),
        "outbox_message",
        ["handled_at"],
        unique=False,
        postgresql_where=sa.text("handled_at IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_outbox_message_next_try_at"),
        "outbox_message",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("next_try_at IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_outbox_message_organization_id_set_aside_at"),
        "outbox_message",
        ["organization_id", "set_aside_at"],
        unique=False,
        postgresql_where=sa.text("set_aside_at IS NOT NULL"),
    )
    op.create_table(
        "webhook",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("is_private_network", sa.Boolean(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("kinds", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret_version", sa.Integer(), nullable=False),
        sa.Column("data_key_id", sa.Text(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("secret_set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("former_version", sa.Integer(), nullable=True),
        sa.Column("former_data_key_id", sa.Text(), nullable=True),
        sa.Column("former_sealed_secret", sa.LargeBinary(), nullable=True),
        sa.Column("former_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_by", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "disabled_by IN ('person', 'gone', 'failing')", name=op.f("ck_webhook_disabled_by")
        ),
        sa.CheckConstraint("cardinality(kinds) > 0", name=op.f("ck_webhook_kinds")),
        sa.CheckConstraint(
            "num_nulls(disabled_at, disabled_by) IN (0, 2)", name=op.f("ck_webhook_disabled")
        ),
        sa.CheckConstraint(
            "num_nulls(former_version, former_data_key_id, former_sealed_secret, former_until)"
            " IN (0, 4)",
            name=op.f("ck_webhook_former"),
        ),
        sa.CheckConstraint("revision > 0 AND secret_version > 0", name=op.f("ck_webhook_versions")),
        sa.ForeignKeyConstraint(
            ["data_key_id"], ["data_key.id"], name=op.f("fk_webhook_data_key_id_data_key")
        ),
        sa.ForeignKeyConstraint(
            ["former_data_key_id"],
            ["data_key.id"],
            name=op.f("fk_webhook_former_data_key_id_data_key"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_webhook_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook")),
    )
    op.create_index(op.f("ix_webhook_data_key_id"), "webhook", ["data_key_id"], unique=False)
    op.create_index(
        op.f("ix_webhook_former_data_key_id"), "webhook", ["former_data_key_id"], unique=False
    )
    op.create_index(
        op.f("ix_webhook_organization_id"), "webhook", ["organization_id"], unique=False
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column(
            "message_id", sa.Text(), nullable=False, comment="the outbox may have forgotten it"
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "body",
            sa.LargeBinary(),
            nullable=False,
            comment="what is signed and sent, byte for byte",
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("attempts_before", sa.Integer(), nullable=False, comment="it was last asked for"),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'pending') = (next_try_at IS NOT NULL)",
            name=op.f("ck_webhook_delivery_next_try"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'delivered', 'failed')", name=op.f("ck_webhook_delivery_state")
        ),
        sa.CheckConstraint(
            "attempts >= attempts_before AND attempts_before >= 0",
            name=op.f("ck_webhook_delivery_attempts"),
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["webhook.id"],
            name=op.f("fk_webhook_delivery_webhook_id_webhook"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_delivery")),
        sa.UniqueConstraint(
            "webhook_id", "message_id", name=op.f("uq_webhook_delivery_webhook_id_message_id")
        ),
    )
    op.create_index(
        op.f("ix_webhook_delivery_created_at"), "webhook_delivery", ["created_at"], unique=False
    )
    op.create_index(
        op.f("ix_webhook_delivery_next_try_at"),
        "webhook_delivery",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("next_try_at IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_webhook_delivery_webhook_id_id"),
        "webhook_delivery",
        ["webhook_id", "id"],
        unique=False,
    )
    op.add_column(
        "budget_period", sa.Column("exhausted_at", sa.DateTime(timezone=True), nullable=True)
    )
