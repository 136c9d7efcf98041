"""Revisions of deployments; how far replicas have come."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_1150"
down_revision = "2026_11_22_1130"
branch_labels = None
depends_on = None

# What runs now has run before: it is the revision to come back to.
_WHAT_RUNS = """
    INSERT INTO deployment_revision (deployment_id, number, model_version_id, engine, slots,
        threads, state, reason, fit, is_override, created_by, created_at)
    SELECT id, 1, model_version_id, engine, slots, 1, 'good', 'deployed', '{}', false,
        'the platform', created_at
    FROM deployment
"""


def upgrade() -> None:
    op.create_table(
        "deployment_revision",
        sa.Column("deployment_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("model_version_id", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("context_tokens", sa.Integer(), nullable=True, comment="null is the model's"),
        sa.Column("threads", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="why it was made, or why it failed"),
        sa.Column(
            "fit",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="the estimate it was made on; {} is none",
        ),
        sa.Column(
            "is_override", sa.Boolean(), nullable=False, comment="made though it was not to fit"
        ),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_deployment_revision_number")),
        sa.CheckConstraint("slots BETWEEN 1 AND 1024", name=op.f("ck_deployment_revision_slots")),
        sa.CheckConstraint(
            "context_tokens > 0", name=op.f("ck_deployment_revision_context_tokens")
        ),
        sa.CheckConstraint(
            "threads BETWEEN 1 AND 1024", name=op.f("ck_deployment_revision_threads")
        ),
        sa.CheckConstraint(
            "state IN ('new', 'good', 'failed')", name=op.f("ck_deployment_revision_state")
        ),
        sa.ForeignKeyConstraint(
            ["deployment_id"],
            ["deployment.id"],
            name=op.f("fk_deployment_revision_deployment_id_deployment"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["model_version_id"],
            ["model_version.id"],
            name=op.f("fk_deployment_revision_model_version_id_model_version"),
        ),
        sa.PrimaryKeyConstraint("deployment_id", "number", name=op.f("pk_deployment_revision")),
    )
    op.create_index(
        op.f("ix_deployment_revision_model_version_id"),
        "deployment_revision",
        ["model_version_id"],
        unique=False,
    )
    for column in (
        sa.Column(
            "revision",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="the current",
        ),
        sa.Column("good_revision", sa.Integer(), nullable=True, comment="the last that was ready"),
        sa.Column(
            "replicas_before_stop", sa.Integer(), server_default=sa.text("1"), nullable=False
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    ):
        op.add_column("deployment", column)
    op.create_check_constraint(
        op.f("ck_deployment_revision"), "deployment", "revision > 0 AND good_revision > 0"
    )
    op.create_check_constraint(
        op.f("ck_deployment_replicas_before_stop"),
        "deployment",
        "replicas_before_stop BETWEEN 1 AND 1024",
    )
    for column in (
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "number",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="names its log",
        ),
        sa.Column("stage", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "percent",
            sa.SmallInteger(),
            nullable=True,
            comment="of the stage, where it is known",
        ),
        sa.Column(
            "stages",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
            comment="[stage, when it began] of those it came through",
        ),
    ):
        op.add_column("replica", column)
    op.create_check_constraint(op.f("ck_replica_percent"), "replica", "percent BETWEEN 0 AND 100")
    op.execute(sa.text(_WHAT_RUNS))
    op.execute(sa.text("UPDATE deployment SET good_revision = 1"))


def downgrade() -> None:
    op.drop_constraint(op.f("ck_replica_percent"), "replica", type_="check")
    for name in ("stages", "percent", "stage", "number", "revision"):
        op.drop_column("replica", name)
    for name in ("ck_deployment_replicas_before_stop", "ck_deployment_revision"):
        op.drop_constraint(op.f(name), "deployment", type_="check")
    for name in ("updated_at", "replicas_before_stop", "good_revision", "revision"):
        op.drop_column("deployment", name)
    op.drop_table("deployment_revision")
