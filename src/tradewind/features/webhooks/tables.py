"""Tables of webhooks. Signing secrets are in here sealed; see `db.vault`."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from tradewind.db.metadata import metadata

webhook = Table(
    "webhook",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("url", Text, nullable=False),
    Column("is_private_network", Boolean, nullable=False),
    Column("description", Text, nullable=False),
    Column("kinds", ARRAY(Text), nullable=False),
    # Versions only grow and are sealed in: an older secret that is put back does not open.
    Column("secret_version", Integer, nullable=False),
    Column("data_key_id", Text, ForeignKey("data_key.id"), nullable=False),
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("secret_set_at", DateTime(timezone=True), nullable=False),
    Column("former_version", Integer),
    Column("former_data_key_id", Text, ForeignKey("data_key.id")),
    Column("former_sealed_secret", LargeBinary),
    Column("former_until", DateTime(timezone=True)),
    Column("failing_since", DateTime(timezone=True)),
    Column("disabled_at", DateTime(timezone=True)),
    Column("disabled_by", Text),
    Column("revision", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("cardinality(kinds) > 0", name="kinds"),
    CheckConstraint(
        "num_nulls(former_version, former_data_key_id, former_sealed_secret, former_until)"
        " IN (0, 4)",
        name="former",
    ),
    CheckConstraint("num_nulls(disabled_at, disabled_by) IN (0, 2)", name="disabled"),
    CheckConstraint("disabled_by IN ('person', 'gone', 'failing')", name="disabled_by"),
    CheckConstraint("revision > 0 AND secret_version > 0", name="versions"),
    Index(None, "organization_id"),
    Index(None, "data_key_id"),
    Index(None, "former_data_key_id"),
)

webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    Column("id", Text, primary_key=True),
    Column("webhook_id", Text, ForeignKey(webhook.c.id, ondelete="CASCADE"), nullable=False),
    Column("message_id", Text, nullable=False, comment="the outbox may have forgotten it"),
    Column("kind", Text, nullable=False),
    Column("body", LargeBinary, nullable=False, comment="what is signed and sent, byte for byte"),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("attempts_before", Integer, nullable=False, comment="it was last asked for"),
    # While an attempt is made it is when others may take it for dead.
    Column("next_try_at", DateTime(timezone=True)),
    Column("last_tried_at", DateTime(timezone=True)),
    Column("status", SmallInteger),
    Column("error", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    UniqueConstraint("webhook_id", "message_id"),
    CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="state"),
    CheckConstraint("(state = 'pending') = (next_try_at IS NOT NULL)", name="next_try"),
    CheckConstraint("attempts >= attempts_before AND attempts_before >= 0", name="attempts"),
    Index(None, "webhook_id", "id"),
    Index(None, "next_try_at", postgresql_where=text("next_try_at IS NOT NULL")),
    Index(None, "created_at"),
)
