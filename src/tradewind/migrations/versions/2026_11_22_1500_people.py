"""Organizations beside the one that runs the platform, and invitations into them."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_1500"
down_revision = "2026_11_22_1490"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "organization",
        sa.Column(
            "is_platform",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="the one that runs the platform",
        ),
    )
    op.execute(
        "UPDATE organization SET is_platform = true"
        " WHERE id = (SELECT id FROM organization ORDER BY created_at, id LIMIT 1)"
    )
    op.create_index(
        "uq_organization_platform",
        "organization",
        ["is_platform"],
        unique=True,
        postgresql_where=sa.text("is_platform"),
    )
    for column, table in (("organization_id", "organization"), ("project_id", "project")):
        op.add_column("session", sa.Column(column, sa.Text(), nullable=True))
        op.create_foreign_key(
            op.f(f"fk_session_{column}_{table}"), "session", table, [column], ["id"]
        )
    op.create_table(
        "invitation",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("code_digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True, comment="null: by a program"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "role IN ('admin', 'developer', 'viewer')", name=op.f("ck_invitation_role")
        ),
        sa.CheckConstraint(
            "accepted_at IS NULL OR withdrawn_at IS NULL", name=op.f("ck_invitation_state")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_invitation_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["user_account.id"], name=op.f("fk_invitation_created_by_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("code_digest", name=op.f("uq_invitation_code_digest")),
    )
    op.create_index(
        "uq_invitation_open",
        "invitation",
        ["organization_id", "email"],
        unique=True,
        postgresql_where=sa.text("accepted_at IS NULL AND withdrawn_at IS NULL"),
    )
    op.create_index(op.f("ix_invitation_created_by"), "invitation", ["created_by"], unique=False)


def downgrade() -> None:
    op.drop_table("invitation")
    op.drop_column("session", "project_id")
    op.drop_column("session", "organization_id")
    op.drop_index("uq_organization_platform", table_name="organization")
    op.drop_column("organization", "is_platform")
