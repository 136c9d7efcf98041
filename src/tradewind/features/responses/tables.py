"""The table of stored responses."""

from sqlalchemy import (
    Column,
    DateTime,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from tradewind.db.metadata import metadata

stored_response = Table(
    "stored_response",
    metadata,
    Column("organization_id", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("previous_id", Text, comment="of the same project; it may be gone"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("running_until", DateTime(timezone=True), comment="null: it has ended"),
    # Bytes, not jsonb: clients get them back as they were, and PostgreSQL need not read them.
    Column("input", LargeBinary, nullable=False, comment="JSON: the items of its own request"),
    Column("response", LargeBinary, nullable=False, comment="JSON: the object"),
    PrimaryKeyConstraint("organization_id", "project_id", "id"),
    Index(None, "expires_at"),
)
