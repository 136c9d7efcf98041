"""Tables of deployments: desired state, its revisions, and what was last seen of the replicas."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from tradewind.db.metadata import metadata

deployment = Table(
    "deployment",
    metadata,
    Column("id", Text, primary_key=True),
    Column("model_version_id", Text, ForeignKey("model_version.id"), nullable=False, unique=True),
    Column("organization_id", Text, ForeignKey("organization.id"), comment="null: the platform's"),
    # As the current revision says: the gateways' snapshot reads them here.
    Column("engine", Text, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("desired_replicas", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("revision", Integer, nullable=False, server_default=text("1"), comment="the current"),
    Column("good_revision", Integer, comment="the last that was ready"),
    # What starting again brings back, when no replica is wanted.
    Column("replicas_before_stop", Integer, nullable=False, server_default=text("1")),
    Column(
        "strategy",
        Text,
        nullable=False,
        server_default=text("'start_first'"),
        comment="how the current revision takes the place of the one before",
    ),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    CheckConstraint("slots BETWEEN 1 AND 1024", name="slots"),
    CheckConstraint("desired_replicas BETWEEN 0 AND 1024", name="desired_replicas"),
    CheckConstraint("revision > 0 AND good_revision > 0", name="revision"),
    CheckConstraint("replicas_before_stop BETWEEN 1 AND 1024", name="replicas_before_stop"),
    CheckConstraint("strategy IN ('start_first', 'stop_first')", name="strategy"),
    Index(None, "organization_id", postgresql_where=text("organization_id IS NOT NULL")),
)

deployment_revision = Table(
    "deployment_revision",
    metadata,
    Column("deployment_id", Text, ForeignKey(deployment.c.id, ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("model_version_id", Text, ForeignKey("model_version.id"), nullable=False),
    Column("engine", Text, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("context_tokens", Integer, comment="null is the model's"),
    Column("threads", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, comment="why it was made, or why it failed"),
    Column("fit", JSONB, nullable=False, comment="the estimate it was made on; {} is none"),
    Column("is_override", Boolean, nullable=False, comment="made though it was not to fit"),
    Column("created_by", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("deployment_id", "number"),
    CheckConstraint("number > 0", name="number"),
    CheckConstraint("slots BETWEEN 1 AND 1024", name="slots"),
    CheckConstraint("context_tokens > 0", name="context_tokens"),
    CheckConstraint("threads BETWEEN 1 AND 1024", name="threads"),
    CheckConstraint("state IN ('new', 'good', 'failed')", name="state"),
    Index(None, "model_version_id"),
)

replica = Table(
    "replica",
    metadata,
    Column("id", Text, primary_key=True),
    Column("deployment_id", Text, ForeignKey(deployment.c.id, ondelete="CASCADE"), nullable=False),
    Column("state", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("upstream_model", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("credential", Text, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("revision", Integer, nullable=False, server_default=text("1")),
    Column("number", Integer, nullable=False, server_default=text("1"), comment="names its log"),
    Column("stage", Text, nullable=False, server_default=text("''")),
    Column("percent", SmallInteger, comment="of the stage, where it is known"),
    Column(
        "stages",
        JSONB,
        nullable=False,
        server_default=text("'[]'"),
        comment="[stage, when it began] of those it came through",
    ),
    CheckConstraint(
        "state IN ('starting', 'ready', 'stopping', 'stopped', 'failed')", name="state"
    ),
    CheckConstraint("percent BETWEEN 0 AND 100", name="percent"),
)
