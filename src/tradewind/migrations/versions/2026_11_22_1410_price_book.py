"""The price book: when a price takes effect, who sells, price files, margins, what waits for a
review.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_1410"
down_revision = "2026_11_22_1390"
branch_labels = None
depends_on = None

_APPEND_ONLY = """
    CREATE TRIGGER price_file_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON price_file
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
_TABLES = (
    "price_alarm",
    "price_proposal",
    "price_margin",
    "price_file",
    "price_key",
    "price_effect",
)

_CHECKS = (
    ("source", "source IN ('order', 'file', 'margin', 'sale')"),
    (
        "free",
        (
            "NOT is_free OR (input_nanos = 0 AND output_nanos = 0 AND cached_input_nanos = 0"
            " AND coalesce(cache_write_nanos, 0) = 0"
            " AND NOT jsonb_path_exists(meters, '$.* ? (@ != 0)'))"
        ),
    ),
    (
        "lengths",
        (
            "char_length(seller) <= 200 AND char_length(subject) <= 200"
            " AND char_length(created_by) <= 200"
        ),
    ),
)
_COLUMNS = (
    "organization_id",
    "created_by",
    "subject",
    "source",
    "is_free",
    "is_charged",
    "seller",
    "effective_at",
)


def upgrade() -> None:
    _add_to_prices()
    _create_tables()
    op.execute(_APPEND_ONLY)
    # What took effect before is told: the gateways have it.
    op.execute("INSERT INTO price_effect (told_until) VALUES (now())")


def _add_to_prices() -> None:
    op.add_column("price", sa.Column("effective_at", sa.DateTime(timezone=True)))
    # The one time that prices are written to, by the migration itself: each gets the moment from
    # which it was in force already.
    op.execute("ALTER TABLE price DISABLE TRIGGER price_is_immutable")
    op.execute("UPDATE price SET effective_at = created_at")
    op.execute("ALTER TABLE price ENABLE ALWAYS TRIGGER price_is_immutable")
    # An older release that still runs does not name it.
    op.alter_column(
        "price",
        "effective_at",
        nullable=False,
        server_default=sa.text("now()"),
        comment="the newest that is not after a moment is in force at it",
    )
    op.add_column(
        "price",
        sa.Column(
            "seller",
            sa.Text(),
            server_default=sa.text("''"),
            nullable=False,
            comment="slug of the publisher who is paid; empty is the platform",
        ),
    )
    op.add_column(
        "price",
        sa.Column(
            "is_charged",
            sa.Boolean(),
            server_default=sa.text("true"),
            nullable=False,
            comment="false: shown and counted, and never on an invoice",
        ),
    )
    op.add_column(
        "price",
        sa.Column(
            "is_free",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="that it costs nothing was said, and is no gap",
        ),
    )
    op.add_column(
        "price", sa.Column("source", sa.Text(), server_default=sa.text("'order'"), nullable=False)
    )
    op.add_column(
        "price",
        sa.Column(
            "subject",
            sa.Text(),
            server_default=sa.text("''"),
            nullable=False,
            comment="id of what it came of: a price file, a margin, a sale",
        ),
    )
    op.add_column(
        "price", sa.Column("created_by", sa.Text(), server_default=sa.text("''"), nullable=False)
    )
    op.add_column(
        "price",
        sa.Column(
            "organization_id",
            sa.Text(),
            comment="for whose own endpoints it is; null is everybody's price",
        ),
    )
    op.create_foreign_key(
        op.f("fk_price_organization_id_organization"),
        "price",
        "organization",
        ["organization_id"],
        ["id"],
    )
    for name, condition in _CHECKS:
        op.create_check_constraint(op.f(f"ck_price_{name}"), "price", condition)
    op.drop_index(op.f("ix_price_model_id_created_at"), "price")
    op.create_index(op.f("ix_price_model_id_effective_at"), "price", ["model_id", "effective_at"])
    op.create_index(op.f("ix_price_effective_at"), "price", ["effective_at"])


