"""What hosts take, beside what callers pay; rarer meters by the hour; receipts."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_1460"
down_revision = "2026_11_22_1430"
branch_labels = None
depends_on = None

_STAY = ("receipt", "receipt_head")
_STAYS = """
    CREATE TRIGGER {table}_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
_HOUR_KEYS = (
    "organization_id",
    "hour",
    "project_id",
    "key_id",
    "model",
    "operation",
    "price_id",
    "currency",
)
_COSTS = ("cost_cached_input_nanos", "cost_cache_write_nanos", "cost_meters")
_OF_EVENTS = (
    "provider_cost_nanos",
    "provider_currency",
    "is_batch",
    "host",
    "region",
    "corrects",
)


def _hour_keys() -> list[sa.Column[Any]]:
    types = {"hour": sa.DateTime(timezone=True), "currency": sa.CHAR(3)}
    return [sa.Column(name, types.get(name, sa.Text()), nullable=False) for name in _HOUR_KEYS]


def upgrade() -> None:
    _add_costs()
    _add_hours()
    _add_corrections()
    _add_receipts()
    for table in _STAY:
        op.execute(_STAYS.format(table=table))


def downgrade() -> None:
    for table in ("receipt_key", "receipt_head", "receipt", "receipt_chain"):
        op.drop_table(table)
    for table in ("usage_correction", "usage_news", "usage_hour_host", "usage_hour_meter"):
        op.drop_table(table)
    for name in _OF_EVENTS:
        op.drop_column("usage_event", name)
    op.drop_constraint(op.f("ck_endpoint_target_cost_parts"), "endpoint_target")
    for name in _COSTS:
        op.drop_column("endpoint_target", name)


def _add_costs() -> None:
    op.add_column(
        "usage_event",
        sa.Column(
            "provider_cost_nanos",
            sa.BigInteger(),
            nullable=True,
            comment="what the host took, of provider_currency; null where none does",
        ),
    )
    op.add_column("usage_event", sa.Column("provider_currency", sa.CHAR(3), nullable=True))
    op.add_column(
        "usage_event",
        sa.Column("is_batch", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    for name in ("host", "region"):
        op.add_column(
            "usage_event",
            sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False),
        )
    op.add_column(
        "usage_event",
        sa.Column(
            "corrects",
            sa.Uuid(),
            nullable=True,
            comment="event whose sums it changes, by quantities below zero too",
        ),
    )
    for name in _COSTS[:2]:
        op.add_column(
            "endpoint_target",
            sa.Column(name, sa.BigInteger(), nullable=True, comment="null is as any input"),
        )
    op.add_column(
        "endpoint_target",
        sa.Column(_COSTS[2], postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
    )
    op.create_check_constraint(
        op.f("ck_endpoint_target_cost_parts"),
        "endpoint_target",
        "cost_cached_input_nanos BETWEEN 0 AND 1000000000000000"
        " AND cost_cache_write_nanos BETWEEN 0 AND 1000000000000000"
        " AND jsonb_typeof(cost_meters) = 'object'",
    )


def _add_hours() -> None:
    op.create_table(
        "usage_hour_meter",
        *_hour_keys(),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("is_batch", sa.Boolean(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*_HOUR_KEYS, "meter", "is_batch", name=op.f("pk_usage_hour_meter")),
        comment="of an hour: what only some calls have, and the tokens of batches, which are in"
        " usage_hour too",
    )
    op.create_table(
        "usage_hour_host",
        *_hour_keys(),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("provider_currency", sa.CHAR(3), nullable=False),
        sa.Column(
            "requests", sa.BigInteger(), nullable=False, comment="for which it takes something"
        ),
        sa.Column("provider_cost_nanos", sa.Numeric(38, 0), nullable=False),
        sa.PrimaryKeyConstraint(
            *_HOUR_KEYS, "host", "provider_currency", name=op.f("pk_usage_hour_host")
        ),
        comment="of an hour: what hosts took for it; one may be answered by several of them, each"
        " in its own currency",
    )
    op.create_table(
        "usage_news",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("at", postgresql.ARRAY(sa.DateTime(timezone=True)), nullable=False),
        sa.Column("event_id", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_usage_news")),
        comment="events that nobody made receipts of yet",
    )


def _add_corrections() -> None:
    op.create_table(
        "usage_correction",
        sa.Column("event_id", sa.Uuid(), nullable=False, comment="of the event that corrects"),
        sa.Column("corrects", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="a repeat has the same"),
        sa.Column(
            "content", sa.Text(), nullable=False, comment="SHA-256 of what a repeat has to say too"
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False, comment="who made it, as people call them"),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cost_nanos", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(3), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_usage_correction")),
        sa.UniqueConstraint("key", name=op.f("uq_usage_correction_key")),
        comment="who took back what of which event, and why",
    )
    op.create_index(
        op.f("ix_usage_correction_corrects"), "usage_correction", ["corrects"], unique=False
    )


def _add_receipts() -> None:
    op.create_table(
        "receipt_chain",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="its name for others"),
        sa.Column(
            "sequence", sa.BigInteger(), nullable=False, comment="of the newest receipt; 0 is none"
        ),
        sa.Column("hash", sa.LargeBinary(), nullable=False, comment="of the newest receipt"),
        sa.Column("signed_sequence", sa.BigInteger(), nullable=False, comment="of the newest head"),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("ck_receipt_chain_hash")),
        sa.CheckConstraint(
            "signed_sequence BETWEEN 0 AND sequence", name=op.f("ck_receipt_chain_signed")
        ),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_receipt_chain")),
        sa.UniqueConstraint("id", name=op.f("uq_receipt_chain_id")),
    )
    op.create_index(
        op.f("ix_receipt_chain_organization_id"),
        "receipt_chain",
        ["organization_id"],
        unique=False,
        postgresql_where=sa.text("signed_sequence < sequence"),
    )
    op.create_table(
        "receipt",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False, comment="from 1, without a gap"),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the call was admitted",
        ),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("sale", sa.Text(), nullable=False, comment="canonical JSON"),
        sa.Column("buyer", sa.Text(), nullable=False, comment="canonical JSON"),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("ck_receipt_hash")),
        sa.PrimaryKeyConstraint("organization_id", "sequence", name=op.f("pk_receipt")),
    )
    op.create_index(
        op.f("ix_receipt_organization_id_at"), "receipt", ["organization_id", "at"], unique=False
    )
    op.create_index(op.f("ix_receipt_event_id"), "receipt", ["event_id"], unique=False)
    op.create_table(
        "receipt_head",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column(
            "head", sa.Text(), nullable=False, comment="canonical JSON, which is what is signed"
        ),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("octet_length(signature) = 64", name=op.f("ck_receipt_head_signature")),
        sa.PrimaryKeyConstraint("organization_id", "sequence", name=op.f("pk_receipt_head")),
    )
    op.create_table(
        "receipt_key",
        sa.Column("id", sa.Text(), nullable=False, comment="SHA-256 of the key, in hex"),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("octet_length(public_key) = 32", name=op.f("ck_receipt_key_public_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipt_key")),
        comment="every key that ever signed heads: what it signed stays signed",
    )
