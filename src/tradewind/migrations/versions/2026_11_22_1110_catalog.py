"""The catalog: publishers, offers, facts by source, syncs, licences, the life cycle."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_1110"
down_revision = "2026_11_22_1100"
branch_labels = None
depends_on = None

# What was deployed, signed or pinned by its digest must stay what it was.
_VERSIONS_STAY = """
    CREATE TRIGGER model_version_is_immutable
    BEFORE UPDATE OF model_id, label, artifact, digest ON model_version
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
_LIVES_BEGAN = """
    UPDATE model SET lifecycle_since = created_at, ga_since = created_at, updated_at = created_at,
        origin = CASE WHEN EXISTS (SELECT FROM model_version
            WHERE model_id = model.id AND artifact LIKE 'package:%') THEN 'builtin'
            ELSE 'operator' END
"""
# What people said of their models stays before what lists say. The lengths that stood for unknown
# ones are nobody's word.
_FACTS_ARE_KEPT = """
    INSERT INTO model_fact (model_id, name, source, value, observed_on)
    SELECT model.id, fact.key, model.origin, fact.value, model.created_at::date
    FROM model CROSS JOIN LATERAL jsonb_each(jsonb_strip_nulls(jsonb_build_object(
        'display_name', nullif(display_name, slug),
        'description', nullif(description, ''),
        'licence', nullif(licence, ''),
        'operation', operation,
        'context_tokens', nullif(context_tokens, 1000000),
        'max_output_tokens', nullif(max_output_tokens, 32768),
        'dimensions', dimensions,
        'parameters', parameters,
        'released_on', released_on
    ))) AS fact
"""
_RULES = (
    ("model", "lifecycle", "lifecycle IN ('preview', 'ga', 'legacy', 'deprecated', 'retired')"),
    ("model", "retires_on", "lifecycle NOT IN ('deprecated', 'retired') OR retires_on IS NOT NULL"),
    ("model", "visibility", "visibility IN ('listed', 'unlisted', 'private')"),
    ("model", "private_to_somebody", "visibility <> 'private' OR organization_id IS NOT NULL"),
    ("model", "origin", "origin IN ('builtin', 'synced', 'operator', 'published')"),
    ("model", "card", "char_length(card) <= 204800"),
    ("model_version", "visibility", "visibility IN ('open', 'sealed')"),
    ("model_version", "digest", "digest ~ '^[0-9a-f]{64}$'"),
    ("model_version", "size_bytes", "size_bytes >= 0"),
    ("publisher", "verified", "verified_at IS NULL OR organization_id IS NOT NULL"),
)


