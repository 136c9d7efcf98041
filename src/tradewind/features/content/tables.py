"""The table of contents, partitioned by UTC day as the request log is."""

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
)

from tradewind.db.metadata import metadata

request_content = Table(
    "request_content",
    metadata,
    Column("event_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, comment="when the call was admitted"),
    Column("organization_id", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    # Bytes, not jsonb: it is shown as it is, and PostgreSQL need not read it (a text with NUL in
    # it would be refused).
    Column("prompt", LargeBinary, nullable=False, comment="JSON, redacted"),
    Column("answer", LargeBinary, nullable=False, comment="JSON, redacted; empty: there was none"),
    Column("is_prompt_truncated", Boolean, nullable=False),
    Column("is_answer_truncated", Boolean, nullable=False),
    PrimaryKeyConstraint("at", "event_id"),
    Index(None, "organization_id", "at"),
    postgresql_partition_by="RANGE (at)",
    comment="prompts and answers of organizations that keep them, for as many days as they say",
)
