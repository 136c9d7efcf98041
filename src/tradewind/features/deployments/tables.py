"""Tables of deployments: desired state, and what was last seen of the replicas."""

from sqlalchemy import CheckConstraint, Column, DateTime, ForeignKey, Integer, Table, Text

from tradewind.db.metadata import metadata

deployment = Table(
    "deployment",
    metadata,
    Column("id", Text, primary_key=True),
    Column("model_version_id", Text, ForeignKey("model_version.id"), nullable=False, unique=True),
    Column("engine", Text, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("desired_replicas", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("slots BETWEEN 1 AND 1024", name="slots"),
    CheckConstraint("desired_replicas BETWEEN 0 AND 1024", name="desired_replicas"),
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
    CheckConstraint(
        "state IN ('starting', 'ready', 'stopping', 'stopped', 'failed')", name="state"
    ),
)
