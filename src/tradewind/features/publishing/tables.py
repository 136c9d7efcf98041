"""Tables of publishing. A trigger refuses to change or delete a row of `listing_event`."""

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
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from tradewind.db.metadata import metadata

_NO_TEXT = text("''")
_OPEN = text("state IN ('draft', 'submitted', 'in_review', 'approved')")
_STATES = "('draft', 'submitted', 'in_review', 'approved', 'listed', 'delisted')"

publisher_application = Table(
    "publisher_application",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("slug", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("website", Text, nullable=False),
    Column("contact", Text, nullable=False),
    Column("proof", Text, nullable=False, comment="what the file or the record says; no secret"),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=_NO_TEXT),
    Column("proof_due_at", DateTime(timezone=True), comment="when the proof is looked for"),
    Column("proof_error", Text, nullable=False, server_default=_NO_TEXT),
    Column("missing_since", DateTime(timezone=True), comment="since when its proof is not there"),
    Column("created_by", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("decided_by", Text, nullable=False, server_default=_NO_TEXT),
    Column("decided_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('pending', 'verified', 'refused', 'lapsed')", name="state"),
    CheckConstraint("(state = 'pending') = (decided_at IS NULL)", name="decided"),
    CheckConstraint("state <> 'refused' OR proof_due_at IS NULL", name="proof_due"),
    Index(
        "uq_publisher_application_pending",
        "organization_id",
        "slug",
        unique=True,
        postgresql_where=text("state = 'pending'"),
    ),
    Index(None, "state", "created_at"),
    Index(None, "proof_due_at", postgresql_where=text("proof_due_at IS NOT NULL")),
)

listing = Table(
    "listing",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("publisher_slug", Text, ForeignKey("publisher.slug"), nullable=False),
    Column("slug", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("content", JSONB, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("model_id", Text, ForeignKey("model.id")),
    Column("version_id", Text, ForeignKey("model_version.id")),
    Column("created_by", Text, nullable=False),
    Column("created_by_name", Text, nullable=False),
    Column("submitted_by", Text),
    Column("submitted_by_name", Text),
    Column(
        "is_self_reviewed",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="who submitted it approved it as well",
    ),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    CheckConstraint(f"state IN {_STATES}", name="state"),
    CheckConstraint("revision > 0", name="revision"),
    CheckConstraint(
        "state NOT IN ('listed', 'delisted') OR (model_id IS NOT NULL AND version_id IS NOT NULL)",
        name="model",
    ),
    CheckConstraint("state = 'draft' OR submitted_by IS NOT NULL", name="submitted"),
    # One on its way and one in the catalog at a time.
    Index("uq_listing_open", "publisher_slug", "slug", unique=True, postgresql_where=_OPEN),
    Index(
        "uq_listing_listed",
        "publisher_slug",
        "slug",
        unique=True,
        postgresql_where=text("state = 'listed'"),
    ),
    Index(None, "organization_id", "id"),
    Index(None, "state", "updated_at"),
    Index(None, "model_id", postgresql_where=text("model_id IS NOT NULL")),
    Index(None, "version_id", postgresql_where=text("version_id IS NOT NULL")),
)

listing_event = Table(
    "listing_event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("listing_id", Text, ForeignKey(listing.c.id), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("move", Text, nullable=False),
    Column("former", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("by_id", Text, nullable=False),
    Column("by_name", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("content", JSONB, comment="as it was submitted"),
    Column("is_self_review", Boolean, nullable=False, server_default=text("false")),
    Index(None, "listing_id", "id"),
)

validation_run = Table(
    "validation_run",
    metadata,
    Column("id", Text, primary_key=True),
    Column("listing_id", Text, ForeignKey(listing.c.id), nullable=False),
    Column("state", Text, nullable=False),
    Column("stage", Text, nullable=False, server_default=_NO_TEXT),
    Column("checks", JSONB, nullable=False, server_default=text("'[]'")),
    Column("timing", JSONB, nullable=False, server_default=text("'{}'")),
    Column("is_scheduled", Boolean, nullable=False),
    Column("is_cancel_asked", Boolean, nullable=False, server_default=text("false")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    # While a worker is at it, when others may take that worker for dead.
    Column("next_try_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    CheckConstraint(
        "state IN ('waiting', 'running', 'passed', 'failed', 'cancelled')", name="state"
    ),
    CheckConstraint(
        "(state IN ('waiting', 'running')) = (next_try_at IS NOT NULL)", name="next_try"
    ),
    CheckConstraint("(next_try_at IS NULL) = (ended_at IS NOT NULL)", name="ended"),
    Index(
        "uq_validation_run_open",
        "listing_id",
        unique=True,
        postgresql_where=text("next_try_at IS NOT NULL"),
    ),
    Index(None, "listing_id", "id"),
    Index(None, "next_try_at", postgresql_where=text("next_try_at IS NOT NULL")),
)
