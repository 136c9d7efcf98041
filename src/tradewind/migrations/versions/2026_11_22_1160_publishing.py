"""Applications of publishers, listings with their audit trail, validation runs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_1160"
down_revision = "2026_11_22_1150"
branch_labels = None
depends_on = None

# Who decided what stays as it was written, whatever a bug or a person at the database does.
_APPEND_ONLY = """
    CREATE TRIGGER listing_event_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON listing_event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""


def upgrade() -> None:
    op.create_table(
        "publisher_application",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("website", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column(
            "proof", sa.Text(), nullable=False, comment="what the website's file says; no secret"
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "proof_due_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the file is looked for",
        ),
        sa.Column("proof_error", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'pending') = (decided_at IS NULL)",
            name=op.f("ck_publisher_application_decided"),
        ),
        sa.CheckConstraint(
            "state = 'pending' OR proof_due_at IS NULL",
            name=op.f("ck_publisher_application_proof_due"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'verified', 'refused')",
            name=op.f("ck_publisher_application_state"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_publisher_application_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publisher_application")),
    )
    op.create_index(
        op.f("ix_publisher_application_proof_due_at"),
        "publisher_application",
        ["proof_due_at"],
        unique=False,
        postgresql_where=sa.text("proof_due_at IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_publisher_application_state_created_at"),
        "publisher_application",
        ["state", "created_at"],
        unique=False,
    )
    op.create_index(
        "uq_publisher_application_pending",
        "publisher_application",
        ["organization_id", "slug"],
        unique=True,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "listing",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("publisher_slug", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=True),
        sa.Column("version_id", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_by_name", sa.Text(), nullable=False),
        sa.Column("submitted_by", sa.Text(), nullable=True),
        sa.Column("submitted_by_name", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state = 'draft' OR submitted_by IS NOT NULL", name=op.f("ck_listing_submitted")
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'submitted', 'in_review', 'approved', 'listed', 'delisted')",
            name=op.f("ck_listing_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('listed', 'delisted')"
            " OR (model_id IS NOT NULL AND version_id IS NOT NULL)",
            name=op.f("ck_listing_model"),
        ),
        sa.CheckConstraint("revision > 0", name=op.f("ck_listing_revision")),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_listing_model_id_model")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_listing_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["publisher_slug"], ["publisher.slug"], name=op.f("fk_listing_publisher_slug_publisher")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["model_version.id"], name=op.f("fk_listing_version_id_model_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listing")),
    )
    op.create_index(
        op.f("ix_listing_model_id"),
        "listing",
        ["model_id"],
        unique=False,
        postgresql_where=sa.text("model_id IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_listing_organization_id_id"), "listing", ["organization_id", "id"], unique=False
    )
    op.create_index(
        op.f("ix_listing_state_updated_at"), "listing", ["state", "updated_at"], unique=False
    )
    op.create_index(
        op.f("ix_listing_version_id"),
        "listing",
        ["version_id"],
        unique=False,
        postgresql_where=sa.text("version_id IS NOT NULL"),
    )
    op.create_index(
        "uq_listing_listed",
        "listing",
        ["publisher_slug", "slug"],
        unique=True,
        postgresql_where=sa.text("state = 'listed'"),
    )
    op.create_index(
        "uq_listing_open",
        "listing",
        ["publisher_slug", "slug"],
        unique=True,
        postgresql_where=sa.text("state IN ('draft', 'submitted', 'in_review', 'approved')"),
    )
    op.create_table(
        "listing_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("listing_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("move", sa.Text(), nullable=False),
        sa.Column("former", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("by_id", sa.Text(), nullable=False),
        sa.Column("by_name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "content",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="as it was submitted",
        ),
        sa.ForeignKeyConstraint(
            ["listing_id"], ["listing.id"], name=op.f("fk_listing_event_listing_id_listing")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listing_event")),
    )
    op.create_index(
        op.f("ix_listing_event_listing_id_id"), "listing_event", ["listing_id", "id"], unique=False
    )
    op.create_table(
        "validation_run",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("listing_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "checks",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column(
            "timing",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("is_scheduled", sa.Boolean(), nullable=False),
        sa.Column("is_cancel_asked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state IN ('waiting', 'running')) = (next_try_at IS NOT NULL)",
            name=op.f("ck_validation_run_next_try"),
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'passed', 'failed', 'cancelled')",
            name=op.f("ck_validation_run_state"),
        ),
        sa.CheckConstraint(
            "(next_try_at IS NULL) = (ended_at IS NOT NULL)", name=op.f("ck_validation_run_ended")
        ),
        sa.ForeignKeyConstraint(
            ["listing_id"], ["listing.id"], name=op.f("fk_validation_run_listing_id_listing")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_validation_run")),
    )
    op.create_index(
        op.f("ix_validation_run_listing_id_id"),
        "validation_run",
        ["listing_id", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_validation_run_next_try_at"),
        "validation_run",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("next_try_at IS NOT NULL"),
    )
    op.create_index(
        "uq_validation_run_open",
        "validation_run",
        ["listing_id"],
        unique=True,
        postgresql_where=sa.text("next_try_at IS NOT NULL"),
    )
    op.execute(_APPEND_ONLY)
