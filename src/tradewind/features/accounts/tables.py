"""Tables of accounts."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from tradewind.db.metadata import metadata

organization = Table(
    "organization",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column(
        "is_platform",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="the one that runs the platform",
    ),
    Column("suspended_at", DateTime(timezone=True), comment="its keys call no models since"),
    # There is one.
    Index("uq_organization_platform", "is_platform", unique=True, postgresql_where="is_platform"),
)

project = Table(
    "project",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey(organization.c.id), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    # The target of foreign keys that carry the tenant, so that no row can mix two of them.
    UniqueConstraint("organization_id", "id"),
)

user_account = Table(
    "user_account",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("password_hash", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("disabled_at", DateTime(timezone=True)),
)

membership = Table(
    "membership",
    metadata,
    Column("user_id", Text, ForeignKey(user_account.c.id), primary_key=True),
    Column("organization_id", Text, ForeignKey(organization.c.id), primary_key=True),
    Column("role", Text, nullable=False),
    CheckConstraint("role IN ('admin', 'developer', 'viewer')", name="role"),
    Index(None, "organization_id"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_by", Text, ForeignKey(user_account.c.id)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Column(
        "suspended_at", DateTime(timezone=True), comment="it opens nothing until that is lifted"
    ),
    Column("requests_per_minute", Integer),
    Column("tokens_per_minute", Integer),
    Column("concurrent_requests", Integer),
    Column("models", ARRAY(Text)),
    Column("purpose", Text, nullable=False),
    ForeignKeyConstraint(
        ["organization_id", "project_id"], [project.c.organization_id, project.c.id]
    ),
    CheckConstraint("octet_length(digest) = 32", name="digest"),
    CheckConstraint(
        "purpose IN ('client', 'playground', 'start_up', 'management', 'red_team')", name="purpose"
    ),
    CheckConstraint("purpose <> 'red_team' OR expires_at IS NOT NULL", name="red_team"),
    CheckConstraint(
        "requests_per_minute > 0 AND tokens_per_minute > 0 AND concurrent_requests > 0",
        name="limits",
    ),
    Index(None, "organization_id", "project_id"),
    Index(None, "created_by"),
)

sign_in_link = Table(
    "sign_in_link",
    metadata,
    Column("code_digest", LargeBinary, primary_key=True),
    Column("user_id", Text, ForeignKey(user_account.c.id), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
    Index(None, "user_id"),
)

invitation = Table(
    "invitation",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey(organization.c.id), nullable=False),
    Column("email", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("code_digest", LargeBinary, nullable=False, unique=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, ForeignKey(user_account.c.id), comment="null: by a program"),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("accepted_at", DateTime(timezone=True)),
    Column("withdrawn_at", DateTime(timezone=True)),
    CheckConstraint("role IN ('admin', 'developer', 'viewer')", name="role"),
    CheckConstraint("accepted_at IS NULL OR withdrawn_at IS NULL", name="state"),
    # One that is open for each address: another one takes its place.
    Index(
        "uq_invitation_open",
        "organization_id",
        "email",
        unique=True,
        postgresql_where=text("accepted_at IS NULL AND withdrawn_at IS NULL"),
    ),
    Index(None, "created_by"),
)

session = Table(
    "session",
    metadata,
    Column("token_digest", LargeBinary, primary_key=True),
    Column("user_id", Text, ForeignKey(user_account.c.id), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("last_seen_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("opened_by", Text, nullable=False),
    # Where the person looks; null is the first organization and project they have.
    Column("organization_id", Text, ForeignKey(organization.c.id)),
    Column("project_id", Text, ForeignKey(project.c.id)),
    CheckConstraint("opened_by IN ('link', 'password')", name="opened_by"),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)

sign_in_attempt = Table(
    "sign_in_attempt",
    metadata,
    # A keyed digest of an account, a peer or both: the table holds nobody's address.
    Column("subject_digest", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_failed_at", DateTime(timezone=True), nullable=False),
    Index(None, "last_failed_at"),
)
