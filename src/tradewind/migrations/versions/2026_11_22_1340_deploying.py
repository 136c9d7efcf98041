"""How a revision takes over, endpoints of one project, and the health of connections."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_1340"
down_revision = "2026_11_22_1310"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "deployment",
        sa.Column(
            "strategy",
            sa.Text(),
            server_default=sa.text("'start_first'"),
            nullable=False,
            comment="how the current revision takes the place of the one before",
        ),
    )
    op.create_check_constraint(
        op.f("ck_deployment_strategy"), "deployment", "strategy IN ('start_first', 'stop_first')"
    )
    op.add_column(
        "endpoint",
        sa.Column("project_id", sa.Text(), nullable=True, comment="null: all of the organization"),
    )
    op.create_foreign_key(
        op.f("fk_endpoint_project_id_project"), "endpoint", "project", ["project_id"], ["id"]
    )
    op.create_check_constraint(
        op.f("ck_endpoint_project"), "endpoint", "project_id IS NULL OR organization_id IS NOT NULL"
    )
    op.create_index(
        op.f("ix_endpoint_project_id"),
        "endpoint",
        ["project_id"],
        unique=False,
        postgresql_where=sa.text("project_id IS NOT NULL"),
    )

    _health()


def _health() -> None:
    op.create_table(
        "connection_minute",
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("begins_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="of the last that failed"),
        sa.CheckConstraint("failed BETWEEN 0 AND calls", name=op.f("ck_connection_minute_calls")),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["provider_connection.id"],
            name=op.f("fk_connection_minute_connection_id_provider_connection"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", "begins_at", name=op.f("pk_connection_minute")),
        comment="what became of calls at an account, kept for an hour",
    )
    op.create_index(
        op.f("ix_connection_minute_begins_at"), "connection_minute", ["begins_at"], unique=False
    )
    op.create_table(
        "connection_health",
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("is_failing", sa.Boolean(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["provider_connection.id"],
            name=op.f("fk_connection_health_connection_id_provider_connection"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_connection_health")),
    )


def downgrade() -> None:
    op.drop_table("connection_health")
    op.drop_table("connection_minute")
    op.drop_index(op.f("ix_endpoint_project_id"), "endpoint")
    op.drop_constraint(op.f("ck_endpoint_project"), "endpoint", type_="check")
    op.drop_constraint(op.f("fk_endpoint_project_id_project"), "endpoint", type_="foreignkey")
    op.drop_column("endpoint", "project_id")
    op.drop_constraint(op.f("ck_deployment_strategy"), "deployment", type_="check")
    op.drop_column("deployment", "strategy")
