"""Safety: policies with their versions and bindings, lists and data of checks, dry runs, and what
checks found in calls. The platform's default policy holds from here on; the floor is empty.
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_1600"
down_revision = "2026_11_22_1590"
branch_labels = None
depends_on = None

_TABLES = (
    "safety_policy_version",
    "safety_corpus_text",
    "safety_blocklist_item",
    "safety_binding",
    "safety_policy",
    "safety_dry_run",
    "safety_corpus",
    "safety_category",
    "safety_blocklist",
    "usage_safety",
    "safety_hour",
    "safety_data",
)
_APPEND_ONLY = """
    CREATE TRIGGER safety_policy_version_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON safety_policy_version
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
_BOTH = ["prompt", "completion"]
_EVERYWHERE = ["prompt", "document", "completion"]
# A deadline is for checks that hang and not for long prompts: 6 ms a KB is 6 s for a megabyte.
_DEADLINE_MS = 10_000


def _rule(category: str, direction: str) -> dict[str, Any]:
    return {"category": category, "direction": direction, "threshold": 6, "action": "block"}


def _check(name: str, directions: list[str]) -> dict[str, Any]:
    return {"name": name, "directions": directions, "deadline_ms": _DEADLINE_MS}


_DEFAULT: dict[str, Any] = {
    "rules": [
        *(
            _rule(category, direction)
            for category in ("hate", "self_harm", "sexual", "violence")
            for direction in _BOTH
        ),
        _rule("jailbreak", "prompt"),
        _rule("indirect_attack", "document"),
    ],
    "checks": [
        _check("harms", _BOTH),
        _check("prompt_shield", ["prompt", "document"]),
        _check("pii", _EVERYWHERE),
        _check("secrets", _EVERYWHERE),
        _check("profanity", _BOTH),
    ],
    "streaming": "buffered",
}
_EMPTY: dict[str, Any] = {"rules": [], "checks": [], "streaming": "buffered"}
_ADD_POLICY = sa.text("""
    INSERT INTO safety_policy (id, standing, name, version, created_at)
    VALUES (:id, :standing, :name, 1, now())
""")
_ADD_VERSION = sa.text("""
    INSERT INTO safety_policy_version
        (policy_id, version, name, content, why, changed_by, changed_at)
    VALUES (:id, 1, :name, CAST(:content AS jsonb), :why, 'the platform', now())
""")


def upgrade() -> None:
    _create_tables()
    op.execute(_APPEND_ONLY)
    _add_policy(1, "default", "Default", _DEFAULT, "what holds where nobody bound anything")
    _add_policy(2, "floor", "Floor", _EMPTY, "what holds for everybody beside their own policies")


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)


def _add_policy(number: int, standing: str, name: str, content: dict[str, Any], why: str) -> None:
    policy_id = f"policy_{number:026d}"
    bind = op.get_bind()
    bind.execute(_ADD_POLICY, {"id": policy_id, "standing": standing, "name": name})
    bind.execute(
        _ADD_VERSION,
        {"id": policy_id, "name": name, "content": json.dumps(content), "why": why},
    )