def upgrade() -> None:
    op.create_table(
        "catalog_sync",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("is_requested", sa.Boolean(), nullable=False, comment="the worker is to do it"),
        sa.Column(
            "edition",
            sa.Text(),
            nullable=False,
            comment="of what was read; empty until it is known",
        ),
        sa.Column("observed_on", sa.Date(), nullable=True, comment="the day of the list"),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("added", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("changed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("held", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("vanished", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("unfolded", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "skipped",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="reasons, counted",
        ),
        sa.Column("error", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalog_sync")),
    )
    op.create_index(
        op.f("ix_catalog_sync_source_started_at"),
        "catalog_sync",
        ["source", "started_at"],
        unique=False,
    )
    op.create_table(
        "unfolded",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("upstream_model", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("observed_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("source", "host", "upstream_model", name=op.f("pk_unfolded")),
    )
    op.create_table(
        "catalog_change",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("sync_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "host", sa.Text(), nullable=False, comment="empty: upstream_model is a model's name"
        ),
        sa.Column("upstream_model", sa.Text(), nullable=False, comment="empty is all of a host's"),
        sa.Column("region", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'held'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state = 'held') = (decided_at IS NULL)", name=op.f("ck_catalog_change_decided")
        ),
        sa.CheckConstraint(
            "kind IN ('price', 'context', 'vanished')", name=op.f("ck_catalog_change_kind")
        ),
        sa.CheckConstraint(
            "state IN ('held', 'applied', 'dismissed', 'overtaken')",
            name=op.f("ck_catalog_change_state"),
        ),
        sa.ForeignKeyConstraint(
            ["sync_id"], ["catalog_sync.id"], name=op.f("fk_catalog_change_sync_id_catalog_sync")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalog_change")),
    )
    op.create_index(op.f("ix_catalog_change_sync_id"), "catalog_change", ["sync_id"], unique=False)
    op.create_index(
        "uq_catalog_change_held",
        "catalog_change",
        ["source", "kind", "host", "upstream_model", "region"],
        unique=True,
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_table(
        "licence_acceptance",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column(
            "licence",
            sa.Text(),
            nullable=False,
            comment="which it was; another has to be accepted anew",
        ),
        sa.Column("accepted_by", sa.Text(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["model.id"],
            name=op.f("fk_licence_acceptance_model_id_model"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_licence_acceptance_organization_id_organization"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "model_id", name=op.f("pk_licence_acceptance")),
    )
    op.create_index(
        op.f("ix_licence_acceptance_model_id"), "licence_acceptance", ["model_id"], unique=False
    )
    op.create_table(
        "model_fact",
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="a column of model"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("observed_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["model.id"],
            name=op.f("fk_model_fact_model_id_model"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("model_id", "name", "source", name=op.f("pk_model_fact")),
    )
    op.create_table(
        "offer",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False, comment="a known host, or a connection"),
        sa.Column("upstream_model", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "version",
            sa.Text(),
            server_default=sa.text("''"),
            nullable=False,
            comment="2024-08-06",
        ),
        sa.Column("quantization", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "variant",
            sa.Text(),
            server_default=sa.text("''"),
            nullable=False,
            comment="free, thinking",
        ),
        sa.Column("currency", sa.Text(), server_default=sa.text("'USD'"), nullable=False),
        sa.Column("input_nanos", sa.BigInteger(), nullable=True),
        sa.Column("output_nanos", sa.BigInteger(), nullable=True),
        sa.Column("cached_input_nanos", sa.BigInteger(), nullable=True),
        sa.Column("cache_write_nanos", sa.BigInteger(), nullable=True),
        sa.Column(
            "meters",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "tiers",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
            comment="of long inputs",
        ),
        sa.Column("context_tokens", sa.Integer(), nullable=True),
        sa.Column("max_output_tokens", sa.Integer(), nullable=True),
        sa.Column(
            "capabilities",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="whose word it is"),
        sa.Column(
            "price_source",
            sa.Text(),
            nullable=True,
            comment="whose word the price is; null when none is told",
        ),
        sa.Column("observed_on", sa.Date(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_offer_currency")),
        sa.CheckConstraint(
            "status IN ('active', 'beta', 'deprecated', 'vanished')", name=op.f("ck_offer_status")
        ),
        sa.CheckConstraint(
            "least(input_nanos, output_nanos, cached_input_nanos, cache_write_nanos) >= 0",
            name=op.f("ck_offer_not_negative"),
        ),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_offer_model_id_model")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer")),
        sa.UniqueConstraint(
            "host", "upstream_model", "region", name=op.f("uq_offer_host_upstream_model_region")
        ),
    )
    op.create_index(op.f("ix_offer_model_id"), "offer", ["model_id"], unique=False)
    op.create_index(op.f("ix_offer_source_host"), "offer", ["source", "host"], unique=False)
    op.create_table(
        "model_alias",
        sa.Column("alias", sa.Text(), nullable=False, comment="in lower case"),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("version_id", sa.Text(), nullable=True, comment="null is any"),
        sa.CheckConstraint(
            "alias = lower(alias) AND alias <> ''", name=op.f("ck_model_alias_alias")
        ),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["model.id"],
            name=op.f("fk_model_alias_model_id_model"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["model_version.id"],
            name=op.f("fk_model_alias_version_id_model_version"),
        ),
        sa.PrimaryKeyConstraint("alias", name=op.f("pk_model_alias")),
    )
    op.create_index(op.f("ix_model_alias_model_id"), "model_alias", ["model_id"], unique=False)
    op.add_column(
        "model",
        sa.Column(
            "card", sa.Text(), server_default=sa.text("''"), nullable=False, comment="Markdown"
        ),
    )
    op.add_column(
        "model", sa.Column("family", sa.Text(), server_default=sa.text("''"), nullable=False)
    )
    op.add_column(
        "model", sa.Column("licence_url", sa.Text(), server_default=sa.text("''"), nullable=False)
    )
    op.add_column(
        "model",
        sa.Column(
            "is_gated",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="an organization has to accept the licence before it calls the model",
        ),
    )
    op.add_column(
        "model",
        sa.Column(
            "knowledge", sa.Text(), server_default=sa.text("''"), nullable=False, comment="2024-10"
        ),
    )
    op.add_column(
        "model",
        sa.Column(
            "input_modalities",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.add_column(
        "model",
        sa.Column(
            "output_modalities",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.add_column(
        "model",
        sa.Column(
            "capabilities",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.add_column("model", sa.Column("open_weights", sa.Boolean(), nullable=True))
    op.add_column(
        "model", sa.Column("lifecycle", sa.Text(), server_default=sa.text("'ga'"), nullable=False)
    )
    op.add_column(
        "model",
        sa.Column(
            "lifecycle_since",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    )
    op.add_column(
        "model",
        sa.Column(
            "ga_since", sa.DateTime(timezone=True), nullable=True, comment="null: it never was"
        ),
    )
    op.add_column(
        "model",
        sa.Column("retires_on", sa.Date(), nullable=True, comment="its last day, as it was told"),
    )
    op.add_column(
        "model",
        sa.Column(
            "told_days",
            sa.Integer(),
            nullable=True,
            comment="how long before it the last notice went out",
        ),
    )
    op.add_column(
        "model",
        sa.Column(
            "replacement",
            sa.Text(),
            server_default=sa.text("''"),
            nullable=False,
            comment="publisher/slug",
        ),
    )
    op.add_column(
        "model",
        sa.Column("visibility", sa.Text(), server_default=sa.text("'listed'"), nullable=False),
    )
    op.add_column(
        "model",
        sa.Column("organization_id", sa.Text(), nullable=True, comment="who sees a private one"),
    )
    op.add_column(
        "model",
        sa.Column("origin", sa.Text(), server_default=sa.text("'operator'"), nullable=False),
    )
    op.add_column(
        "model",
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    )
    op.alter_column(
        "model",
        "licence",
        existing_type=sa.TEXT(),
        comment="SPDX; empty is not told",
        existing_nullable=False,
    )
    op.alter_column(
        "model",
        "operation",
        existing_type=sa.TEXT(),
        nullable=True,
        comment="null is what nothing here serves, video",
    )
    op.alter_column("model", "context_tokens", existing_type=sa.INTEGER(), nullable=True)
    op.alter_column("model", "max_output_tokens", existing_type=sa.INTEGER(), nullable=True)
    op.create_index(
        op.f("ix_model_organization_id"),
        "model",
        ["organization_id"],
        unique=False,
        postgresql_where=sa.text("organization_id IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_model_retires_on"),
        "model",
        ["retires_on"],
        unique=False,
        postgresql_where=sa.text("lifecycle = 'deprecated'"),
    )
    op.create_foreign_key(
        op.f("fk_model_organization_id_organization"),
        "model",
        "organization",
        ["organization_id"],
        ["id"],
    )
    op.add_column(
        "model_version",
        sa.Column(
            "digest", sa.Text(), nullable=True, comment="sha256 of the manifest, lower-case hex"
        ),
    )
    op.add_column(
        "model_version",
        sa.Column(
            "visibility",
            sa.Text(),
            server_default=sa.text("'open'"),
            nullable=False,
            comment="sealed: never handed out, decrypted by the worker alone",
        ),
    )
    op.add_column(
        "model_version",
        sa.Column("quantization", sa.Text(), server_default=sa.text("''"), nullable=False),
    )
    op.add_column("model_version", sa.Column("size_bytes", sa.BigInteger(), nullable=True))
    op.add_column(
        "model_version",
        sa.Column(
            "facts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.create_index(
        op.f("ix_model_version_digest"),
        "model_version",
        ["digest"],
        unique=False,
        postgresql_where=sa.text("digest IS NOT NULL"),
    )
    op.add_column(
        "publisher",
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
    )
    op.add_column(
        "publisher", sa.Column("website", sa.Text(), server_default=sa.text("''"), nullable=False)
    )
    op.add_column(
        "publisher",
        sa.Column("organization_id", sa.Text(), nullable=True, comment="the verified owner"),
    )
    op.add_column("publisher", sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True))
    op.create_foreign_key(
        op.f("fk_publisher_organization_id_organization"),
        "publisher",
        "organization",
        ["organization_id"],
        ["id"],
    )
    for table, name, rule in _RULES:
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, rule)
    op.execute(_VERSIONS_STAY)
    op.execute(_LIVES_BEGAN)
    op.execute(_FACTS_ARE_KEPT)
