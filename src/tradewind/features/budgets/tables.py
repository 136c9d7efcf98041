"""Tables of terms and budgets. Amounts are nanos of the budget's currency."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from tradewind.db.metadata import metadata

_NO_NEGATIVE_LIMIT = (
    "requests_per_minute >= 0 AND tokens_per_minute >= 0 AND concurrent_requests >= 0"
)

terms = Table(
    "terms",
    metadata,
    Column("subject_id", Text, primary_key=True, comment="of the organization or project"),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    # Null is the organization itself.
    Column("project_id", Text),
    Column("requests_per_minute", Integer),
    Column("tokens_per_minute", Integer),
    Column("concurrent_requests", Integer),
    Column("regions", ARRAY(Text), nullable=False),
    Column("zones", ARRAY(Text), nullable=False),
    Column("no_retention", Boolean, nullable=False),
    Column("no_training", Boolean, nullable=False),
    Column("cache_ttl_s", Integer, nullable=False),
    Column("response_days", Integer, nullable=False),
    Column("content_days", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(
        ["organization_id", "project_id"], ["project.organization_id", "project.id"]
    ),
    CheckConstraint("subject_id = coalesce(project_id, organization_id)", name="subject"),
    CheckConstraint(_NO_NEGATIVE_LIMIT, name="limits"),
    CheckConstraint(
        "cache_ttl_s >= 0 AND response_days >= 0 AND content_days >= 0", name="retention"
    ),
    CheckConstraint("revision > 0", name="revision"),
    Index(None, "organization_id", "project_id"),
)

model_limit = Table(
    "model_limit",
    metadata,
    Column("subject_id", Text, ForeignKey(terms.c.subject_id, ondelete="CASCADE"), nullable=False),
    Column("model", Text, nullable=False, comment="an endpoint's name; it need not exist"),
    Column("requests_per_minute", Integer),
    Column("tokens_per_minute", Integer),
    Column("concurrent_requests", Integer),
    PrimaryKeyConstraint("subject_id", "model"),
    CheckConstraint(_NO_NEGATIVE_LIMIT, name="limits"),
)

budget = Table(
    "budget",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    # Both null is the organization's own; with a key, the project is the key's.
    Column("project_id", Text),
    Column("key_id", Text, ForeignKey("api_key.id", ondelete="CASCADE")),
    Column("name", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount_nanos", BigInteger, nullable=False),
    Column("period", Text, nullable=False),
    Column("is_hard", Boolean, nullable=False),
    Column("alert_percents", ARRAY(SmallInteger), nullable=False),
    Column(
        "purpose",
        Text,
        nullable=False,
        server_default=text("''"),
        comment="'wallet': kept by the platform, which no member changes; empty: a member's",
    ),
    Column("revision", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(
        ["organization_id", "project_id"], ["project.organization_id", "project.id"]
    ),
    CheckConstraint("key_id IS NULL OR project_id IS NOT NULL", name="scope"),
    CheckConstraint("period IN ('day', 'month', 'total')", name="period"),
    CheckConstraint("amount_nanos >= 0", name="amount"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    CheckConstraint("revision > 0", name="revision"),
    CheckConstraint("purpose IN ('', 'wallet')", name="purpose"),
    Index(None, "organization_id", "project_id"),
    Index(None, "key_id"),
    Index(
        "uq_budget_wallet",
        "organization_id",
        "currency",
        unique=True,
        postgresql_where=text("purpose = 'wallet'"),
    ),
)

budget_period = Table(
    "budget_period",
    metadata,
    Column("budget_id", Text, ForeignKey(budget.c.id, ondelete="CASCADE"), nullable=False),
    Column("period_start", DateTime(timezone=True), nullable=False),
    # What spent and leased may be together: the amount, or what they were when it was lowered.
    Column("ceiling_nanos", BigInteger, nullable=False),
    Column("spent_nanos", BigInteger, nullable=False),
    Column("leased_nanos", BigInteger, nullable=False, comment="held by gateways, not spent"),
    Column("overspent_nanos", BigInteger, nullable=False, comment="beyond what was leased: a bug"),
    # When the first call was refused for it, of what it is worth now.
    Column("exhausted_at", DateTime(timezone=True)),
    PrimaryKeyConstraint("budget_id", "period_start"),
    CheckConstraint(
        "spent_nanos >= 0 AND leased_nanos >= 0 AND overspent_nanos >= 0", name="not_negative"
    ),
    CheckConstraint("spent_nanos + leased_nanos <= ceiling_nanos", name="ceiling"),
)

budget_lease = Table(
    "budget_lease",
    metadata,
    Column("budget_id", Text, nullable=False),
    Column("period_start", DateTime(timezone=True), nullable=False),
    Column("node", Text, nullable=False),
    Column("boot_ns", BigInteger, nullable=False, comment="with node: the writer of a journal"),
    Column("granted_nanos", BigInteger, nullable=False, comment="in all"),
    Column("used_nanos", BigInteger, nullable=False, comment="in all, as the gateway said"),
    # True when the gateway fell silent: what it was granted then counts as spent.
    Column("is_expired", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("renewed_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("budget_id", "period_start", "node", "boot_ns"),
    ForeignKeyConstraint(
        ["budget_id", "period_start"],
        [budget_period.c.budget_id, budget_period.c.period_start],
        ondelete="CASCADE",
    ),
    CheckConstraint("granted_nanos >= 0 AND used_nanos >= 0", name="not_negative"),
    Index(None, "expires_at"),
)

budget_alert = Table(
    "budget_alert",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("budget_id", Text, ForeignKey(budget.c.id, ondelete="CASCADE"), nullable=False),
    Column("period_start", DateTime(timezone=True), nullable=False),
    Column("percent", SmallInteger, nullable=False),
    Column("spent_nanos", BigInteger, nullable=False),
    Column("amount_nanos", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("budget_id", "period_start", "percent"),
)
