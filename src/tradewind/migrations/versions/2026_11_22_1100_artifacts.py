"""Uploads, the blobs they become, artifacts and their signatures."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_1100"
down_revision = "2026_11_22_1030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "artifact",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="of the manifest, sha256:…"),
        sa.Column(
            "manifest", sa.LargeBinary(), nullable=False, comment="canonical JSON, as it was signed"
        ),
        sa.Column("visibility", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("file_count", sa.Integer(), nullable=False),
        sa.Column("is_quarantined", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("visibility IN ('open', 'sealed')", name=op.f("ck_artifact_visibility")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_artifact_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artifact")),
        sa.UniqueConstraint(
            "organization_id", "digest", name=op.f("uq_artifact_organization_id_digest")
        ),
    )
    op.create_index(op.f("ix_artifact_digest"), "artifact", ["digest"], unique=False)
    op.create_table(
        "artifact_blob",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False, comment="of the file as it was uploaded"),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sealed_for", sa.Text(), nullable=True),
        sa.Column("location", sa.Text(), nullable=False, comment="in the store"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("sealed_as", sa.Text(), nullable=True),
        sa.Column("data_key_id", sa.Text(), nullable=True),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=True),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('arriving', 'kept', 'leaving')", name=op.f("ck_artifact_blob_state")
        ),
        sa.CheckConstraint(
            "num_nulls(sealed_for, sealed_as, data_key_id, sealed_key) IN (0, 4)",
            name=op.f("ck_artifact_blob_sealed"),
        ),
        sa.CheckConstraint("size > 0", name=op.f("ck_artifact_blob_size")),
        sa.ForeignKeyConstraint(
            ["data_key_id"], ["data_key.id"], name=op.f("fk_artifact_blob_data_key_id_data_key")
        ),
        sa.ForeignKeyConstraint(
            ["sealed_for"],
            ["organization.id"],
            name=op.f("fk_artifact_blob_sealed_for_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artifact_blob")),
        sa.UniqueConstraint(
            "sha256",
            "size",
            "sealed_for",
            name=op.f("uq_artifact_blob_sha256_size_sealed_for"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(
        op.f("ix_artifact_blob_data_key_id"), "artifact_blob", ["data_key_id"], unique=False
    )
    op.create_index(
        op.f("ix_artifact_blob_sealed_for"), "artifact_blob", ["sealed_for"], unique=False
    )
    op.create_index(
        op.f("ix_artifact_blob_state_touched_at"),
        "artifact_blob",
        ["state", "touched_at"],
        unique=False,
    )
    op.create_table(
        "artifact_signature",
        sa.Column("artifact_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("signer", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "signer IN ('platform', 'publisher')", name=op.f("ck_artifact_signature_signer")
        ),
        sa.ForeignKeyConstraint(
            ["artifact_id"],
            ["artifact.id"],
            name=op.f("fk_artifact_signature_artifact_id_artifact"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("artifact_id", "key_id", name=op.f("pk_artifact_signature")),
    )
    op.create_table(
        "artifact_file",
        sa.Column("artifact_id", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("blob_id", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["artifact_id"],
            ["artifact.id"],
            name=op.f("fk_artifact_file_artifact_id_artifact"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["blob_id"], ["artifact_blob.id"], name=op.f("fk_artifact_file_blob_id_artifact_blob")
        ),
        sa.PrimaryKeyConstraint("artifact_id", "path", name=op.f("pk_artifact_file")),
    )
    op.create_index(op.f("ix_artifact_file_blob_id"), "artifact_file", ["blob_id"], unique=False)
    op.create_table(
        "artifact_upload",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("visibility", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("blob_id", sa.Text(), nullable=True),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("data_key_id", sa.Text(), nullable=True),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=True),
        sa.Column("seen_sha256", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(state = 'checking') = (next_try_at IS NOT NULL)",
            name=op.f("ck_artifact_upload_next_try"),
        ),
        sa.CheckConstraint(
            "(state = 'ready') = (blob_id IS NOT NULL)", name=op.f("ck_artifact_upload_blob")
        ),
        sa.CheckConstraint(
            "num_nulls(data_key_id, sealed_key) = CASE visibility WHEN 'sealed' THEN 0 ELSE 2 END",
            name=op.f("ck_artifact_upload_sealed"),
        ),
        sa.CheckConstraint(
            "state IN ('open', 'checking', 'ready', 'refused')",
            name=op.f("ck_artifact_upload_state"),
        ),
        sa.CheckConstraint(
            "visibility IN ('open', 'sealed')", name=op.f("ck_artifact_upload_visibility")
        ),
        sa.CheckConstraint("size > 0", name=op.f("ck_artifact_upload_size")),
        sa.ForeignKeyConstraint(
            ["blob_id"], ["artifact_blob.id"], name=op.f("fk_artifact_upload_blob_id_artifact_blob")
        ),
        sa.ForeignKeyConstraint(
            ["data_key_id"], ["data_key.id"], name=op.f("fk_artifact_upload_data_key_id_data_key")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_artifact_upload_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artifact_upload")),
    )
    op.create_index(
        op.f("ix_artifact_upload_blob_id"), "artifact_upload", ["blob_id"], unique=False
    )
    op.create_index(
        op.f("ix_artifact_upload_data_key_id"), "artifact_upload", ["data_key_id"], unique=False
    )
    op.create_index(
        op.f("ix_artifact_upload_expires_at"), "artifact_upload", ["expires_at"], unique=False
    )
    op.create_index(
        op.f("ix_artifact_upload_next_try_at"),
        "artifact_upload",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("next_try_at IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_artifact_upload_organization_id_state"),
        "artifact_upload",
        ["organization_id", "state"],
        unique=False,
    )
    op.create_table(
        "artifact_upload_part",
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.CheckConstraint("number > 0 AND size > 0", name=op.f("ck_artifact_upload_part_numbers")),
        sa.ForeignKeyConstraint(
            ["upload_id"],
            ["artifact_upload.id"],
            name=op.f("fk_artifact_upload_part_upload_id_artifact_upload"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("upload_id", "number", name=op.f("pk_artifact_upload_part")),
    )
