"""Tables of red teaming. A trigger refuses to change or delete a row of `red_team_reveal`."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from tradewind.db.metadata import metadata

_NO_TEXT = text("''")
_ZERO = text("0")
_NO = text("false")

red_team_dataset = Table(
    "red_team_dataset",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("seeds", JSONB, nullable=False, comment="pairs of harm and text"),
    Column("seed_count", Integer, nullable=False),
    Column("harms", JSONB, nullable=False),
    Column("created_by_name", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("deleted_at", DateTime(timezone=True)),
    CheckConstraint("seed_count > 0", name="seed_count"),
    Index(
        "uq_red_team_dataset_name",
        "organization_id",
        "name",
        unique=True,
        postgresql_where=text("deleted_at IS NULL"),
    ),
)

red_team_schedule = Table(
    "red_team_schedule",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("project_id", Text, ForeignKey("project.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("spec", JSONB, nullable=False),
    Column("every", Text, nullable=False),
    Column("hour", SmallInteger, nullable=False),
    Column("weekday", SmallInteger, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("next_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_by_name", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("every IN ('daily', 'weekly')", name="every"),
    CheckConstraint("hour BETWEEN 0 AND 23 AND weekday BETWEEN 0 AND 6", name="time"),
    Index(None, "organization_id", "id"),
    Index(None, "next_at", postgresql_where=text("is_enabled")),
)

red_team_campaign = Table(
    "red_team_campaign",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("project_id", Text, ForeignKey("project.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("target", Text, nullable=False, comment="what clients send as `model`"),
    Column("version", Text, nullable=False, comment="label of the model's version at the start"),
    Column("spec", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("stage", Text, nullable=False, server_default=_NO_TEXT),
    Column("error", Text, nullable=False, server_default=_NO_TEXT),
    Column("attacks_planned", Integer, nullable=False, server_default=_ZERO),
    Column("tokens", BigInteger, nullable=False, server_default=_ZERO),
    Column("tool_version", Text, nullable=False, server_default=_NO_TEXT),
    Column("evidence_sha256", Text, nullable=False, server_default=_NO_TEXT),
    Column("evidence_bytes", BigInteger, nullable=False, server_default=_ZERO),
    Column("is_spent", Boolean, nullable=False, server_default=_NO),
    Column("is_cancel_asked", Boolean, nullable=False, server_default=_NO),
    Column("key_id", Text, comment="the key it calls with, while it runs"),
    Column("schedule_id", Text, ForeignKey(red_team_schedule.c.id, ondelete="SET NULL")),
    Column("scheduled_for", DateTime(timezone=True)),
    Column("attempts", Integer, nullable=False, server_default=_ZERO),
    # While a worker is at it, when others may take that worker for dead.
    Column("next_try_at", DateTime(timezone=True)),
    Column("created_by", Text, nullable=False),
    Column("created_by_name", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    CheckConstraint(
        "state IN ('waiting', 'running', 'completed', 'failed', 'cancelled')", name="state"
    ),
    CheckConstraint(
        "(state IN ('waiting', 'running')) = (next_try_at IS NOT NULL)", name="next_try"
    ),
    CheckConstraint("(next_try_at IS NULL) = (ended_at IS NOT NULL)", name="ended"),
    # Two workers that look at a schedule at once begin one campaign.
    UniqueConstraint("schedule_id", "scheduled_for"),
    Index(None, "organization_id", "id"),
    Index(None, "target", "ended_at", postgresql_where=text("state = 'completed'")),
    Index(None, "next_try_at", postgresql_where=text("next_try_at IS NOT NULL")),
)

red_team_attack = Table(
    "red_team_attack",
    metadata,
    Column("campaign_id", Text, ForeignKey(red_team_campaign.c.id), nullable=False),
    Column("number", BigInteger, Identity(always=True), nullable=False),
    Column("key", Text, nullable=False, comment="the same when the campaign is carried on"),
    Column("harm", Text, nullable=False),
    Column("strategy", Text, nullable=False),
    Column("converter", Text, nullable=False),
    Column("is_filtered", Boolean, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("turns", Integer, nullable=False),
    Column("retries", Integer, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("milliseconds", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
    Column("conversation", Text, nullable=False, comment="its name in the evidence"),
    Column("at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("campaign_id", "key"),
    UniqueConstraint("campaign_id", "number"),
    CheckConstraint(
        "outcome IN ('success', 'failure', 'blocked', 'error', 'undetermined')", name="outcome"
    ),
)

red_team_reveal = Table(
    "red_team_reveal",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("campaign_id", Text, ForeignKey(red_team_campaign.c.id), nullable=False),
    Column("attack", BigInteger, nullable=False),
    Column("by_id", Text, nullable=False),
    Column("by_name", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    CheckConstraint("reason <> ''", name="reason"),
    Index(None, "campaign_id", "id"),
)
