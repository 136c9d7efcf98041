"""Tables of trust. A subject is kept as its text, `model:acme/tiny`: what it names may not be in
any table yet.
"""

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
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from tradewind.db.metadata import metadata

_NO_TEXT = text("''")

release_rules = Table(
    "release_rules",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("content", JSONB, nullable=False),
    Column("made_by_id", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("reason", Text, nullable=False),
    comment="which gates a release has; never changed, a change is another version",
)

impact_assessment = Table(
    "impact_assessment",
    metadata,
    Column("id", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("content", JSONB, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("submissions", Integer, nullable=False, comment="how often it was handed in"),
    Column("submitted_by_id", Text),
    Column("submitted_by", Text, nullable=False, server_default=_NO_TEXT),
    Column("submitted_at", DateTime(timezone=True)),
    Column("decided_at", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True), comment="when an approval is looked at again"),
    Column(
        "intended_use",
        Text,
        nullable=False,
        server_default=_NO_TEXT,
        comment="SHA-256 of what the listing said of it when it was handed in",
    ),
    CheckConstraint("state IN ('draft', 'submitted', 'approved', 'returned')", name="state"),
    CheckConstraint("(state = 'approved') = (expires_at IS NOT NULL)", name="expires"),
    CheckConstraint("state = 'draft' OR submitted_at IS NOT NULL", name="submitted"),
    UniqueConstraint("subject", "version"),
    Index(None, "organization_id", "created_at"),
    Index(None, "state", "submitted_at"),
)

assessment_decision = Table(
    "assessment_decision",
    metadata,
    Column("assessment_id", Text, ForeignKey(impact_assessment.c.id), nullable=False),
    Column("submission", Integer, nullable=False, comment="which of them was decided about"),
    Column("by_id", Text, nullable=False),
    Column("by_name", Text, nullable=False),
    Column("is_approval", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("assessment_id", "submission", "by_id"),
)

waiver = Table(
    "waiver",
    metadata,
    Column("id", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("gate", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("asked_by_id", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("decided_by_id", Text),
    Column("decided_by", Text, nullable=False, server_default=_NO_TEXT),
    Column("decided_at", DateTime(timezone=True)),
    Column("decision_reason", Text, nullable=False, server_default=_NO_TEXT),
    CheckConstraint("state IN ('asked', 'granted', 'refused', 'revoked')", name="state"),
    CheckConstraint("(state = 'asked') = (decided_at IS NULL)", name="decided"),
    CheckConstraint("expires_at > asked_at", name="expires"),
    Index(None, "subject", "gate"),
    Index(None, "state", "asked_at"),
)

transparency_note = Table(
    "transparency_note",
    metadata,
    Column("subject", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("digest", Text, nullable=False, comment="SHA-256 of its Markdown"),
    Column("markdown", Text, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("subject", "version"),
    comment="what notes said, whenever the facts behind them changed",
)

trust_event = Table(
    "trust_event",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("subject", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("move", Text, nullable=False),
    Column("by_id", Text, nullable=False),
    Column("by_name", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index(None, "subject", "number"),
    comment="who did what, for good",
)
