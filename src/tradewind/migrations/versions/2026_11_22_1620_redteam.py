"""Red teaming: campaigns against models, their attacks, own data sets, schedules, reveals."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_1620"
down_revision = "2026_11_22_1600"
branch_labels = None
depends_on = None

# Who read what was said stays as it was written.
_APPEND_ONLY = """
    CREATE TRIGGER red_team_reveal_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON red_team_reveal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
_TABLES = (
    "red_team_reveal",
    "red_team_attack",
    "red_team_campaign",
    "red_team_schedule",
    "red_team_dataset",
)


def upgrade() -> None:
    op.create_table(
        "red_team_dataset",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "seeds",
            postgresql.JSONB(),
            nullable=False,
            comment="pairs of harm and text",
        ),
        sa.Column("seed_count", sa.Integer(), nullable=False),
        sa.Column("harms", postgresql.JSONB(), nullable=False),
        sa.Column("created_by_name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("seed_count > 0", name=op.f("ck_red_team_dataset_seed_count")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_red_team_dataset_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_red_team_dataset")),
    )
    op.create_index(
        "uq_red_team_dataset_name",
        "red_team_dataset",
        ["organization_id", "name"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "red_team_schedule",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("every", sa.Text(), nullable=False),
        sa.Column("hour", sa.SmallInteger(), nullable=False),
        sa.Column("weekday", sa.SmallInteger(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_by_name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("every IN ('daily', 'weekly')", name=op.f("ck_red_team_schedule_every")),
        sa.CheckConstraint(
            "hour BETWEEN 0 AND 23 AND weekday BETWEEN 0 AND 6",
            name=op.f("ck_red_team_schedule_time"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_red_team_schedule_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_red_team_schedule_project_id_project")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_red_team_schedule")),
    )
    op.create_index(
        op.f("ix_red_team_schedule_next_at"),
        "red_team_schedule",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("is_enabled"),
    )
    op.create_index(
        op.f("ix_red_team_schedule_organization_id_id"),
        "red_team_schedule",
        ["organization_id", "id"],
        unique=False,
    )
    op.create_table(
        "red_team_campaign",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False, comment="what clients send as `model`"),
        sa.Column(
            "version",
            sa.Text(),
            nullable=False,
            comment="label of the model's version at the start",
        ),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("error", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("attacks_planned", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("tool_version", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("evidence_sha256", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("evidence_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_spent", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_cancel_asked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "key_id", sa.Text(), nullable=True, comment="the key it calls with, while it runs"
        ),
        sa.Column("schedule_id", sa.Text(), nullable=True),
        sa.Column("scheduled_for", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_by_name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state IN ('waiting', 'running')) = (next_try_at IS NOT NULL)",
            name=op.f("ck_red_team_campaign_next_try"),
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'completed', 'failed', 'cancelled')",
            name=op.f("ck_red_team_campaign_state"),
        ),
        sa.CheckConstraint(
            "(next_try_at IS NULL) = (ended_at IS NOT NULL)",
            name=op.f("ck_red_team_campaign_ended"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_red_team_campaign_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_red_team_campaign_project_id_project")
        ),
        sa.ForeignKeyConstraint(
            ["schedule_id"],
            ["red_team_schedule.id"],
            name=op.f("fk_red_team_campaign_schedule_id_red_team_schedule"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_red_team_campaign")),
        sa.UniqueConstraint(
            "schedule_id",
            "scheduled_for",
            name=op.f("uq_red_team_campaign_schedule_id_scheduled_for"),
        ),
    )
    op.create_index(
        op.f("ix_red_team_campaign_next_try_at"),
        "red_team_campaign",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("next_try_at IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_red_team_campaign_organization_id_id"),
        "red_team_campaign",
        ["organization_id", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_red_team_campaign_target_ended_at"),
        "red_team_campaign",
        ["target", "ended_at"],
        unique=False,
        postgresql_where=sa.text("state = 'completed'"),
    )
    op.create_table(
        "red_team_attack",
        sa.Column("campaign_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "key", sa.Text(), nullable=False, comment="the same when the campaign is carried on"
        ),
        sa.Column("harm", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("converter", sa.Text(), nullable=False),
        sa.Column("is_filtered", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("conversation", sa.Text(), nullable=False, comment="its name in the evidence"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('success', 'failure', 'blocked', 'error', 'undetermined')",
            name=op.f("ck_red_team_attack_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["red_team_campaign.id"],
            name=op.f("fk_red_team_attack_campaign_id_red_team_campaign"),
        ),
        sa.PrimaryKeyConstraint("campaign_id", "key", name=op.f("pk_red_team_attack")),
        sa.UniqueConstraint(
            "campaign_id", "number", name=op.f("uq_red_team_attack_campaign_id_number")
        ),
    )
    op.create_table(
        "red_team_reveal",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.Text(), nullable=False),
        sa.Column("attack", sa.BigInteger(), nullable=False),
        sa.Column("by_id", sa.Text(), nullable=False),
        sa.Column("by_name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_red_team_reveal_reason")),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["red_team_campaign.id"],
            name=op.f("fk_red_team_reveal_campaign_id_red_team_campaign"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_red_team_reveal")),
    )
    op.create_index(
        op.f("ix_red_team_reveal_campaign_id_id"),
        "red_team_reveal",
        ["campaign_id", "id"],
        unique=False,
    )
    op.execute(_APPEND_ONLY)


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
