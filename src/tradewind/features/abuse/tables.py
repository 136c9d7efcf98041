"""Tables of abuse."""

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
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from tradewind.db.metadata import metadata

_NO_TEXT = text("''")

abuse_pass = Table(
    "abuse_pass",
    metadata,
    Column("hour", DateTime(timezone=True), primary_key=True),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    comment="hours in which all scores were made anew, so that one worker does it",
)

abuse_score = Table(
    "abuse_score",
    metadata,
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("key_id", Text, nullable=False, comment="empty: the organization as a whole"),
    Column("score", Integer, nullable=False),
    Column("level", Text, nullable=False),
    Column("evidence", JSONB, nullable=False, comment="counts, never texts"),
    Column("computed_at", DateTime(timezone=True), nullable=False),
    Column("since", DateTime(timezone=True), nullable=False, comment="when the level was reached"),
    PrimaryKeyConstraint("organization_id", "key_id"),
    CheckConstraint("level IN ('ok', 'watch', 'review', 'severe')", name="level"),
)

abuse_case = Table(
    "abuse_case",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("key_id", Text, nullable=False, comment="empty: the organization as a whole"),
    Column("state", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("score", Integer, nullable=False),
    Column("evidence", JSONB, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("reason", Text, nullable=False, comment="empty: its score"),
    Column("looked_by", Text, nullable=False, server_default=_NO_TEXT),
    Column("notice", Text, nullable=False, server_default=_NO_TEXT),
    Column("noticed_by_id", Text, nullable=False, server_default=_NO_TEXT),
    Column("proposed_by_id", Text, nullable=False, server_default=_NO_TEXT),
    Column("proposed_by", Text, nullable=False, server_default=_NO_TEXT),
    Column("proposed_reason", Text, nullable=False, server_default=_NO_TEXT),
    Column("suspended_by_id", Text, nullable=False, server_default=_NO_TEXT),
    Column("suspended_at", DateTime(timezone=True)),
    Column("suspension_reason", Text, nullable=False, server_default=_NO_TEXT),
    Column("closed_at", DateTime(timezone=True)),
    Column("outcome", Text, nullable=False, server_default=_NO_TEXT),
    CheckConstraint(
        "state IN ('open', 'looked_at', 'noticed', 'suspended', 'closed')", name="state"
    ),
    CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed"),
    CheckConstraint("state <> 'suspended' OR suspended_at IS NOT NULL", name="suspended"),
    Index(
        "uq_abuse_case_open",
        "organization_id",
        "key_id",
        unique=True,
        postgresql_where=text("closed_at IS NULL"),
    ),
    Index(None, "organization_id", "opened_at"),
)

abuse_grant = Table(
    "abuse_grant",
    metadata,
    Column("id", Text, primary_key=True),
    Column("case_id", Text, ForeignKey(abuse_case.c.id), nullable=False),
    Column("granted_to_id", Text, nullable=False),
    Column("granted_to", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("granted_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    CheckConstraint(
        "expires_at > granted_at AND expires_at <= granted_at + interval '1 hour'", name="time"
    ),
    Index(None, "case_id", "granted_at"),
    comment="who may look at kept contents of a case, and why; never changed",
)

abuse_appeal = Table(
    "abuse_appeal",
    metadata,
    Column("id", Text, primary_key=True),
    Column("case_id", Text, ForeignKey(abuse_case.c.id), nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("made_by_id", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("decided_by_id", Text, nullable=False, server_default=_NO_TEXT),
    Column("decided_at", DateTime(timezone=True)),
    Column("decision_reason", Text, nullable=False, server_default=_NO_TEXT),
    CheckConstraint("state IN ('waiting', 'granted', 'refused')", name="state"),
    CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided"),
    Index("uq_abuse_appeal_waiting", "case_id", unique=True, postgresql_where="decided_at IS NULL"),
    Index(None, "case_id", "made_at"),
)

abuse_opt_out = Table(
    "abuse_opt_out",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("terms", Text, nullable=False, comment="what was signed"),
    Column("terms_sha256", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("signed_by_id", Text, nullable=False),
    Column("signed_by", Text, nullable=False),
    Column("signed_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("countersigned_by_id", Text, nullable=False, server_default=_NO_TEXT),
    Column("countersigned_by", Text, nullable=False, server_default=_NO_TEXT),
    Column("decided_at", DateTime(timezone=True)),
    Column("decision_reason", Text, nullable=False, server_default=_NO_TEXT),
    CheckConstraint("state IN ('signed', 'in_force', 'refused', 'revoked')", name="state"),
    CheckConstraint("terms_sha256 ~ '^[0-9a-f]{64}$'", name="digest"),
    CheckConstraint("state <> 'in_force' OR countersigned_by_id <> ''", name="countersigned"),
    Index(
        "uq_abuse_opt_out_open",
        "organization_id",
        unique=True,
        postgresql_where=text("state IN ('signed', 'in_force')"),
    ),
)

abuse_event = Table(
    "abuse_event",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("subject", Text, nullable=False, comment="id of a case, an opt-out, an incident"),
    Column("organization_id", Text, comment="who reads it too; null: only the platform"),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("move", Text, nullable=False),
    Column("by_id", Text, nullable=False),
    Column("by_name", Text, nullable=False),
    Column("is_by_platform", Boolean, nullable=False),
    Column("detail", Text, nullable=False),
    Index(None, "subject", "number"),
    Index(None, "organization_id", "number"),
    comment="who did what, for good",
)

incident = Table(
    "incident",
    metadata,
    Column("id", Text, primary_key=True),
    Column("severity", SmallInteger, nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("affected", ARRAY(Text), nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("closed_at", DateTime(timezone=True)),
    Column("postmortem", Text, nullable=False, server_default=_NO_TEXT),
    CheckConstraint("severity BETWEEN 1 AND 4", name="severity"),
    CheckConstraint("closed_at IS NULL OR postmortem <> ''", name="postmortem"),
    Index(None, "affected", postgresql_using="gin"),
)

kill_switch = Table(
    "kill_switch",
    metadata,
    Column("id", Text, primary_key=True),
    # Of endpoints that are gone too.
    Column("endpoint_id", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("incident_id", Text, ForeignKey(incident.c.id)),
    Column("reason", Text, nullable=False),
    Column("stopped_at", DateTime(timezone=True), nullable=False),
    Column("stopped_by", Text, nullable=False),
    Column("lifted_at", DateTime(timezone=True)),
    Column("lifted_by", Text, nullable=False, server_default=_NO_TEXT),
    Index(
        "uq_kill_switch_thrown",
        "endpoint_id",
        unique=True,
        postgresql_where=text("lifted_at IS NULL"),
    ),
    Index(None, "incident_id"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("event_id", Uuid, nullable=False, comment="of the call"),
    Column("key_id", Text, nullable=False),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("project_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("rating", Text, nullable=False),
    Column("flags", ARRAY(Text), nullable=False),
    Column("comment", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("event_id", "key_id"),
    CheckConstraint("rating IN ('up', 'down')", name="rating"),
    CheckConstraint("char_length(comment) <= 1000", name="comment"),
    Index(None, "organization_id", "at"),
    Index(None, "model"),
    Index(None, "at"),
)
