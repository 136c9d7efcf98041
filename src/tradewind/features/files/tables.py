"""The table of files at providers."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from tradewind.db.metadata import metadata

stored_file = Table(
    "stored_file",
    metadata,
    Column("organization_id", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("id", Text, nullable=False),
    # No foreign key: a connection that is deleted leaves files behind at its host, and who looks
    # for them should be told so.
    Column("connection_id", Text, nullable=False),
    Column("provider_file_id", Text, nullable=False),
    Column("model", Text, nullable=False, comment="the endpoint it was uploaded through"),
    Column("name", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("status", Text, nullable=False, comment="as the provider said it"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), comment="null: it stays until it is deleted"),
    # Ids sort by time, so this is the order of lists too.
    PrimaryKeyConstraint("organization_id", "project_id", "id"),
    UniqueConstraint("connection_id", "provider_file_id"),
    CheckConstraint("bytes >= 0", name="bytes"),
    Index(None, "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
)
