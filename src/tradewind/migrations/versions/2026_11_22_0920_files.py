"""Files that projects have uploaded to providers."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_0920"
down_revision = "2026_11_22_0640"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stored_file",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("provider_file_id", sa.Text(), nullable=False),
        sa.Column(
            "model", sa.Text(), nullable=False, comment="the endpoint it was uploaded through"
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False, comment="as the provider said it"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "expires_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="null: it stays until it is deleted",
        ),
        sa.CheckConstraint("bytes >= 0", name=op.f("ck_stored_file_bytes")),
        sa.PrimaryKeyConstraint("organization_id", "project_id", "id", name=op.f("pk_stored_file")),
        sa.UniqueConstraint(
            "connection_id",
            "provider_file_id",
            name=op.f("uq_stored_file_connection_id_provider_file_id"),
        ),
    )
    op.create_index(
        op.f("ix_stored_file_expires_at"),
        "stored_file",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
