"""Usage that publishers report, operations of their apps, and sinks to which usage is sent."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_1575"
down_revision = "2026_11_22_1570"
branch_labels = None
depends_on = None

_USAGE_STAYS = """
    CREATE TRIGGER metered_usage_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON metered_usage
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
_TABLES = (
    "metered_usage",
    "fulfilment_operation",
    "fulfilment_mark",
    "fulfilment_app",
    "sink_parcel",
    "sink",
)


def upgrade() -> None:
    op.create_table(
        "sink",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=False),
        sa.Column("covers", sa.Text(), nullable=False),
        sa.Column("meters", postgresql.ARRAY(sa.Text()), nullable=False, comment="empty: all"),
        sa.Column(
            "customers",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="names of subjects there",
        ),
        sa.Column("is_private_network", sa.Boolean(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("credential_version", sa.Integer(), nullable=False),
        sa.Column("data_key_id", sa.Text(), nullable=True),
        sa.Column("sealed_credential", sa.LargeBinary(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "sent_until", sa.DateTime(timezone=True), nullable=False, comment="high-water mark"
        ),
        sa.Column(
            "look_at", sa.DateTime(timezone=True), nullable=False, comment="when to sum hours again"
        ),
        sa.Column(
            "deep_look_at", sa.DateTime(timezone=True), nullable=False, comment="old hours, too"
        ),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False, comment="in a row"),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("last_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("covers IN ('organization', 'platform')", name=op.f("ck_sink_covers")),
        sa.CheckConstraint(
            "num_nulls(data_key_id, sealed_credential) IN (0, 2)", name=op.f("ck_sink_credential")
        ),
        sa.ForeignKeyConstraint(
            ["data_key_id"], ["data_key.id"], name=op.f("fk_sink_data_key_id_data_key")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_sink_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sink")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_sink_organization_id_name")),
    )
    op.create_index(op.f("ix_sink_data_key_id"), "sink", ["data_key_id"], unique=False)
    op.create_table(
        "sink_parcel",
        sa.Column("id", sa.Text(), nullable=False, comment="the idempotency key there"),
        sa.Column("sink_id", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column(
            "quantity",
            sa.BigInteger(),
            nullable=False,
            comment="more, or less, than was sent before",
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'sent', 'refused')", name=op.f("ck_sink_parcel_state")
        ),
        sa.CheckConstraint("quantity <> 0", name=op.f("ck_sink_parcel_quantity")),
        sa.ForeignKeyConstraint(
            ["sink_id"], ["sink.id"], name=op.f("fk_sink_parcel_sink_id_sink"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sink_parcel")),
    )
    op.create_index(
        op.f("ix_sink_parcel_sink_id_hour"), "sink_parcel", ["sink_id", "hour"], unique=False
    )
    op.create_index(
        "ix_sink_parcel_waiting",
        "sink_parcel",
        ["sink_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "fulfilment_app",
        sa.Column("offer_id", sa.Text(), nullable=False),
        sa.Column("landing_url", sa.Text(), nullable=False),
        sa.Column("webhook_url", sa.Text(), nullable=False),
        sa.Column("is_private_network", sa.Boolean(), nullable=False),
        sa.Column("data_key_id", sa.Text(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("secret_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["data_key_id"], ["data_key.id"], name=op.f("fk_fulfilment_app_data_key_id_data_key")
        ),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["sale_offer.id"], name=op.f("fk_fulfilment_app_offer_id_sale_offer")
        ),
        sa.PrimaryKeyConstraint("offer_id", name=op.f("pk_fulfilment_app")),
    )
    op.create_index(
        op.f("ix_fulfilment_app_data_key_id"), "fulfilment_app", ["data_key_id"], unique=False
    )
    op.create_table(
        "fulfilment_mark",
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column(
            "seq", sa.Integer(), nullable=False, comment="of the newest move its seller is told of"
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscription.id"],
            name=op.f("fk_fulfilment_mark_subscription_id_subscription"),
        ),
        sa.PrimaryKeyConstraint("subscription_id", name=op.f("pk_fulfilment_mark")),
    )
    op.create_table(
        "fulfilment_operation",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("offer_id", sa.Text(), nullable=False),
        sa.Column("publisher_slug", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("plan_name", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("changes_plan", sa.Boolean(), nullable=False),
        sa.Column("changes_quantity", sa.Boolean(), nullable=False),
        sa.Column("by_id", sa.Text(), nullable=False),
        sa.Column("by_name", sa.Text(), nullable=False),
        sa.Column("confirmation", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=True, comment="of the move, once it is made"),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "decide_by", sa.DateTime(timezone=True), nullable=True, comment="set by its delivery"
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False, comment="what the webhook is sent"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column(
            "next_try_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="null: delivered, or given up",
        ),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivery_error", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(status = 'InProgress') = (ended_at IS NULL)",
            name=op.f("ck_fulfilment_operation_ended"),
        ),
        sa.CheckConstraint(
            "status IN ('InProgress', 'Succeeded', 'Failed')",
            name=op.f("ck_fulfilment_operation_status"),
        ),
        sa.ForeignKeyConstraint(
            ["offer_id"],
            ["sale_offer.id"],
            name=op.f("fk_fulfilment_operation_offer_id_sale_offer"),
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["plan.id"], name=op.f("fk_fulfilment_operation_plan_id_plan")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscription.id"],
            name=op.f("fk_fulfilment_operation_subscription_id_subscription"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fulfilment_operation")),
        sa.UniqueConstraint(
            "subscription_id", "seq", name=op.f("uq_fulfilment_operation_subscription_id_seq")
        ),
    )
    op.create_index(
        op.f("ix_fulfilment_operation_decide_by"),
        "fulfilment_operation",
        ["decide_by"],
        unique=False,
        postgresql_where=sa.text("status = 'InProgress'"),
    )
    op.create_index(
        op.f("ix_fulfilment_operation_next_try_at"),
        "fulfilment_operation",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("next_try_at IS NOT NULL"),
    )
    op.create_index(
        "uq_fulfilment_operation_change",
        "fulfilment_operation",
        ["subscription_id"],
        unique=True,
        postgresql_where=sa.text(
            "status = 'InProgress' AND action IN ('ChangePlan', 'ChangeQuantity')"
        ),
    )
    op.create_table(
        "metered_usage",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("seller_organization_id", sa.Text(), nullable=False),
        sa.Column("offer_id", sa.Text(), nullable=False),
        sa.Column("plan_name", sa.Text(), nullable=False),
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at_text", sa.Text(), nullable=False, comment="as it was sent"),
        sa.Column(
            "quantity_micros",
            sa.BigInteger(),
            nullable=False,
            comment="of an amendment: what it adds",
        ),
        sa.Column("amends", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "statement", sa.LargeBinary(), nullable=False, comment="of an amendment, canonical JSON"
        ),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("by_name", sa.Text(), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "amends IS NOT NULL OR quantity_micros > 0", name=op.f("ck_metered_usage_quantity")
        ),
        sa.ForeignKeyConstraint(
            ["amends"], ["metered_usage.id"], name=op.f("fk_metered_usage_amends_metered_usage")
        ),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["sale_offer.id"], name=op.f("fk_metered_usage_offer_id_sale_offer")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_metered_usage_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["seller_organization_id"],
            ["organization.id"],
            name=op.f("fk_metered_usage_seller_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscription.id"],
            name=op.f("fk_metered_usage_subscription_id_subscription"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metered_usage")),
    )
    op.create_index(
        op.f("ix_metered_usage_amends"),
        "metered_usage",
        ["amends"],
        unique=False,
        postgresql_where=sa.text("amends IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_metered_usage_seller_organization_id_at"),
        "metered_usage",
        ["seller_organization_id", "at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_metered_usage_subscription_id_at"),
        "metered_usage",
        ["subscription_id", "at"],
        unique=False,
    )
    op.create_index(
        "uq_metered_usage_hour",
        "metered_usage",
        ["subscription_id", "plan_name", "dimension", "hour"],
        unique=True,
        postgresql_where=sa.text("amends IS NULL"),
    )
    op.execute(_USAGE_STAYS)


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
