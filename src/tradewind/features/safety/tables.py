"""Tables of safety."""

from typing import Any

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
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from tradewind.db.metadata import metadata

safety_policy = Table(
    "safety_policy",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organization.id"), comment="null: the platform's"),
    Column("standing", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False, comment="the newest, which holds"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("deleted_at", DateTime(timezone=True), comment="its versions are kept"),
    CheckConstraint("standing IN ('own', 'default', 'floor')", name="standing"),
    CheckConstraint("(standing = 'own') = (organization_id IS NOT NULL)", name="owner"),
    CheckConstraint("char_length(name) BETWEEN 1 AND 80 AND version > 0", name="limits"),
    Index(
        "uq_safety_policy_name",
        "organization_id",
        "name",
        unique=True,
        postgresql_where=text("deleted_at IS NULL"),
    ),
)

safety_policy_version = Table(
    "safety_policy_version",
    metadata,
    Column("policy_id", Text, ForeignKey(safety_policy.c.id), nullable=False),
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("content", JSONB, nullable=False, comment="rules, checks, streaming"),
    Column("why", Text, nullable=False),
    Column("changed_by", Text, nullable=False, comment="as people call them"),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("policy_id", "version"),
    CheckConstraint("char_length(why) <= 500 AND char_length(changed_by) <= 200", name="lengths"),
)

safety_binding = Table(
    "safety_binding",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("policy_id", Text, ForeignKey(safety_policy.c.id), nullable=False),
    Column("kind", Text, nullable=False),
    # Of endpoints and deployments that are gone too: dry runs ask what held a week ago.
    Column("subject_id", Text, nullable=False),
    Column("organization_id", Text, comment="whose the subject is; null: the platform's"),
    Column("bound_at", DateTime(timezone=True), nullable=False),
    Column("bound_by", Text, nullable=False),
    Column("unbound_at", DateTime(timezone=True)),
    Column("unbound_by", Text, nullable=False, server_default=text("''")),
    CheckConstraint("kind IN ('organization', 'project', 'endpoint', 'deployment')", name="kind"),
    Index(
        "uq_safety_binding_open",
        "policy_id",
        "kind",
        "subject_id",
        unique=True,
        postgresql_where=text("unbound_at IS NULL"),
    ),
    Index(None, "subject_id"),
)

safety_data = Table(
    "safety_data",
    metadata,
    Column("digest", Text, primary_key=True, comment="SHA-256 of the bytes, hexadecimal"),
    Column("content", LargeBinary, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False, comment="the last time"),
    CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name="digest"),
    CheckConstraint("octet_length(content) <= 67108864", name="size"),
    comment="what checks were given; what nothing names any more goes after a day",
)

safety_blocklist = Table(
    "safety_blocklist",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("items", Integer, nullable=False),
    Column("digest", Text, nullable=False, comment="empty: it has no terms"),
    Column("size", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("organization_id", "name"),
    CheckConstraint("items BETWEEN 0 AND 10000", name="items"),
    CheckConstraint("char_length(name) <= 64 AND char_length(description) <= 1024", name="lengths"),
)

safety_blocklist_item = Table(
    "safety_blocklist_item",
    metadata,
    Column("id", Text, primary_key=True),
    Column(
        "blocklist_id",
        Text,
        ForeignKey(safety_blocklist.c.id, ondelete="CASCADE"),
        nullable=False,
    ),
    Column("text", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("is_regex", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("blocklist_id", "text", "is_regex"),
    CheckConstraint(
        "char_length(text) BETWEEN 1 AND 128 AND char_length(description) <= 1024", name="lengths"
    ),
)


def _made_by_worker() -> list[Column[Any]]:
    """Return the columns of what the worker makes data of."""
    return [
        Column("state", Text, nullable=False),
        Column("percent", SmallInteger, nullable=False, server_default=text("0")),
        Column("error", Text, nullable=False, server_default=text("''")),
        Column("digest", Text, nullable=False, comment="empty: there are no data yet"),
        Column("size", Integer, nullable=False),
        Column("revision", Integer, nullable=False, comment="of what it is made from"),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("updated_at", DateTime(timezone=True), nullable=False),
        Column("beat_at", DateTime(timezone=True), comment="the worker's last sign of life"),
    ]


safety_category = Table(
    "safety_category",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("definition", Text, nullable=False),
    Column("is_rapid", Boolean, nullable=False, comment="finds what is much like an example"),
    Column("positives", JSONB, nullable=False),
    Column("negatives", JSONB, nullable=False),
    Column("quality", JSONB, nullable=False, server_default="{}"),
    *_made_by_worker(),
    UniqueConstraint("organization_id", "name"),
    CheckConstraint("state IN ('queued', 'working', 'ready', 'failed')", name="state"),
    Index(
        "ix_safety_category_waiting",
        "updated_at",
        postgresql_where=text("state IN ('queued', 'working')"),
    ),
)

safety_corpus = Table(
    "safety_corpus",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("licence", Text, nullable=False),
    Column("citation", Text, nullable=False),
    Column("is_code", Boolean, nullable=False),
    Column("texts", Integer, nullable=False),
    Column("characters", BigInteger, nullable=False),
    *_made_by_worker(),
    UniqueConstraint("organization_id", "name"),
    CheckConstraint("state IN ('queued', 'working', 'ready', 'failed')", name="state"),
    Index(
        "ix_safety_corpus_waiting",
        "updated_at",
        postgresql_where=text("state IN ('queued', 'working')"),
    ),
)

safety_corpus_text = Table(
    "safety_corpus_text",
    metadata,
    Column("corpus_id", Text, ForeignKey(safety_corpus.c.id, ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("content", Text, nullable=False),
    PrimaryKeyConstraint("corpus_id", "number"),
    CheckConstraint("char_length(title) <= 200", name="title"),
)

safety_dry_run = Table(
    "safety_dry_run",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organization.id"), nullable=False),
    Column("policy_id", Text, nullable=False, comment="empty: a policy that is not there yet"),
    Column("name", Text, nullable=False),
    Column("content", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("done", Integer, nullable=False, server_default=text("0")),
    Column("total", Integer, nullable=False, server_default=text("0")),
    Column("result", JSONB, nullable=False, server_default="{}"),
    Column("error", Text, nullable=False, server_default=text("''")),
    Column("created_by", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("beat_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="state"),
    CheckConstraint(
        "(state IN ('done', 'failed', 'cancelled')) = (ended_at IS NOT NULL)", name="ended"
    ),
    Index(None, "organization_id", "created_at"),
    Index(
        "uq_safety_dry_run_open",
        "organization_id",
        unique=True,
        postgresql_where=text("state IN ('queued', 'running')"),
    ),
)
