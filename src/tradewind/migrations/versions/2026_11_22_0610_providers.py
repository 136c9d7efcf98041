"""Connections to providers with their sealed credentials, and endpoints with their targets."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from tradewind.core.ids import EndpointId, EndpointTargetId

revision = "2026_11_22_0610"
down_revision = "2026_11_22_0600"
branch_labels = None
depends_on = None

_OPERATIONS = (
    "operation IN ('chat', 'completions', 'embeddings', 'rerank', 'moderations', 'images',"
    " 'image_edits', 'speech', 'transcription', 'translation')"
)
_PURPOSES = "purpose IN ('client', 'playground', 'start_up', 'management')"

# Until now each model with a deployment was an endpoint by itself, and its slug was an alias where
# no older model had the same one.
_DEPLOYED = sa.text("""
    SELECT
        deployment.id AS deployment_id, model.id AS model_id, model.publisher_slug, model.slug,
        model.created_at
    FROM deployment
    JOIN model_version ON model_version.id = deployment.model_version_id
    JOIN model ON model.id = model_version.model_id
    ORDER BY model.created_at, model.publisher_slug, model.slug, deployment.created_at,
        deployment.id
""")
_ADD_ENDPOINT = sa.text("""
    INSERT INTO endpoint (
        id, name, model_id, aliases, sort, max_attempts, regions, zones, no_retention, no_training,
        is_enabled, revision, created_at, updated_at
    ) VALUES (
        :id, :name, :model_id, :aliases, 'load', 3, '{}', '{}', false, false,
        true, 1, :created_at, :created_at
    )
""")
_ADD_TARGET = sa.text("""
    INSERT INTO endpoint_target (
        id, endpoint_id, position, tier, weight, deployment_id, quantization
    ) VALUES (:id, :endpoint_id, :position, 0, 1, :deployment_id, '')
