"""Abuse: scores, cases, looks, appeals, opt-outs; incidents, kill switches, feedback."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_1660"
down_revision = "2026_11_22_1640"
branch_labels = None
depends_on = None

# Who did what stays as it was written, whatever a bug or a person at the database does.
_KEPT = ("abuse_event", "abuse_grant")
_TABLES = (
    "feedback",
    "kill_switch",
    "incident",
    "abuse_event",
    "abuse_opt_out",
    "abuse_appeal",
    "abuse_grant",
    "abuse_case",
    "abuse_score",
    "abuse_pass",
)


def upgrade() -> None:
    op.add_column(
        "organization",
        sa.Column(
            "suspended_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="its keys call no models since",
        ),
    )
    op.add_column(
        "api_key",
        sa.Column(
            "suspended_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="it opens nothing until that is lifted",
        ),
    )
    op.create_table(
        "abuse_pass",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("hour", name=op.f("pk_abuse_pass")),
        comment="hours in which all scores were made anew, so that one worker does it",
    )
    op.create_table(
        "abuse_score",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column(
            "key_id", sa.Text(), nullable=False, comment="empty: the organization as a whole"
        ),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column(
            "evidence",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="counts, never texts",
        ),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "since",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the level was reached",
        ),
        sa.CheckConstraint(
            "level IN ('ok', 'watch', 'review', 'severe')", name=op.f("ck_abuse_score_level")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_abuse_score_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "key_id", name=op.f("pk_abuse_score")),
    )
    op.create_table(
        "abuse_case",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column(
            "key_id", sa.Text(), nullable=False, comment="empty: the organization as a whole"
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="empty: its score"),
        sa.Column("looked_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("notice", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("noticed_by_id", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("proposed_by_id", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("proposed_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("proposed_reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("suspended_by_id", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("suspension_reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint(
            "(state = 'closed') = (closed_at IS NOT NULL)", name=op.f("ck_abuse_case_closed")
        ),
        sa.CheckConstraint(
            "state <> 'suspended' OR suspended_at IS NOT NULL", name=op.f("ck_abuse_case_suspended")
        ),
        sa.CheckConstraint(
            "state IN ('open', 'looked_at', 'noticed', 'suspended', 'closed')",
            name=op.f("ck_abuse_case_state"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_abuse_case_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_abuse_case")),
    )
    op.create_index(
        op.f("ix_abuse_case_organization_id_opened_at"),
        "abuse_case",
        ["organization_id", "opened_at"],
        unique=False,
    )
    op.create_index(
        "uq_abuse_case_open",
        "abuse_case",
        ["organization_id", "key_id"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "abuse_grant",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("granted_to_id", sa.Text(), nullable=False),
        sa.Column("granted_to", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "expires_at > granted_at AND expires_at <= granted_at + interval '1 hour'",
            name=op.f("ck_abuse_grant_time"),
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["abuse_case.id"], name=op.f("fk_abuse_grant_case_id_abuse_case")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_abuse_grant")),
        comment="who may look at kept contents of a case, and why; never changed",
    )
    op.create_index(
        op.f("ix_abuse_grant_case_id_granted_at"),
        "abuse_grant",
        ["case_id", "granted_at"],
        unique=False,
    )
    op.create_table(
        "abuse_appeal",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_by_id", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by_id", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint(
            "(state = 'waiting') = (decided_at IS NULL)", name=op.f("ck_abuse_appeal_decided")
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'granted', 'refused')", name=op.f("ck_abuse_appeal_state")
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["abuse_case.id"], name=op.f("fk_abuse_appeal_case_id_abuse_case")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_abuse_appeal")),
    )
    op.create_index(
        op.f("ix_abuse_appeal_case_id_made_at"),
        "abuse_appeal",
        ["case_id", "made_at"],
        unique=False,
    )
    op.create_index(
        "uq_abuse_appeal_waiting",
        "abuse_appeal",
        ["case_id"],
        unique=True,
        postgresql_where="decided_at IS NULL",
    )
    op.create_table(
        "abuse_opt_out",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False, comment="what was signed"),
        sa.Column("terms_sha256", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("signed_by_id", sa.Text(), nullable=False),
        sa.Column("signed_by", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("countersigned_by_id", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("countersigned_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint(
            "state <> 'in_force' OR countersigned_by_id <> ''",
            name=op.f("ck_abuse_opt_out_countersigned"),
        ),
        sa.CheckConstraint(
            "state IN ('signed', 'in_force', 'refused', 'revoked')",
            name=op.f("ck_abuse_opt_out_state"),
        ),
        sa.CheckConstraint("terms_sha256 ~ '^[0-9a-f]{64}$'", name=op.f("ck_abuse_opt_out_digest")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_abuse_opt_out_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_abuse_opt_out")),
    )
    op.create_index(
        "uq_abuse_opt_out_open",
        "abuse_opt_out",
        ["organization_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('signed', 'in_force')"),
    )
    op.create_table(
        "abuse_event",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "subject", sa.Text(), nullable=False, comment="id of a case, an opt-out, an incident"
        ),
        sa.Column(
            "organization_id",
            sa.Text(),
            nullable=True,
            comment="who reads it too; null: only the platform",
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("move", sa.Text(), nullable=False),
        sa.Column("by_id", sa.Text(), nullable=False),
        sa.Column("by_name", sa.Text(), nullable=False),
        sa.Column("is_by_platform", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_abuse_event")),
        comment="who did what, for good",
    )
    op.create_index(
        op.f("ix_abuse_event_organization_id_number"),
        "abuse_event",
        ["organization_id", "number"],
        unique=False,
    )
    op.create_index(
        op.f("ix_abuse_event_subject_number"), "abuse_event", ["subject", "number"], unique=False
    )
    op.create_table(
        "incident",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("affected", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("postmortem", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint(
            "closed_at IS NULL OR postmortem <> ''", name=op.f("ck_incident_postmortem")
        ),
        sa.CheckConstraint("severity BETWEEN 1 AND 4", name=op.f("ck_incident_severity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
    )
    op.create_index(
        op.f("ix_incident_affected"), "incident", ["affected"], unique=False, postgresql_using="gin"
    )
    op.create_table(
        "kill_switch",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("endpoint_id", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("incident_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stopped_by", sa.Text(), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.id"], name=op.f("fk_kill_switch_incident_id_incident")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kill_switch")),
    )
    op.create_index(
        op.f("ix_kill_switch_incident_id"), "kill_switch", ["incident_id"], unique=False
    )
    op.create_index(
        "uq_kill_switch_thrown",
        "kill_switch",
        ["endpoint_id"],
        unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "feedback",
        sa.Column("event_id", sa.Uuid(), nullable=False, comment="of the call"),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("rating", sa.Text(), nullable=False),
        sa.Column("flags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("rating IN ('up', 'down')", name=op.f("ck_feedback_rating")),
        sa.CheckConstraint("char_length(comment) <= 1000", name=op.f("ck_feedback_comment")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_feedback_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("event_id", "key_id", name=op.f("pk_feedback")),
    )
    op.create_index(op.f("ix_feedback_at"), "feedback", ["at"], unique=False)
    op.create_index(op.f("ix_feedback_model"), "feedback", ["model"], unique=False)
    op.create_index(
        op.f("ix_feedback_organization_id_at"), "feedback", ["organization_id", "at"], unique=False
    )
    for table in _KEPT:
        op.execute(
            f"CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
    op.drop_column("api_key", "suspended_at")
    op.drop_column("organization", "suspended_at")
