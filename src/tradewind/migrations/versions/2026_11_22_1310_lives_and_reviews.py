"""Deprecations ahead, links to calendars, whose deployments are, lapsed proofs, self-reviews."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_1310"
down_revision = "2026_11_22_1300"
branch_labels = None
depends_on = None

# Who deployed was kept as a name, which names no organization. What is certain: a private model is
# its organization's, files that were uploaded are their organization's, and where there is one
# organization only, whoever deployed was in it. What the platform deployed itself is nobody's.
_WHOSE = """
    UPDATE deployment SET organization_id = coalesce(
        (
            SELECT coalesce(min(model.organization_id), min(artifact.organization_id))
            FROM model_version
            JOIN model ON model.id = model_version.model_id
            LEFT JOIN artifact ON artifact.digest = model_version.artifact
            WHERE model_version.id = deployment.model_version_id
            HAVING min(model.organization_id) IS NOT NULL
                OR count(DISTINCT artifact.organization_id) = 1
        ),
        (
            SELECT min(organization.id) FROM organization
            WHERE EXISTS (
                SELECT FROM deployment_revision AS first
                WHERE first.deployment_id = deployment.id AND first.number = 1
                    AND first.created_by <> 'the platform'
            )
            HAVING count(*) = 1
        )
    )
"""


def upgrade() -> None:
    _lives()
    _deployments()
    _publishing()


def _lives() -> None:
    op.add_column(
        "model",
        sa.Column(
            "deprecates_on",
            sa.Date(),
            nullable=True,
            comment="the day it becomes deprecated by itself, or did",
        ),
    )
    op.create_check_constraint(
        op.f("ck_model_deprecates_on"),
        "model",
        "deprecates_on IS NULL OR (retires_on IS NOT NULL AND deprecates_on <= retires_on)",
    )
    op.create_index(
        op.f("ix_model_deprecates_on"),
        "model",
        ["deprecates_on"],
        unique=False,
        postgresql_where=sa.text(
            "deprecates_on IS NOT NULL AND lifecycle IN ('preview', 'legacy')"
        ),
    )
    op.alter_column(
        "model",
        "told_days",
        existing_type=sa.Integer(),
        comment="how long before its next day the last notice went out",
        existing_comment="how long before it the last notice went out",
        existing_nullable=True,
    )
    op.create_table(
        "calendar_link",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of its token"),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "window_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="since when reads are counted",
        ),
        sa.Column("window_reads", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_calendar_link_digest")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_calendar_link_organization_id_organization"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["user_account.id"],
            name=op.f("fk_calendar_link_user_id_user_account"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_link")),
        sa.UniqueConstraint("digest", name=op.f("uq_calendar_link_digest")),
    )
    for column in ("user_id", "organization_id"):
        op.create_index(op.f(f"ix_calendar_link_{column}"), "calendar_link", [column], unique=False)


def _deployments() -> None:
    op.add_column(
        "deployment",
        sa.Column("organization_id", sa.Text(), nullable=True, comment="null: the platform's"),
    )
    op.create_foreign_key(
        op.f("fk_deployment_organization_id_organization"),
        "deployment",
        "organization",
        ["organization_id"],
        ["id"],
    )
    op.create_index(
        op.f("ix_deployment_organization_id"),
        "deployment",
        ["organization_id"],
        unique=False,
        postgresql_where=sa.text("organization_id IS NOT NULL"),
    )
    op.execute(sa.text(_WHOSE))


def _publishing() -> None:
    op.add_column(
        "publisher_application",
        sa.Column(
            "missing_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="since when its proof is not there",
        ),
    )
    _alter_comments("what the file or the record says; no secret", "when the proof is looked for")
    _check("state IN ('pending', 'verified', 'refused', 'lapsed')", "state <> 'refused'")
    op.add_column(
        "listing",
        sa.Column(
            "is_self_reviewed",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="who submitted it approved it as well",
        ),
    )
    op.add_column(
        "listing_event",
        sa.Column("is_self_review", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )


def _alter_comments(of_proof: str, of_due: str) -> None:
    op.alter_column(
        "publisher_application",
        "proof",
        existing_type=sa.Text(),
        comment=of_proof,
        existing_nullable=False,
    )
    op.alter_column(
        "publisher_application",
        "proof_due_at",
        existing_type=sa.DateTime(timezone=True),
        comment=of_due,
        existing_nullable=True,
    )


def _check(states: str, due: str) -> None:
    """Say which states there are, and in which a proof is looked for."""
    table = "publisher_application"
    for name, condition in (("state", states), ("proof_due", f"{due} OR proof_due_at IS NULL")):
        constraint = op.f(f"ck_{table}_{name}")
        op.drop_constraint(constraint, table, type_="check")
        op.create_check_constraint(constraint, table, condition)


def downgrade() -> None:
    op.drop_column("listing_event", "is_self_review")
    op.drop_column("listing", "is_self_reviewed")
    op.execute(
        sa.text("UPDATE publisher_application SET proof_due_at = NULL WHERE state <> 'pending'")
    )
    op.execute(sa.text("UPDATE publisher_application SET state = 'refused' WHERE state = 'lapsed'"))
    _check("state IN ('pending', 'verified', 'refused')", "state = 'pending'")
    _alter_comments("what the website's file says; no secret", "when the file is looked for")
    op.drop_column("publisher_application", "missing_since")
    op.drop_index(op.f("ix_deployment_organization_id"), "deployment")
    op.drop_constraint(
        op.f("fk_deployment_organization_id_organization"), "deployment", type_="foreignkey"
    )
    op.drop_column("deployment", "organization_id")
    op.drop_table("calendar_link")
    op.drop_index(op.f("ix_model_deprecates_on"), "model")
    op.drop_constraint(op.f("ck_model_deprecates_on"), "model", type_="check")
    op.drop_column("model", "deprecates_on")
