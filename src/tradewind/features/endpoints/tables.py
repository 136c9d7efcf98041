"""Tables of endpoints. Prices of targets are what a host takes, in nanos per 1,000,000 tokens."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from tradewind.db.metadata import metadata

endpoint = Table(
    "endpoint",
    metadata,
    Column("id", Text, primary_key=True),
    # Null is everybody's.
    Column("organization_id", Text, ForeignKey("organization.id")),
    Column("project_id", Text, ForeignKey("project.id"), comment="null: all of the organization"),
    Column("name", Text, nullable=False, unique=True),
    Column("model_id", Text, ForeignKey("model.id"), nullable=False),
    Column("aliases", ARRAY(Text), nullable=False),
    Column("sort", Text, nullable=False),
    Column("queue_bound", Integer),
    Column("first_token_bound_ms", Integer),
    Column("max_attempts", Integer, nullable=False),
    Column("retry_timeouts", Boolean, nullable=False, server_default=text("false")),
    Column("regions", ARRAY(Text), nullable=False),
    Column("zones", ARRAY(Text), nullable=False),
    Column("no_retention", Boolean, nullable=False),
    Column("no_training", Boolean, nullable=False),
    Column("requests_per_minute", Integer),
    Column("tokens_per_minute", Integer),
    Column("concurrent_requests", Integer),
    Column("is_enabled", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("sort IN ('load', 'price', 'latency', 'throughput')", name="sort"),
    CheckConstraint(
        "queue_bound >= 0 AND first_token_bound_ms > 0 AND max_attempts BETWEEN 1 AND 10",
        name="routing",
    ),
    CheckConstraint(
        "requests_per_minute > 0 AND tokens_per_minute > 0 AND concurrent_requests > 0",
        name="limits",
    ),
    CheckConstraint("revision > 0", name="revision"),
    CheckConstraint("project_id IS NULL OR organization_id IS NOT NULL", name="project"),
    Index(None, "model_id"),
    Index(None, "project_id", postgresql_where=text("project_id IS NOT NULL")),
)

endpoint_target = Table(
    "endpoint_target",
    metadata,
    Column("id", Text, primary_key=True),
    Column("endpoint_id", Text, ForeignKey(endpoint.c.id, ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("tier", Integer, nullable=False),
    Column("weight", Integer, nullable=False),
    Column("deployment_id", Text, ForeignKey("deployment.id", ondelete="CASCADE")),
    Column("connection_id", Text, ForeignKey("provider_connection.id")),
    Column("upstream_model", Text),
    # Null is what the connection says.
    Column("region", Text),
    Column("zone", Text),
    Column("retains_data", Boolean),
    Column("trains_on_data", Boolean),
    Column("quantization", Text, nullable=False),
    Column("context_tokens", Integer),
    Column("cost_currency", Text),
    Column("cost_input_nanos", BigInteger),
    Column("cost_output_nanos", BigInteger),
    Column("cost_cached_input_nanos", BigInteger, comment="null is as any input"),
    Column("cost_cache_write_nanos", BigInteger, comment="null is as any input"),
    Column("cost_meters", JSONB, nullable=False, server_default=text("'{}'")),
    Column("parameters", ARRAY(Text)),
    UniqueConstraint("endpoint_id", "deployment_id"),
    UniqueConstraint("endpoint_id", "connection_id", "upstream_model"),
    CheckConstraint(
        "num_nonnulls(deployment_id, connection_id) = 1"
        " AND (connection_id IS NULL) = (upstream_model IS NULL)",
        name="place",
    ),
    CheckConstraint("tier BETWEEN 0 AND 99 AND weight BETWEEN 1 AND 10000", name="order"),
    CheckConstraint("context_tokens > 0", name="context_tokens"),
    CheckConstraint(
        "num_nulls(cost_currency, cost_input_nanos, cost_output_nanos) IN (0, 3)"
        " AND cost_input_nanos BETWEEN 0 AND 1000000000000000"
        " AND cost_output_nanos BETWEEN 0 AND 1000000000000000"
        " AND cost_currency ~ '^[A-Z]{3}$'",
        name="cost",
    ),
    CheckConstraint(
        "cost_cached_input_nanos BETWEEN 0 AND 1000000000000000"
        " AND cost_cache_write_nanos BETWEEN 0 AND 1000000000000000"
        " AND jsonb_typeof(cost_meters) = 'object'",
        name="cost_parts",
    ),
    Index(None, "deployment_id"),
    Index(None, "connection_id"),
)