""")


def upgrade() -> None:
    _replace_check("model", "operation", _OPERATIONS)
    _replace_check("api_key", "purpose", _PURPOSES)
    _add_to_prices()
    _create_connections()
    _create_endpoints()
    _serve_deployments()


def _replace_check(table: str, name: str, condition: str) -> None:
    constraint = op.f(f"ck_{table}_{name}")
    op.drop_constraint(constraint, table, type_="check")
    op.create_check_constraint(constraint, table, condition)


def _add_to_prices() -> None:
    op.add_column("price", sa.Column("cache_write_nanos", sa.BigInteger()))
    op.add_column(
        "price", sa.Column("meters", postgresql.JSONB(), server_default="{}", nullable=False)
    )
    op.create_check_constraint(
        op.f("ck_price_cache_write"), "price", "cache_write_nanos BETWEEN 0 AND 1000000000000000"
    )
    op.create_check_constraint(op.f("ck_price_meters"), "price", "jsonb_typeof(meters) = 'object'")


def _serve_deployments() -> None:
    tx = op.get_bind()
    endpoints: dict[str, EndpointId] = {}
    slugs: set[str] = set()
    positions: dict[str, int] = {}
    for row in tx.execute(_DEPLOYED).all():
        if row.model_id not in endpoints:
            endpoints[row.model_id] = EndpointId.new()
            tx.execute(
                _ADD_ENDPOINT,
                {
                    "id": endpoints[row.model_id],
                    "name": f"{row.publisher_slug}/{row.slug}",
                    "model_id": row.model_id,
                    "aliases": [] if row.slug in slugs else [row.slug],
                    "created_at": row.created_at,
                },
            )
            slugs.add(row.slug)
        position = positions.get(row.model_id, 0)
        positions[row.model_id] = position + 1
        tx.execute(
            _ADD_TARGET,
            {
                "id": EndpointTargetId.new(),
                "endpoint_id": endpoints[row.model_id],
                "position": position,
                "deployment_id": row.deployment_id,
            },
        )


def _create_connections() -> None:
    op.create_table(
        "data_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=True),
        sa.Column("key_encryption_id", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_data_key_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_key")),
        sa.UniqueConstraint(
            "organization_id",
            name=op.f("uq_data_key_organization_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "provider_connection",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=False),
        sa.Column("is_private_network", sa.Boolean(), nullable=False),
        sa.Column("options", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("retains_data", sa.Boolean(), nullable=False),
        sa.Column("trains_on_data", sa.Boolean(), nullable=False),
        sa.Column("data_key_id", sa.Text(), nullable=True),
        sa.Column("sealed_credential", sa.LargeBinary(), nullable=True),
        sa.Column("credential_version", sa.Integer(), nullable=False),
        sa.Column("credential_hint", sa.Text(), nullable=False),
        sa.Column("credential_set_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "jsonb_typeof(options) = 'object'", name=op.f("ck_provider_connection_options")
        ),
        sa.CheckConstraint(
            "length(credential_hint) <= 4", name=op.f("ck_provider_connection_credential_hint")
        ),
        sa.CheckConstraint(
            "num_nulls(data_key_id, sealed_credential, credential_set_at) IN (0, 3)",
            name=op.f("ck_provider_connection_credential"),
        ),
        sa.CheckConstraint(
            "revision > 0 AND credential_version >= 0", name=op.f("ck_provider_connection_versions")
        ),
        sa.ForeignKeyConstraint(
            ["data_key_id"],
            ["data_key.id"],
            name=op.f("fk_provider_connection_data_key_id_data_key"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_provider_connection_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_connection")),
        sa.UniqueConstraint(
            "organization_id",
            "name",
            name=op.f("uq_provider_connection_organization_id_name"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(
        op.f("ix_provider_connection_data_key_id"),
        "provider_connection",
        ["data_key_id"],
        unique=False,
    )


def _create_endpoints() -> None:
    op.create_table(
        "endpoint",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("aliases", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("sort", sa.Text(), nullable=False),
        sa.Column("queue_bound", sa.Integer(), nullable=True),
        sa.Column("first_token_bound_ms", sa.Integer(), nullable=True),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("regions", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("zones", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("no_retention", sa.Boolean(), nullable=False),
        sa.Column("no_training", sa.Boolean(), nullable=False),
        sa.Column("requests_per_minute", sa.Integer(), nullable=True),
        sa.Column("tokens_per_minute", sa.Integer(), nullable=True),
        sa.Column("concurrent_requests", sa.Integer(), nullable=True),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "sort IN ('load', 'price', 'latency', 'throughput')", name=op.f("ck_endpoint_sort")
        ),
        sa.CheckConstraint(
            "queue_bound >= 0 AND first_token_bound_ms > 0 AND max_attempts BETWEEN 1 AND 10",
            name=op.f("ck_endpoint_routing"),
        ),
        sa.CheckConstraint(
            "requests_per_minute > 0 AND tokens_per_minute > 0 AND concurrent_requests > 0",
            name=op.f("ck_endpoint_limits"),
        ),
        sa.CheckConstraint("revision > 0", name=op.f("ck_endpoint_revision")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["model.id"], name=op.f("fk_endpoint_model_id_model")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_endpoint_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoint")),
        sa.UniqueConstraint("name", name=op.f("uq_endpoint_name")),
    )
    op.create_index(op.f("ix_endpoint_model_id"), "endpoint", ["model_id"], unique=False)
    op.create_table(
        "endpoint_target",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("endpoint_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("tier", sa.Integer(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("deployment_id", sa.Text(), nullable=True),
        sa.Column("connection_id", sa.Text(), nullable=True),
        sa.Column("upstream_model", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("zone", sa.Text(), nullable=True),
        sa.Column("retains_data", sa.Boolean(), nullable=True),
        sa.Column("trains_on_data", sa.Boolean(), nullable=True),
        sa.Column("quantization", sa.Text(), nullable=False),
        sa.Column("context_tokens", sa.Integer(), nullable=True),
        sa.Column("cost_currency", sa.Text(), nullable=True),
        sa.Column("cost_input_nanos", sa.BigInteger(), nullable=True),
        sa.Column("cost_output_nanos", sa.BigInteger(), nullable=True),
        sa.Column("parameters", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.CheckConstraint(
            "num_nulls(cost_currency, cost_input_nanos, cost_output_nanos) IN (0, 3)"
            " AND cost_input_nanos BETWEEN 0 AND 1000000000000000"
            " AND cost_output_nanos BETWEEN 0 AND 1000000000000000"
            " AND cost_currency ~ '^[A-Z]{3}$'",
            name=op.f("ck_endpoint_target_cost"),
        ),
        sa.CheckConstraint("context_tokens > 0", name=op.f("ck_endpoint_target_context_tokens")),
        sa.CheckConstraint(
            "num_nonnulls(deployment_id, connection_id) = 1"
            " AND (connection_id IS NULL) = (upstream_model IS NULL)",
            name=op.f("ck_endpoint_target_place"),
        ),
        sa.CheckConstraint(
            "tier BETWEEN 0 AND 99 AND weight BETWEEN 1 AND 10000",
            name=op.f("ck_endpoint_target_order"),
        ),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["provider_connection.id"],
            name=op.f("fk_endpoint_target_connection_id_provider_connection"),
        ),
        sa.ForeignKeyConstraint(
            ["deployment_id"],
            ["deployment.id"],
            name=op.f("fk_endpoint_target_deployment_id_deployment"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["endpoint.id"],
            name=op.f("fk_endpoint_target_endpoint_id_endpoint"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoint_target")),
        sa.UniqueConstraint(
            "endpoint_id",
            "connection_id",
            "upstream_model",
            name=op.f("uq_endpoint_target_endpoint_id_connection_id_upstream_model"),
        ),
        sa.UniqueConstraint(
            "endpoint_id",
            "deployment_id",
            name=op.f("uq_endpoint_target_endpoint_id_deployment_id"),
        ),
    )
    op.create_index(
        op.f("ix_endpoint_target_connection_id"), "endpoint_target", ["connection_id"], unique=False
    )
    op.create_index(
        op.f("ix_endpoint_target_deployment_id"), "endpoint_target", ["deployment_id"], unique=False
    )
