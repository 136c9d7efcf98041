"""Tables of providers. A credential is in here sealed; see `db.vault`."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from tradewind.db.metadata import metadata

provider_connection = Table(
    "provider_connection",
    metadata,
    Column("id", Text, primary_key=True),
    # Null is the platform's own, whose models are offered to all.
    Column("organization_id", Text, ForeignKey("organization.id")),
    Column("name", Text, nullable=False),
    Column("host", Text),
    Column("provider", Text, nullable=False),
    Column("base_url", Text, nullable=False),
    Column("is_private_network", Boolean, nullable=False),
    Column("options", JSONB, nullable=False),
    Column("region", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("retains_data", Boolean, nullable=False),
    Column("trains_on_data", Boolean, nullable=False),
    Column("data_key_id", Text, ForeignKey("data_key.id")),
    Column("sealed_credential", LargeBinary),
    # Only grows, and is sealed in: an older credential that is put back does not open.
    Column("credential_version", Integer, nullable=False),
    Column("credential_hint", Text, nullable=False),
    Column("credential_set_at", DateTime(timezone=True)),
    Column("revision", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("disabled_at", DateTime(timezone=True)),
    UniqueConstraint("organization_id", "name", postgresql_nulls_not_distinct=True),
    CheckConstraint(
        "num_nulls(data_key_id, sealed_credential, credential_set_at) IN (0, 3)", name="credential"
    ),
    CheckConstraint("length(credential_hint) <= 4", name="credential_hint"),
    CheckConstraint("jsonb_typeof(options) = 'object'", name="options"),
    CheckConstraint("revision > 0 AND credential_version >= 0", name="versions"),
    Index(None, "data_key_id"),
)

provider_token = Table(
    "provider_token",
    metadata,
    # A row is there for each connection whose credential is a service account.
    Column(
        "connection_id",
        Text,
        ForeignKey("provider_connection.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    # Which credential it was given for, and with expires_at what it is sealed to.
    Column("credential_version", Integer, nullable=False),
    Column("data_key_id", Text, ForeignKey("data_key.id")),
    Column("sealed_token", LargeBinary),
    Column("expires_at", DateTime(timezone=True)),
    Column("next_try_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("num_nulls(data_key_id, sealed_token, expires_at) IN (0, 3)", name="token"),
    Index(None, "next_try_at"),
    Index(None, "data_key_id"),
    comment="bearer tokens of service accounts, renewed ahead of their end",
)

connection_minute = Table(
    "connection_minute",
    metadata,
    Column(
        "connection_id",
        Text,
        ForeignKey("provider_connection.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("begins_at", DateTime(timezone=True), primary_key=True),
    Column("calls", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("reason", Text, nullable=False, comment="of the last that failed"),
    CheckConstraint("failed BETWEEN 0 AND calls", name="calls"),
    Index(None, "begins_at"),
    comment="what became of calls at an account, kept for an hour",
)

connection_health = Table(
    "connection_health",
    metadata,
    # A row is there for each connection that failed once.
    Column(
        "connection_id",
        Text,
        ForeignKey("provider_connection.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("is_failing", Boolean, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("reason", Text, nullable=False),
)