def _create_tables() -> None:
    op.create_table(
        "price_effect",
        sa.Column("is_the_one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("told_until", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("is_the_one", name=op.f("ck_price_effect_one")),
        sa.PrimaryKeyConstraint("is_the_one", name=op.f("pk_price_effect")),
    )
    op.create_table(
        "price_key",
        sa.Column(
            "id", sa.Text(), nullable=False, comment="the start of the SHA-256 of the public key"
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False, comment="Ed25519, 32 bytes"),
        sa.Column(
            "publisher_slug",
            sa.Text(),
            nullable=False,
            comment="whose models its files may price; empty is every publisher's",
        ),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 80", name=op.f("ck_price_key_name")),
        sa.CheckConstraint("octet_length(public_key) = 32", name=op.f("ck_price_key_public_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_key")),
    )
    op.create_table(
        "price_file",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column(
            "sha256", sa.LargeBinary(), nullable=False, comment="of the file, which is applied once"
        ),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("prices", sa.Integer(), nullable=False, comment="versions that it made"),
        sa.Column("held", sa.Integer(), nullable=False, comment="entries that wait for a review"),
        sa.Column("applied_by", sa.Text(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "octet_length(sha256) = 32 AND octet_length(signature) = 64"
            " AND octet_length(content) <= 4194304",
            name=op.f("ck_price_file_lengths"),
        ),
        sa.ForeignKeyConstraint(
            ["key_id"], ["price_key.id"], name=op.f("fk_price_file_key_id_price_key")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_file")),
        sa.UniqueConstraint("sha256", name=op.f("uq_price_file_sha256")),
    )
    op.create_table(
        "price_margin",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column(
            "target",
            sa.Text(),
            nullable=False,
            comment="publisher/slug, publisher, host or nothing",
        ),
        sa.Column(
            "percent",
            sa.Integer(),
            nullable=False,
            comment="in hundredths of a percent, on the cost",
        ),
        sa.Column("least_nanos", sa.BigInteger(), nullable=False, comment="each price is at least"),
        sa.Column(
            "step_nanos", sa.BigInteger(), nullable=False, comment="rounded up to a multiple of it"
        ),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(scope = 'all') = (target = '')", name=op.f("ck_price_margin_target")),
        sa.CheckConstraint(
            "scope IN ('model', 'publisher', 'host', 'all')", name=op.f("ck_price_margin_scope")
        ),
        sa.CheckConstraint(
            "least_nanos BETWEEN 0 AND 1000000000000000", name=op.f("ck_price_margin_least")
        ),
        sa.CheckConstraint(
            "percent BETWEEN -10000 AND 10000000", name=op.f("ck_price_margin_percent")
        ),
        sa.CheckConstraint("revision > 0", name=op.f("ck_price_margin_revision")),
        sa.CheckConstraint(
            "step_nanos BETWEEN 1 AND 1000000000000", name=op.f("ck_price_margin_step")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_margin")),
        sa.UniqueConstraint("scope", "target", name=op.f("uq_price_margin_scope_target")),
    )
    op.create_table(
        "price_proposal",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column(
            "subject", sa.Text(), nullable=False, comment="the file or margin that it came of"
        ),
        sa.Column(
            "content",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="the price as it would be set",
        ),
        sa.Column("reason", sa.Text(), nullable=False, comment="why it waits for a review"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("price_id", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state = 'accepted') = (price_id IS NOT NULL)", name=op.f("ck_price_proposal_price")
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (decided_at IS NULL)", name=op.f("ck_price_proposal_decided")
        ),
        sa.CheckConstraint("source IN ('file', 'margin')", name=op.f("ck_price_proposal_source")),
        sa.CheckConstraint(
            "state IN ('waiting', 'accepted', 'refused', 'replaced')",
            name=op.f("ck_price_proposal_state"),
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["model.id"], name=op.f("fk_price_proposal_model_id_model")
        ),
        sa.ForeignKeyConstraint(
            ["price_id"], ["price.id"], name=op.f("fk_price_proposal_price_id_price")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_proposal")),
    )
    op.create_index(
        "uq_price_proposal_waiting",
        "price_proposal",
        ["model_id", "source"],
        unique=True,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "price_alarm",
        sa.Column("day", sa.Date(), nullable=False, comment="UTC"),
        sa.Column("model", sa.Text(), nullable=False, comment="publisher/slug"),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("day", "model", name=op.f("pk_price_alarm")),
        comment="who was told of a missing price, once a day",
    )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
    op.drop_index(op.f("ix_price_effective_at"), "price")
    op.drop_index(op.f("ix_price_model_id_effective_at"), "price")
    op.create_index(op.f("ix_price_model_id_created_at"), "price", ["model_id", "created_at"])
    for name, _ in _CHECKS:
        op.drop_constraint(op.f(f"ck_price_{name}"), "price", type_="check")
    for column in _COLUMNS:
        op.drop_column("price", column)