def _create_tables() -> None:
    op.create_table(
        "safety_data",
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of the bytes, hexadecimal"),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False, comment="the last time"),
        sa.CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name=op.f("ck_safety_data_digest")),
        sa.CheckConstraint("octet_length(content) <= 67108864", name=op.f("ck_safety_data_size")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_safety_data")),
        comment="what checks were given; what nothing names any more goes after a day",
    )
    op.create_table(
        "safety_hour",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False, comment="when it began, UTC"),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False, comment="empty: of calls as a whole"),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("band", sa.Text(), nullable=False, comment="safe, low, medium or high"),
        sa.Column(
            "action", sa.Text(), nullable=False, comment="of calls: examined, failed or blocked"
        ),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "organization_id",
            "hour",
            "project_id",
            "key_id",
            "category",
            "direction",
            "band",
            "action",
            name=op.f("pk_safety_hour"),
        ),
        comment="of an hour: how many calls a policy held for, and what was found",
    )
    op.create_table(
        "usage_safety",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column(
            "action", sa.Text(), nullable=False, comment="the gravest that followed; empty: none"
        ),
        sa.Column(
            "policies",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="ids with the versions that held",
        ),
        sa.Column(
            "flags",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="the gravest by category and direction",
        ),
        sa.Column(
            "failures",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="checks that could not tell, and why",
        ),
        sa.Column(
            "blocked_at",
            sa.BigInteger(),
            nullable=True,
            comment="characters of the answer that had gone out",
        ),
        sa.Column("examined_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("at", "event_id", name=op.f("pk_usage_safety")),
        comment="calls of which checks had something to say; kept as long as the request log",
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index(
        op.f("ix_usage_safety_organization_id_at"),
        "usage_safety",
        ["organization_id", "at"],
        unique=False,
    )
    op.create_table(
        "safety_blocklist",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="empty: it has no terms"),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "char_length(name) <= 64 AND char_length(description) <= 1024",
            name=op.f("ck_safety_blocklist_lengths"),
        ),
        sa.CheckConstraint("items BETWEEN 0 AND 10000", name=op.f("ck_safety_blocklist_items")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_safety_blocklist_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_safety_blocklist")),
        sa.UniqueConstraint(
            "organization_id", "name", name=op.f("uq_safety_blocklist_organization_id_name")
        ),
    )
    op.create_table(
        "safety_category",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column(
            "is_rapid",
            sa.Boolean(),
            nullable=False,
            comment="finds what is much like an example",
        ),
        sa.Column("positives", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("negatives", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "quality", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("percent", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="empty: there are no data yet"),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False, comment="of what it is made from"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "beat_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the worker's last sign of life",
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'working', 'ready', 'failed')",
            name=op.f("ck_safety_category_state"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_safety_category_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_safety_category")),
        sa.UniqueConstraint(
            "organization_id", "name", name=op.f("uq_safety_category_organization_id_name")
        ),
    )
    op.create_index(
        "ix_safety_category_waiting",
        "safety_category",
        ["updated_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'working')"),
    )
    op.create_table(
        "safety_corpus",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.Column("citation", sa.Text(), nullable=False),
        sa.Column("is_code", sa.Boolean(), nullable=False),
        sa.Column("texts", sa.Integer(), nullable=False),
        sa.Column("characters", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("percent", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="empty: there are no data yet"),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False, comment="of what it is made from"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "beat_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the worker's last sign of life",
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'working', 'ready', 'failed')", name=op.f("ck_safety_corpus_state")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_safety_corpus_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_safety_corpus")),
        sa.UniqueConstraint(
            "organization_id", "name", name=op.f("uq_safety_corpus_organization_id_name")
        ),
    )
    op.create_index(
        "ix_safety_corpus_waiting",
        "safety_corpus",
        ["updated_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'working')"),
    )
    op.create_table(
        "safety_dry_run",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column(
            "policy_id", sa.Text(), nullable=False, comment="empty: a policy that is not there yet"
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("total", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "result", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("error", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state IN ('done', 'failed', 'cancelled')) = (ended_at IS NOT NULL)",
            name=op.f("ck_safety_dry_run_ended"),
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'failed', 'cancelled')",
            name=op.f("ck_safety_dry_run_state"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_safety_dry_run_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_safety_dry_run")),
    )
    op.create_index(
        op.f("ix_safety_dry_run_organization_id_created_at"),
        "safety_dry_run",
        ["organization_id", "created_at"],
        unique=False,
    )
    op.create_index(
        "uq_safety_dry_run_open",
        "safety_dry_run",
        ["organization_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_table(
        "safety_policy",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=True, comment="null: the platform's"),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="the newest, which holds"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "deleted_at", sa.DateTime(timezone=True), nullable=True, comment="its versions are kept"
        ),
        sa.CheckConstraint(
            "(standing = 'own') = (organization_id IS NOT NULL)",
            name=op.f("ck_safety_policy_owner"),
        ),
        sa.CheckConstraint(
            "standing IN ('own', 'default', 'floor')", name=op.f("ck_safety_policy_standing")
        ),
        sa.CheckConstraint(
            "char_length(name) BETWEEN 1 AND 80 AND version > 0",
            name=op.f("ck_safety_policy_limits"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_safety_policy_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_safety_policy")),
    )
    op.create_index(
        "uq_safety_policy_name",
        "safety_policy",
        ["organization_id", "name"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "safety_binding",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("policy_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column(
            "organization_id",
            sa.Text(),
            nullable=True,
            comment="whose the subject is; null: the platform's",
        ),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bound_by", sa.Text(), nullable=False),
        sa.Column("unbound_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unbound_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('organization', 'project', 'endpoint', 'deployment')",
            name=op.f("ck_safety_binding_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["policy_id"],
            ["safety_policy.id"],
            name=op.f("fk_safety_binding_policy_id_safety_policy"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_safety_binding")),
    )
    op.create_index(
        op.f("ix_safety_binding_subject_id"), "safety_binding", ["subject_id"], unique=False
    )
    op.create_index(
        "uq_safety_binding_open",
        "safety_binding",
        ["policy_id", "kind", "subject_id"],
        unique=True,
        postgresql_where=sa.text("unbound_at IS NULL"),
    )
    op.create_table(
        "safety_blocklist_item",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("blocklist_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("is_regex", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "char_length(text) BETWEEN 1 AND 128 AND char_length(description) <= 1024",
            name=op.f("ck_safety_blocklist_item_lengths"),
        ),
        sa.ForeignKeyConstraint(
            ["blocklist_id"],
            ["safety_blocklist.id"],
            name=op.f("fk_safety_blocklist_item_blocklist_id_safety_blocklist"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_safety_blocklist_item")),
        sa.UniqueConstraint(
            "blocklist_id",
            "text",
            "is_regex",
            name=op.f("uq_safety_blocklist_item_blocklist_id_text_is_regex"),
        ),
    )
    op.create_table(
        "safety_corpus_text",
        sa.Column("corpus_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.CheckConstraint("char_length(title) <= 200", name=op.f("ck_safety_corpus_text_title")),
        sa.ForeignKeyConstraint(
            ["corpus_id"],
            ["safety_corpus.id"],
            name=op.f("fk_safety_corpus_text_corpus_id_safety_corpus"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("corpus_id", "number", name=op.f("pk_safety_corpus_text")),
    )
    op.create_table(
        "safety_policy_version",
        sa.Column("policy_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "content",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="rules, checks, streaming",
        ),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False, comment="as people call them"),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "char_length(why) <= 500 AND char_length(changed_by) <= 200",
            name=op.f("ck_safety_policy_version_lengths"),
        ),
        sa.ForeignKeyConstraint(
            ["policy_id"],
            ["safety_policy.id"],
            name=op.f("fk_safety_policy_version_policy_id_safety_policy"),
        ),
        sa.PrimaryKeyConstraint("policy_id", "version", name=op.f("pk_safety_policy_version")),
    )
