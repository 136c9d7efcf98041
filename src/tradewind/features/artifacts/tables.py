"""Tables of artifacts. The bytes are in a store; keys of sealed ones are in here sealed."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from tradewind.db.metadata import metadata

artifact_blob = Table(
    "artifact_blob",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sha256", Text, nullable=False, comment="of the file as it was uploaded"),
    Column("size", BigInteger, nullable=False),
    # Null is open: those are kept once for all. Sealed ones are of one organization each.
    Column("sealed_for", Text, ForeignKey("organization.id")),
    Column("location", Text, nullable=False, comment="in the store"),
    Column("state", Text, nullable=False),
    # Which upload's key and place its chunks are bound to; null of an open one.
    Column("sealed_as", Text),
    Column("data_key_id", Text, ForeignKey("data_key.id")),
    Column("sealed_key", LargeBinary),
    # Whoever refers to a blob writes this, so that a sweep at the same moment sees it.
    Column("touched_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("sha256", "size", "sealed_for", postgresql_nulls_not_distinct=True),
    CheckConstraint("state IN ('arriving', 'kept', 'leaving')", name="state"),
    CheckConstraint("size > 0", name="size"),
    CheckConstraint(
        "num_nulls(sealed_for, sealed_as, data_key_id, sealed_key) IN (0, 4)", name="sealed"
    ),
    Index(None, "state", "touched_at"),
    Index(None, "data_key_id"),
    Index(None, "sealed_for"),
)

artifact_upload = Table(
    "artifact_upload",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Text),
    Column("visibility", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("blob_id", Text, ForeignKey(artifact_blob.c.id)),
    Column("facts", JSONB),
    Column("data_key_id", Text, ForeignKey("data_key.id")),
    Column("sealed_key", LargeBinary),
    # The digest that was taken while the parts came, in order, in one process.
    Column("seen_sha256", Text),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_try_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("state IN ('open', 'checking', 'ready', 'refused')", name="state"),
    CheckConstraint("visibility IN ('open', 'sealed')", name="visibility"),
    CheckConstraint("(state = 'ready') = (blob_id IS NOT NULL)", name="blob"),
    CheckConstraint("(state = 'checking') = (next_try_at IS NOT NULL)", name="next_try"),
    CheckConstraint(
        "num_nulls(data_key_id, sealed_key) = CASE visibility WHEN 'sealed' THEN 0 ELSE 2 END",
        name="sealed",
    ),
    CheckConstraint("size > 0", name="size"),
    Index(None, "organization_id", "state"),
    Index(None, "blob_id"),
    Index(None, "data_key_id"),
    Index(None, "expires_at"),
    Index(None, "next_try_at", postgresql_where=text("next_try_at IS NOT NULL")),
)

artifact_upload_part = Table(
    "artifact_upload_part",
    metadata,
    Column("upload_id", Text, ForeignKey(artifact_upload.c.id, ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", Text),
    PrimaryKeyConstraint("upload_id", "number"),
    CheckConstraint("number > 0 AND size > 0", name="numbers"),
)

artifact = Table(
    "artifact",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("digest", Text, nullable=False, comment="of the manifest, sha256:…"),
    Column("manifest", LargeBinary, nullable=False, comment="canonical JSON, as it was signed"),
    Column("visibility", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("file_count", Integer, nullable=False),
    Column("is_quarantined", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("organization_id", "digest"),
    CheckConstraint("visibility IN ('open', 'sealed')", name="visibility"),
    Index(None, "digest"),
)

artifact_file = Table(
    "artifact_file",
    metadata,
    Column("artifact_id", Text, ForeignKey(artifact.c.id, ondelete="CASCADE"), nullable=False),
    Column("path", Text, nullable=False),
    Column("blob_id", Text, ForeignKey(artifact_blob.c.id), nullable=False),
    Column("facts", JSONB, nullable=False),
    PrimaryKeyConstraint("artifact_id", "path"),
    Index(None, "blob_id"),
)

artifact_signature = Table(
    "artifact_signature",
    metadata,
    Column("artifact_id", Text, ForeignKey(artifact.c.id, ondelete="CASCADE"), nullable=False),
    Column("key_id", Text, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("signer", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("artifact_id", "key_id"),
    CheckConstraint("signer IN ('platform', 'publisher')", name="signer"),
)
