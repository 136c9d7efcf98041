"""Tokens of service accounts."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_1030"
down_revision = "2026_11_22_1020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provider_token",
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("credential_version", sa.Integer(), nullable=False),
        sa.Column("data_key_id", sa.Text(), nullable=True),
        sa.Column("sealed_token", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "num_nulls(data_key_id, sealed_token, expires_at) IN (0, 3)",
            name=op.f("ck_provider_token_token"),
        ),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["provider_connection.id"],
            name=op.f("fk_provider_token_connection_id_provider_connection"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["data_key_id"], ["data_key.id"], name=op.f("fk_provider_token_data_key_id_data_key")
        ),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_provider_token")),
        comment="bearer tokens of service accounts, renewed ahead of their end",
    )
    op.create_index(op.f("ix_provider_token_next_try_at"), "provider_token", ["next_try_at"])
    op.create_index(op.f("ix_provider_token_data_key_id"), "provider_token", ["data_key_id"])
