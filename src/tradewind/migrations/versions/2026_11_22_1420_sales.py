"""Sales: offers, plans, private offers, subscriptions, and what guards them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_1420"
down_revision = "2026_11_22_1410"
branch_labels = None
depends_on = None

_APPEND_ONLY = (
    "private_offer_buyer",
    "private_offer_price",
    "private_offer_acceptance",
    "subscription_event",
    "subscription_charge",
    "payment_confirmation",
)
_STAYS = """
    CREATE TRIGGER {table}_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
_KEEPS = """
    CREATE TRIGGER {table}_is_kept BEFORE DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
_PLAN_STAYS = """
    CREATE TRIGGER plan_stays BEFORE UPDATE OF id, offer_id, name, version, terms, text, is_public,
        effective_from, binds_from, created_by, created_at ON plan
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
_PRIVATE_OFFER_STAYS = """
    CREATE TRIGGER private_offer_stays BEFORE UPDATE OF id, offer_id, name, text, starts_at,
        ends_at, accept_by, terms_hash, offered_by_id, offered_by, offered_at ON private_offer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""


def upgrade() -> None:
    _make_tables()
    for table in _APPEND_ONLY:
        op.execute(_STAYS.format(table=table))
    for table in ("plan", "private_offer", "subscription"):
        op.execute(_KEEPS.format(table=table))
    op.execute(_PLAN_STAYS)
    op.execute(_PRIVATE_OFFER_STAYS)


def _make_tables() -> None:
    op.create_table(
        "sale_offer",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("publisher_slug", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("licensing", sa.Text(), nullable=False),
        sa.Column("is_subscription_only", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "fee_percent_millionths",
            sa.Integer(),
            nullable=True,
            comment="null is the platform's usual fee",
        ),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(kind = 'model') = (model_id IS NOT NULL)", name=op.f("ck_sale_offer_model")
        ),
        sa.CheckConstraint("kind IN ('model', 'app')", name=op.f("ck_sale_offer_kind")),
        sa.CheckConstraint(
            "licensing IN ('platform', 'own_licence', 'direct')",
            name=op.f("ck_sale_offer_licensing"),
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'live', 'withdrawn')", name=op.f("ck_sale_offer_state")
        ),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 100", name=op.f("ck_sale_offer_name")),
        sa.CheckConstraint(
            "fee_percent_millionths BETWEEN 0 AND 1000000", name=op.f("ck_sale_offer_fee")
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["model.id"], name=op.f("fk_sale_offer_model_id_model")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_sale_offer_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["publisher_slug"],
            ["publisher.slug"],
            name=op.f("fk_sale_offer_publisher_slug_publisher"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sale_offer")),
    )
    op.create_index(
        op.f("ix_sale_offer_organization_id_id"),
        "sale_offer",
        ["organization_id", "id"],
        unique=False,
    )
    op.create_index(
        "uq_sale_offer_live_model",
        "sale_offer",
        ["model_id"],
        unique=True,
        postgresql_where=sa.text("state = 'live' AND model_id IS NOT NULL"),
    )
    op.create_table(
        "plan",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("offer_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "terms",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="core.pricing.charges.PlanTerms",
        ),
        sa.Column("text", sa.Text(), nullable=False, comment="terms in words"),
        sa.Column(
            "is_public", sa.Boolean(), nullable=False, comment="false: for private offers alone"
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "binds_from",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="who had the one before",
        ),
        sa.Column("superseded_by", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(state = 'superseded') = (superseded_by IS NOT NULL)", name=op.f("ck_plan_superseded")
        ),
        sa.CheckConstraint(
            "state IN ('live', 'superseded', 'withdrawn')", name=op.f("ck_plan_state")
        ),
        sa.CheckConstraint("version >= 1", name=op.f("ck_plan_version")),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["sale_offer.id"], name=op.f("fk_plan_offer_id_sale_offer")
        ),
        sa.ForeignKeyConstraint(
            ["superseded_by"], ["plan.id"], name=op.f("fk_plan_superseded_by_plan")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan")),
        sa.UniqueConstraint(
            "offer_id", "name", "version", name=op.f("uq_plan_offer_id_name_version")
        ),
    )
    op.create_index(
        "uq_plan_live",
        "plan",
        ["offer_id", "name"],
        unique=True,
        postgresql_where=sa.text("state = 'live'"),
    )
    op.create_table(
        "private_offer",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("offer_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accept_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("terms_hash", sa.LargeBinary(), nullable=False),
        sa.Column("is_withdrawn", sa.Boolean(), nullable=False),
        sa.Column("offered_by_id", sa.Text(), nullable=False),
        sa.Column("offered_by", sa.Text(), nullable=False),
        sa.Column("offered_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "octet_length(terms_hash) = 32", name=op.f("ck_private_offer_terms_hash")
        ),
        sa.CheckConstraint(
            "starts_at < ends_at AND accept_by <= ends_at", name=op.f("ck_private_offer_dates")
        ),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["sale_offer.id"], name=op.f("fk_private_offer_offer_id_sale_offer")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_private_offer")),
    )
    op.create_index(
        op.f("ix_private_offer_offer_id_id"), "private_offer", ["offer_id", "id"], unique=False
    )
    op.create_table(
        "private_offer_buyer",
        sa.Column("private_offer_id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_private_offer_buyer_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["private_offer_id"],
            ["private_offer.id"],
            name=op.f("fk_private_offer_buyer_private_offer_id_private_offer"),
        ),
        sa.PrimaryKeyConstraint(
            "private_offer_id", "organization_id", name=op.f("pk_private_offer_buyer")
        ),
    )
    op.create_index(
        op.f("ix_private_offer_buyer_organization_id"),
        "private_offer_buyer",
        ["organization_id"],
        unique=False,
    )
    op.create_table(
        "private_offer_price",
        sa.Column("private_offer_id", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("terms", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["plan.id"], name=op.f("fk_private_offer_price_plan_id_plan")
        ),
        sa.ForeignKeyConstraint(
            ["private_offer_id"],
            ["private_offer.id"],
            name=op.f("fk_private_offer_price_private_offer_id_private_offer"),
        ),
        sa.PrimaryKeyConstraint("private_offer_id", "plan_id", name=op.f("pk_private_offer_price")),
    )
    op.create_table(
        "private_offer_acceptance",
        sa.Column("private_offer_id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("accepted_by_id", sa.Text(), nullable=False),
        sa.Column("accepted_by", sa.Text(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "statement", sa.LargeBinary(), nullable=False, comment="what is signed, canonical JSON"
        ),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_private_offer_acceptance_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["private_offer_id"],
            ["private_offer.id"],
            name=op.f("fk_private_offer_acceptance_private_offer_id_private_offer"),
        ),
        sa.PrimaryKeyConstraint(
            "private_offer_id", "organization_id", name=op.f("pk_private_offer_acceptance")
        ),
    )
    op.create_table(
        "subscription",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("offer_id", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("private_offer_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "terms",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="in force: the plan's, or a private offer's",
        ),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("anchor", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="of the term since the anchor"),
        sa.Column("term_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("term_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("whole_us", sa.BigInteger(), nullable=False, comment="length of the whole term"),
        sa.Column(
            "priced_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the private price ends",
        ),
        sa.Column("trial_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("past_due_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reminders", sa.Integer(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("suspended_for", sa.Text(), nullable=False),
        sa.Column(
            "since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="of plan and quantity; null: not usable",
        ),
        sa.Column("purchaser", sa.Text(), nullable=False),
        sa.Column("beneficiary", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False, comment="seq of its last event"),
        sa.Column(
            "next_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it goes on by itself",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(state = 'paused') = (paused_at IS NOT NULL)", name=op.f("ck_subscription_paused")
        ),
        sa.CheckConstraint(
            "state <> 'cancelled' OR next_at IS NULL", name=op.f("ck_subscription_next")
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'trial', 'active', 'past_due', 'paused', 'suspended',"
            " 'cancelled')",
            name=op.f("ck_subscription_state"),
        ),
        sa.CheckConstraint("quantity BETWEEN 1 AND 100000", name=op.f("ck_subscription_quantity")),
        sa.CheckConstraint("whole_us > 0", name=op.f("ck_subscription_whole")),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["sale_offer.id"], name=op.f("fk_subscription_offer_id_sale_offer")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_subscription_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["plan.id"], name=op.f("fk_subscription_plan_id_plan")
        ),
        sa.ForeignKeyConstraint(
            ["private_offer_id"],
            ["private_offer.id"],
            name=op.f("fk_subscription_private_offer_id_private_offer"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
    )
    op.create_index(
        op.f("ix_subscription_next_at"),
        "subscription",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_subscription_offer_id_id"), "subscription", ["offer_id", "id"], unique=False
    )
    op.create_index(
        "uq_subscription_open",
        "subscription",
        ["organization_id", "offer_id"],
        unique=True,
        postgresql_where=sa.text("state <> 'cancelled'"),
    )
    op.create_table(
        "subscription_event",
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, comment="when it was due"),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("move", sa.Text(), nullable=False),
        sa.Column("former", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("by_id", sa.Text(), nullable=False),
        sa.Column("by_name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.CheckConstraint("seq >= 1", name=op.f("ck_subscription_event_seq")),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["plan.id"], name=op.f("fk_subscription_event_plan_id_plan")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscription.id"],
            name=op.f("fk_subscription_event_subscription_id_subscription"),
        ),
        sa.PrimaryKeyConstraint("subscription_id", "seq", name=op.f("pk_subscription_event")),
    )
    op.create_table(
        "subscription_span",
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False, comment="as it stands now"),
        sa.Column("whole_us", sa.BigInteger(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("terms", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("is_trial", sa.Boolean(), nullable=False),
        sa.CheckConstraint("since < until", name=op.f("ck_subscription_span_span")),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["plan.id"], name=op.f("fk_subscription_span_plan_id_plan")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscription.id"],
            name=op.f("fk_subscription_span_subscription_id_subscription"),
        ),
        sa.PrimaryKeyConstraint("subscription_id", "since", name=op.f("pk_subscription_span")),
    )
    op.create_table(
        "subscription_charge",
        sa.Column("key", sa.Text(), nullable=False, comment="of the invoice line too"),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("nanos", sa.BigInteger(), nullable=False, comment="below zero gives back"),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("seller", sa.Text(), nullable=False),
        sa.Column("fee_ppm", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_subscription_charge_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["plan.id"], name=op.f("fk_subscription_charge_plan_id_plan")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscription.id"],
            name=op.f("fk_subscription_charge_subscription_id_subscription"),
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_subscription_charge")),
    )
    op.create_index(
        op.f("ix_subscription_charge_organization_id_due_at"),
        "subscription_charge",
        ["organization_id", "due_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_subscription_charge_subscription_id"),
        "subscription_charge",
        ["subscription_id"],
        unique=False,
    )
    op.create_table(
        "payment_confirmation",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=True, comment="null: any call"),
        sa.Column("payer", sa.Text(), nullable=False),
        sa.Column("price", sa.Text(), nullable=False),
        sa.Column("cap", sa.Text(), nullable=False),
        sa.Column("terms_hash", sa.Text(), nullable=False),
        sa.Column("confirmed_by_id", sa.Text(), nullable=False),
        sa.Column("confirmed_by", sa.Text(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_payment_confirmation_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscription.id"],
            name=op.f("fk_payment_confirmation_subscription_id_subscription"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_confirmation")),
    )
    op.create_index(
        op.f("ix_payment_confirmation_organization_id_id"),
        "payment_confirmation",
        ["organization_id", "id"],
        unique=False,
    )
