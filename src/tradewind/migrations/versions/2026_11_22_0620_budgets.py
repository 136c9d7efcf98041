"""Limits and terms of organizations and projects; budgets, and what gateways hold of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_0620"
down_revision = "2026_11_22_0610"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_terms()
    _create_budgets()
    _create_leases()


def _create_terms() -> None:
    op.create_table(
        "terms",
        sa.Column(
            "subject_id", sa.Text(), nullable=False, comment="of the organization or project"
        ),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=True),
        sa.Column("requests_per_minute", sa.Integer(), nullable=True),
        sa.Column("tokens_per_minute", sa.Integer(), nullable=True),
        sa.Column("concurrent_requests", sa.Integer(), nullable=True),
        sa.Column("regions", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("zones", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("no_retention", sa.Boolean(), nullable=False),
        sa.Column("no_training", sa.Boolean(), nullable=False),
        sa.Column("cache_ttl_s", sa.Integer(), nullable=False),
        sa.Column("response_days", sa.Integer(), nullable=False),
        sa.Column("content_days", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "cache_ttl_s >= 0 AND response_days >= 0 AND content_days >= 0",
            name=op.f("ck_terms_retention"),
        ),
        sa.CheckConstraint(
            "requests_per_minute >= 0 AND tokens_per_minute >= 0 AND concurrent_requests >= 0",
            name=op.f("ck_terms_limits"),
        ),
        sa.CheckConstraint("revision > 0", name=op.f("ck_terms_revision")),
        sa.CheckConstraint(
            "subject_id = coalesce(project_id, organization_id)", name=op.f("ck_terms_subject")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "project_id"],
            ["project.organization_id", "project.id"],
            name=op.f("fk_terms_organization_id_project_id_project"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_terms_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("pk_terms")),
    )
    op.create_index(
        op.f("ix_terms_organization_id_project_id"),
        "terms",
        ["organization_id", "project_id"],
        unique=False,
    )
    op.create_table(
        "model_limit",
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column(
            "model", sa.Text(), nullable=False, comment="an endpoint's name; it need not exist"
        ),
        sa.Column("requests_per_minute", sa.Integer(), nullable=True),
        sa.Column("tokens_per_minute", sa.Integer(), nullable=True),
        sa.Column("concurrent_requests", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "requests_per_minute >= 0 AND tokens_per_minute >= 0 AND concurrent_requests >= 0",
            name=op.f("ck_model_limit_limits"),
        ),
        sa.ForeignKeyConstraint(
            ["subject_id"],
            ["terms.subject_id"],
            name=op.f("fk_model_limit_subject_id_terms"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("subject_id", "model", name=op.f("pk_model_limit")),
    )


def _create_budgets() -> None:
    op.create_table(
        "budget",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=True),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_nanos", sa.BigInteger(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("is_hard", sa.Boolean(), nullable=False),
        sa.Column("alert_percents", postgresql.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_budget_currency")),
        sa.CheckConstraint("period IN ('day', 'month', 'total')", name=op.f("ck_budget_period")),
        sa.CheckConstraint("amount_nanos >= 0", name=op.f("ck_budget_amount")),
        sa.CheckConstraint(
            "key_id IS NULL OR project_id IS NOT NULL", name=op.f("ck_budget_scope")
        ),
        sa.CheckConstraint("revision > 0", name=op.f("ck_budget_revision")),
        sa.ForeignKeyConstraint(
            ["key_id"], ["api_key.id"], name=op.f("fk_budget_key_id_api_key"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "project_id"],
            ["project.organization_id", "project.id"],
            name=op.f("fk_budget_organization_id_project_id_project"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_budget_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget")),
    )
    op.create_index(op.f("ix_budget_key_id"), "budget", ["key_id"], unique=False)
    op.create_index(
        op.f("ix_budget_organization_id_project_id"),
        "budget",
        ["organization_id", "project_id"],
        unique=False,
    )
    op.create_table(
        "budget_alert",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("budget_id", sa.Text(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("percent", sa.SmallInteger(), nullable=False),
        sa.Column("spent_nanos", sa.BigInteger(), nullable=False),
        sa.Column("amount_nanos", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["budget_id"],
            ["budget.id"],
            name=op.f("fk_budget_alert_budget_id_budget"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_alert")),
        sa.UniqueConstraint(
            "budget_id",
            "period_start",
            "percent",
            name=op.f("uq_budget_alert_budget_id_period_start_percent"),
        ),
    )


def _create_leases() -> None:
    op.create_table(
        "budget_period",
        sa.Column("budget_id", sa.Text(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ceiling_nanos", sa.BigInteger(), nullable=False),
        sa.Column("spent_nanos", sa.BigInteger(), nullable=False),
        sa.Column(
            "leased_nanos", sa.BigInteger(), nullable=False, comment="held by gateways, not spent"
        ),
        sa.Column(
            "overspent_nanos",
            sa.BigInteger(),
            nullable=False,
            comment="beyond what was leased: a bug",
        ),
        sa.CheckConstraint(
            "spent_nanos + leased_nanos <= ceiling_nanos", name=op.f("ck_budget_period_ceiling")
        ),
        sa.CheckConstraint(
            "spent_nanos >= 0 AND leased_nanos >= 0 AND overspent_nanos >= 0",
            name=op.f("ck_budget_period_not_negative"),
        ),
        sa.ForeignKeyConstraint(
            ["budget_id"],
            ["budget.id"],
            name=op.f("fk_budget_period_budget_id_budget"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("budget_id", "period_start", name=op.f("pk_budget_period")),
    )
    op.create_table(
        "budget_lease",
        sa.Column("budget_id", sa.Text(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column(
            "boot_ns", sa.BigInteger(), nullable=False, comment="with node: the writer of a journal"
        ),
        sa.Column("granted_nanos", sa.BigInteger(), nullable=False, comment="in all"),
        sa.Column(
            "used_nanos", sa.BigInteger(), nullable=False, comment="in all, as the gateway said"
        ),
        sa.Column("is_expired", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "granted_nanos >= 0 AND used_nanos >= 0", name=op.f("ck_budget_lease_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["budget_id", "period_start"],
            ["budget_period.budget_id", "budget_period.period_start"],
            name=op.f("fk_budget_lease_budget_id_period_start_budget_period"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "budget_id", "period_start", "node", "boot_ns", name=op.f("pk_budget_lease")
        ),
    )
    op.create_index(
        op.f("ix_budget_lease_expires_at"), "budget_lease", ["expires_at"], unique=False
    )
