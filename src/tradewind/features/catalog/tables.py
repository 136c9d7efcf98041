"""Tables of the catalog."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from tradewind.db.metadata import metadata

publisher = Table(
    "publisher",
    metadata,
    Column("slug", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

model = Table(
    "model",
    metadata,
    Column("id", Text, primary_key=True),
    Column("publisher_slug", Text, ForeignKey(publisher.c.slug), nullable=False),
    Column("slug", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("licence", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("context_tokens", Integer, nullable=False),
    Column("max_output_tokens", Integer, nullable=False),
    Column("dimensions", Integer),
    Column("parameters", BigInteger),
    Column("released_on", Date),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("publisher_slug", "slug"),
    CheckConstraint(
        "operation IN ('chat', 'completions', 'embeddings', 'rerank', 'moderations', 'images',"
        " 'image_edits', 'speech', 'transcription', 'translation')",
        name="operation",
    ),
    CheckConstraint("context_tokens > 0 AND max_output_tokens >= 0", name="lengths"),
)

model_version = Table(
    "model_version",
    metadata,
    Column("id", Text, primary_key=True),
    Column("model_id", Text, ForeignKey(model.c.id), nullable=False),
    Column("label", Text, nullable=False),
    Column("artifact", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("model_id", "label"),
)
