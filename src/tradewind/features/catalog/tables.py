"""Tables of the catalog.

Null is "nobody told", which is neither no nor nothing. Prices are nanos of `currency` per 1,000,000
units. What a model is said to be lies in `model_fact` by who said it; the columns of `model` hold
the winner of each fact.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from tradewind.db.metadata import metadata

_NO_TEXT = text("''")
_NOTHING = text("'{}'")

publisher = Table(
    "publisher",
    metadata,
    Column("slug", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=_NO_TEXT),
    Column("website", Text, nullable=False, server_default=_NO_TEXT),
    Column("organization_id", Text, ForeignKey("organization.id"), comment="the verified owner"),
    Column("verified_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("verified_at IS NULL OR organization_id IS NOT NULL", name="verified"),
)

model = Table(
    "model",
    metadata,
    Column("id", Text, primary_key=True),
    Column("publisher_slug", Text, ForeignKey(publisher.c.slug), nullable=False),
    Column("slug", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("card", Text, nullable=False, server_default=_NO_TEXT, comment="Markdown"),
    Column("family", Text, nullable=False, server_default=_NO_TEXT),
    Column("licence", Text, nullable=False, comment="SPDX; empty is not told"),
    Column("licence_url", Text, nullable=False, server_default=_NO_TEXT),
    Column(
        "is_gated",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="an organization has to accept the licence before it calls the model",
    ),
    Column("operation", Text, comment="null is what nothing here serves, video"),
    Column("context_tokens", Integer),
    Column("max_output_tokens", Integer),
    Column("dimensions", Integer),
    Column("parameters", BigInteger),
    Column("released_on", Date),
    Column("knowledge", Text, nullable=False, server_default=_NO_TEXT, comment="2024-10"),
    Column("input_modalities", ARRAY(Text), nullable=False, server_default=_NOTHING),
    Column("output_modalities", ARRAY(Text), nullable=False, server_default=_NOTHING),
    Column("capabilities", ARRAY(Text), nullable=False, server_default=_NOTHING),
    Column("open_weights", Boolean),
    Column("lifecycle", Text, nullable=False, server_default=text("'ga'")),
    Column("lifecycle_since", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("ga_since", DateTime(timezone=True), comment="null: it never was"),
    Column("retires_on", Date, comment="its last day, as it was told"),
    Column("deprecates_on", Date, comment="the day it becomes deprecated by itself, or did"),
    Column("told_days", Integer, comment="how long before its next day the last notice went out"),
    Column("replacement", Text, nullable=False, server_default=_NO_TEXT, comment="publisher/slug"),
    Column("visibility", Text, nullable=False, server_default=text("'listed'")),
    Column(
        "organization_id", Text, ForeignKey("organization.id"), comment="who sees a private one"
    ),
    Column("origin", Text, nullable=False, server_default=text("'operator'")),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("publisher_slug", "slug"),
    CheckConstraint(
        "operation IN ('chat', 'completions', 'embeddings', 'rerank', 'moderations', 'images',"
        " 'image_edits', 'speech', 'transcription', 'translation')",
        name="operation",
    ),
    CheckConstraint("context_tokens > 0 AND max_output_tokens >= 0", name="lengths"),
    CheckConstraint(
        "lifecycle IN ('preview', 'ga', 'legacy', 'deprecated', 'retired')", name="lifecycle"
    ),
    CheckConstraint(
        "lifecycle NOT IN ('deprecated', 'retired') OR retires_on IS NOT NULL", name="retires_on"
    ),
    CheckConstraint(
        "deprecates_on IS NULL OR (retires_on IS NOT NULL AND deprecates_on <= retires_on)",
        name="deprecates_on",
    ),
    CheckConstraint("visibility IN ('listed', 'unlisted', 'private')", name="visibility"),
    CheckConstraint(
        "visibility <> 'private' OR organization_id IS NOT NULL", name="private_to_somebody"
    ),
    CheckConstraint("origin IN ('builtin', 'synced', 'operator', 'published')", name="origin"),
    CheckConstraint("char_length(card) <= 204800", name="card"),
    Index(None, "organization_id", postgresql_where=text("organization_id IS NOT NULL")),
    Index(None, "retires_on", postgresql_where=text("lifecycle = 'deprecated'")),
    Index(
        None,
        "deprecates_on",
        postgresql_where=text("deprecates_on IS NOT NULL AND lifecycle IN ('preview', 'legacy')"),
    ),
)

model_version = Table(
    "model_version",
    metadata,
    Column("id", Text, primary_key=True),
    Column("model_id", Text, ForeignKey(model.c.id), nullable=False),
    Column("label", Text, nullable=False),
    Column("artifact", Text, nullable=False),
    Column("digest", Text, comment="sha256 of the manifest, lower-case hex"),
    Column(
        "visibility",
        Text,
        nullable=False,
        server_default=text("'open'"),
        comment="sealed: never handed out, decrypted by the worker alone",
    ),
    Column("quantization", Text, nullable=False, server_default=_NO_TEXT),
    Column("size_bytes", BigInteger),
    Column("facts", JSONB, nullable=False, server_default=_NOTHING),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("model_id", "label"),
    CheckConstraint("visibility IN ('open', 'sealed')", name="visibility"),
    CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name="digest"),
    CheckConstraint("size_bytes >= 0", name="size_bytes"),
    Index(None, "digest", postgresql_where=text("digest IS NOT NULL")),
)
"""A trigger refuses to change `model_id`, `label`, `artifact` and `digest`."""

model_alias = Table(
    "model_alias",
    metadata,
    Column("alias", Text, primary_key=True, comment="in lower case"),
    Column("model_id", Text, ForeignKey(model.c.id, ondelete="CASCADE"), nullable=False),
    Column("version_id", Text, ForeignKey(model_version.c.id), comment="null is any"),
    CheckConstraint("alias = lower(alias) AND alias <> ''", name="alias"),
    Index(None, "model_id"),
)

offer = Table(
    "offer",
    metadata,
    Column("id", Text, primary_key=True),
    Column("model_id", Text, ForeignKey(model.c.id), nullable=False),
    Column("host", Text, nullable=False, comment="a known host, or a connection"),
    Column("upstream_model", Text, nullable=False),
    Column("region", Text, nullable=False, server_default=_NO_TEXT),
    # What its id says besides the model's name.
    Column("version", Text, nullable=False, server_default=_NO_TEXT, comment="2024-08-06"),
    Column("quantization", Text, nullable=False, server_default=_NO_TEXT),
    Column("variant", Text, nullable=False, server_default=_NO_TEXT, comment="free, thinking"),
    Column("currency", Text, nullable=False, server_default=text("'USD'")),
    # Null is not told, which is not free: 0 is.
    Column("input_nanos", BigInteger),
    Column("output_nanos", BigInteger),
    Column("cached_input_nanos", BigInteger),
    Column("cache_write_nanos", BigInteger),
    Column("meters", JSONB, nullable=False, server_default=_NOTHING),
    Column("tiers", JSONB, nullable=False, server_default=text("'[]'"), comment="of long inputs"),
    Column("context_tokens", Integer),
    Column("max_output_tokens", Integer),
    Column("capabilities", ARRAY(Text), nullable=False, server_default=_NOTHING),
    Column("status", Text, nullable=False),
    Column("source", Text, nullable=False, comment="whose word it is"),
    Column("price_source", Text, comment="whose word the price is; null when none is told"),
    Column("observed_on", Date, nullable=False),
    Column("first_seen_at", DateTime(timezone=True), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("host", "upstream_model", "region"),
    CheckConstraint("status IN ('active', 'beta', 'deprecated', 'vanished')", name="status"),
    CheckConstraint(
        "least(input_nanos, output_nanos, cached_input_nanos, cache_write_nanos) >= 0",
        name="not_negative",
    ),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    Index(None, "model_id"),
    Index(None, "source", "host"),
)

model_fact = Table(
    "model_fact",
    metadata,
    Column("model_id", Text, ForeignKey(model.c.id, ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True, comment="a column of model"),
    Column("source", Text, primary_key=True),
    Column("value", JSONB, nullable=False),
    Column("observed_on", Date, nullable=False),
)

catalog_sync = Table(
    "catalog_sync",
    metadata,
    Column("id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("is_requested", Boolean, nullable=False, comment="the worker is to do it"),
    Column("edition", Text, nullable=False, comment="of what was read; empty until it is known"),
    Column("observed_on", Date, comment="the day of the list"),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Column("seen", Integer, nullable=False, server_default=text("0")),
    Column("added", Integer, nullable=False, server_default=text("0")),
    Column("changed", Integer, nullable=False, server_default=text("0")),
    Column("held", Integer, nullable=False, server_default=text("0")),
    Column("vanished", Integer, nullable=False, server_default=text("0")),
    Column("unfolded", Integer, nullable=False, server_default=text("0")),
    Column("skipped", JSONB, nullable=False, server_default=_NOTHING, comment="reasons, counted"),
    Column("error", Text, nullable=False, server_default=_NO_TEXT),
    Index(None, "source", "started_at"),
)

catalog_change = Table(
    "catalog_change",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sync_id", Text, ForeignKey(catalog_sync.c.id), nullable=False),
    Column("source", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("host", Text, nullable=False, comment="empty: upstream_model is a model's name"),
    Column("upstream_model", Text, nullable=False, comment="empty is all of a host's"),
    Column("region", Text, nullable=False, server_default=_NO_TEXT),
    Column("before", JSONB, nullable=False),
    Column("after", JSONB, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'held'")),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("decided_at", DateTime(timezone=True)),
    Column("decided_by", Text),
    CheckConstraint("kind IN ('price', 'context', 'vanished')", name="kind"),
    CheckConstraint("state IN ('held', 'applied', 'dismissed', 'overtaken')", name="state"),
    CheckConstraint("(state = 'held') = (decided_at IS NULL)", name="decided"),
    # One question at a time: a later reading that says the same is not asked again.
    Index(
        "uq_catalog_change_held",
        "source",
        "kind",
        "host",
        "upstream_model",
        "region",
        unique=True,
        postgresql_where=text("state = 'held'"),
    ),
    Index(None, "sync_id"),
)

unfolded = Table(
    "unfolded",
    metadata,
    Column("source", Text, primary_key=True),
    Column("host", Text, primary_key=True),
    Column("upstream_model", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("observed_on", Date, nullable=False),
)

licence_acceptance = Table(
    "licence_acceptance",
    metadata,
    Column(
        "organization_id",
        Text,
        ForeignKey("organization.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("model_id", Text, ForeignKey(model.c.id, ondelete="CASCADE"), primary_key=True),
    Column(
        "licence", Text, nullable=False, comment="which it was; another has to be accepted anew"
    ),
    Column("accepted_by", Text, nullable=False),
    Column("accepted_at", DateTime(timezone=True), nullable=False),
    Index(None, "model_id"),
)

calendar_link = Table(
    "calendar_link",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True, comment="SHA-256 of its token"),
    Column(
        "organization_id", Text, ForeignKey("organization.id", ondelete="CASCADE"), nullable=False
    ),
    Column("user_id", Text, ForeignKey("user_account.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("last_read_at", DateTime(timezone=True)),
    Column("window_at", DateTime(timezone=True), comment="since when reads are counted"),
    Column("window_reads", Integer, nullable=False, server_default=text("0")),
    CheckConstraint("octet_length(digest) = 32", name="digest"),
    Index(None, "user_id"),
    Index(None, "organization_id"),
)
"""A link that is revoked is deleted: there is nothing to account for."""

saved_view = Table(
    "saved_view",
    metadata,
    Column("id", Text, primary_key=True),
    Column(
        "organization_id", Text, ForeignKey("organization.id", ondelete="CASCADE"), nullable=False
    ),
    Column("user_id", Text, ForeignKey("user_account.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("query", Text, nullable=False, comment="a question of the catalog, as in a page's URL"),
    Column("is_shared", Boolean, nullable=False, comment="with the whole organization"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("char_length(name) BETWEEN 1 AND 80", name="name"),
    CheckConstraint("char_length(query) <= 4000", name="query"),
    Index(
        "uq_saved_view_name",
        "organization_id",
        "user_id",
        text("lower(name)"),
        unique=True,
    ),
    Index(None, "user_id"),
)
"""Names and questions that somebody wants to ask again; what they find is never kept."""
