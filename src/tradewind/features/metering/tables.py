"""Tables of metering. `usage_event`, `request_log` and `usage_safety` are partitioned by UTC day;
the shipper makes their partitions.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import CHAR

from tradewind.db.metadata import metadata

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


def _hour_keys() -> list[Column[Any]]:
    types: dict[str, Any] = {"hour": DateTime(timezone=True), "currency": CHAR(3)}
    return [Column(name, types.get(name, Text()), nullable=False) for name in _HOUR_KEYS]


usage_event = Table(
    "usage_event",
    metadata,
    Column("event_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, comment="when the call was admitted"),
    Column("organization_id", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("deployment_id", Text, nullable=False),
    Column("price_id", Text, nullable=False),
    Column("currency", CHAR(3), nullable=False),
    Column("is_stream", Boolean, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("http_status", SmallInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger, nullable=False, comment="part of input_tokens"),
    Column("output_tokens", BigInteger, nullable=False),
    Column(
        "cache_write_tokens",
        BigInteger,
        nullable=False,
        server_default="0",
        comment="part of input_tokens, and never of the cached ones",
    ),
    Column(
        "meters",
        JSONB,
        comment="quantities of what only some calls have: reasoning_tokens, images, characters",
    ),
    Column("usage_source", Text, nullable=False),
    Column("cost_nanos", BigInteger, nullable=False),
    Column("first_token_us", BigInteger),
    Column("duration_us", BigInteger, nullable=False),
    Column(
        "provider_cost_nanos",
        BigInteger,
        comment="what the host took, of provider_currency; null where none does",
    ),
    Column("provider_currency", CHAR(3)),
    Column("is_batch", Boolean, nullable=False, server_default=text("false")),
    Column("host", Text, nullable=False, server_default=text("''")),
    Column("region", Text, nullable=False, server_default=text("''")),
    Column("corrects", Uuid, comment="event whose sums it changes, by quantities below zero too"),
    # The time is part of the key because PostgreSQL wants the partition column in it. It comes from
    # the journal, so a repeat meets the same partition and the same key.
    PrimaryKeyConstraint("at", "event_id"),
    Index(None, "organization_id", "at"),
    postgresql_partition_by="RANGE (at)",
)

usage_hour = Table(
    "usage_hour",
    metadata,
    Column("organization_id", Text, nullable=False),
    Column("hour", DateTime(timezone=True), nullable=False, comment="when it began, UTC"),
    Column("project_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("price_id", Text, nullable=False),
    Column("currency", CHAR(3), nullable=False),
    Column("requests", BigInteger, nullable=False, comment="all, whatever became of them"),
    Column("failed", BigInteger, nullable=False),
    Column("cancelled", BigInteger, nullable=False),
    Column("orphaned", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False, server_default="0"),
    Column("cost_nanos", Numeric(38, 0), nullable=False),
    Column("first_token_count", BigInteger, nullable=False, comment="events that have one"),
    Column("first_token_us_total", BigInteger, nullable=False),
    Column("duration_us_total", BigInteger, nullable=False),
    PrimaryKeyConstraint(
        "organization_id",
        "hour",
        "project_id",
        "key_id",
        "model",
        "operation",
        "price_id",
        "currency",
    ),
)

usage_hour_meter = Table(
    "usage_hour_meter",
    metadata,
    *_hour_keys(),
    Column("meter", Text, nullable=False),
    Column("is_batch", Boolean, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    PrimaryKeyConstraint(*_HOUR_KEYS, "meter", "is_batch"),
    comment="of an hour: what only some calls have, and the tokens of batches, which are in"
    " usage_hour too",
)

usage_hour_host = Table(
    "usage_hour_host",
    metadata,
    *_hour_keys(),
    Column("host", Text, nullable=False),
    Column("provider_currency", CHAR(3), nullable=False),
    Column("requests", BigInteger, nullable=False, comment="for which it takes something"),
    Column("provider_cost_nanos", Numeric(38, 0), nullable=False),
    PrimaryKeyConstraint(*_HOUR_KEYS, "host", "provider_currency"),
    comment="of an hour: what hosts took for it; one may be answered by several of them, each in"
    " its own currency",
)

usage_news = Table(
    "usage_news",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("at", ARRAY(DateTime(timezone=True)), nullable=False),
    Column("event_id", ARRAY(Uuid), nullable=False),
    comment="events that nobody made receipts of yet",
)

usage_correction = Table(
    "usage_correction",
    metadata,
    Column("event_id", Uuid, primary_key=True, comment="of the event that corrects"),
    Column("corrects", Uuid, nullable=False),
    Column("key", Text, nullable=False, unique=True, comment="a repeat has the same"),
    Column("content", Text, nullable=False, comment="SHA-256 of what a repeat has to say too"),
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False, comment="who made it, as people call them"),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("cost_nanos", BigInteger, nullable=False),
    Column("currency", CHAR(3), nullable=False),
    Index(None, "corrects"),
    comment="who took back what of which event, and why",
)

usage_archive = Table(
    "usage_archive",
    metadata,
    Column("day", Date, nullable=False, comment="UTC, of its events"),
    Column(
        "part",
        Integer,
        nullable=False,
        comment="0 is the day itself; others came when it was gone from the tables",
    ),
    Column("state", Text, nullable=False),
    Column("store", Text, nullable=False, comment="disk or s3"),
    Column("location", Text, nullable=False, unique=True, comment="of the Parquet file in it"),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column(
        "totals",
        JSONB,
        nullable=False,
        comment="what its events sum up to: tokens, and costs by currency, as texts",
    ),
    Column("exported_at", DateTime(timezone=True), nullable=False),
    Column("verified_at", DateTime(timezone=True)),
    Column("detached_at", DateTime(timezone=True)),
    Column("dropped_at", DateTime(timezone=True)),
    PrimaryKeyConstraint("day", "part"),
    CheckConstraint("state IN ('exported', 'verified', 'detached', 'dropped')", name="state"),
    CheckConstraint(
        "(state = 'exported') = (verified_at IS NULL)"
        " AND (state IN ('detached', 'dropped')) = (detached_at IS NOT NULL)"
        " AND (state = 'dropped') = (dropped_at IS NOT NULL)",
        name="times",
    ),
    CheckConstraint("octet_length(sha256) = 32", name="sha256"),
    CheckConstraint("part >= 0 AND events >= 0", name="counts"),
    # One part of a day is on its way at most: what comes late waits for the next.
    Index(
        "uq_usage_archive_open",
        "day",
        unique=True,
        postgresql_where=text("state <> 'dropped'"),
    ),
    comment="files that hold the events of days, and whether the days are gone from the tables",
)

request_log = Table(
    "request_log",
    metadata,
    Column("event_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("organization_id", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("surface", Text, nullable=False, comment="the API the client spoke"),
    Column("requested_model", Text, nullable=False, comment="as the client wrote it"),
    Column("model", Text, nullable=False, comment="empty when it was refused before one was found"),
    Column("host", Text, nullable=False, comment="whose host answered; empty when none did"),
    Column("http_status", SmallInteger, nullable=False),
    Column("error_code", Text, nullable=False),
    Column("attempts", JSONB, nullable=False, comment="one after another: target, why, result"),
    Column("queued_us", BigInteger, nullable=False),
    Column("overhead_us", BigInteger, nullable=False),
    Column("trace_parent", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("tags", JSONB, nullable=False),
    PrimaryKeyConstraint("at", "event_id"),
    Index(None, "organization_id", "at"),
    postgresql_partition_by="RANGE (at)",
    comment="what became of each call, and of refused ones; kept for some days only",
)

journal_segment = Table(
    "journal_segment",
    metadata,
    Column("name", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("boot_ns", BigInteger, nullable=False),
    Column("number", Integer, nullable=False),
    Column("read_offset", BigInteger, nullable=False, comment="all before it is in the tables"),
    Column("next_sequence", BigInteger, nullable=False, comment="of the frame expected there"),
    Column("is_finished", Boolean, nullable=False, comment="the file may be deleted"),
    Column("quarantined_bytes", BigInteger, nullable=False),
    Column("missing_frames", BigInteger, nullable=False, comment="by gaps in the sequence"),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column(
        "is_summed_by_writer",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="all of it is in usage_writer_day; false for what an older release began",
    ),
)

usage_writer_day = Table(
    "usage_writer_day",
    metadata,
    Column("node", Text, nullable=False),
    Column("boot_ns", BigInteger, nullable=False, comment="with node: the writer"),
    Column("organization_id", Text, nullable=False),
    Column("day", Date, nullable=False, comment="UTC, when the calls were admitted"),
    Column("project_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("price_id", Text, nullable=False, server_default=text("''")),
    Column("currency", CHAR(3), nullable=False),
    Column("cost_nanos", Numeric(38, 0), nullable=False),
    PrimaryKeyConstraint(
        "node", "boot_ns", "organization_id", "day", "project_id", "key_id", "price_id", "currency"
    ),
    comment="what each gateway spent, so that a dead one's leases of budgets can be settled",
)

journal_open = Table(
    "journal_open",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("node", Text, nullable=False),
    Column("boot_ns", BigInteger, nullable=False, comment="with node: the writer"),
    Column("opened", LargeBinary, nullable=False, comment="the OPEN record as in the journal"),
    Column("output_tokens", BigInteger, comment="of the last PROGRESS; null is none"),
    Column("read_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index(None, "node", "boot_ns", "event_id"),
    comment="calls whose end was not read yet",
)

journal_quarantine = Table(
    "journal_quarantine",
    metadata,
    Column("segment", Text, nullable=False),
    Column("start_offset", BigInteger, nullable=False),
    Column("end_offset", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("noted_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("segment", "start_offset"),
    comment="what could not be read or stored; the segment is kept in the folder `damaged`",
)

usage_safety = Table(
    "usage_safety",
    metadata,
    Column("event_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("organization_id", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("action", Text, nullable=False, comment="the gravest that followed; empty: none"),
    Column("policies", JSONB, nullable=False, comment="ids with the versions that held"),
    Column("flags", JSONB, nullable=False, comment="the gravest by category and direction"),
    Column("failures", JSONB, nullable=False, comment="checks that could not tell, and why"),
    Column("blocked_at", BigInteger, comment="characters of the answer that had gone out"),
    Column("examined_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("at", "event_id"),
    Index(None, "organization_id", "at"),
    postgresql_partition_by="RANGE (at)",
    comment="calls of which checks had something to say; kept as long as the request log",
)

safety_hour = Table(
    "safety_hour",
    metadata,
    Column("organization_id", Text, nullable=False),
    Column("hour", DateTime(timezone=True), nullable=False, comment="when it began, UTC"),
    Column("project_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("category", Text, nullable=False, comment="empty: of calls as a whole"),
    Column("direction", Text, nullable=False),
    Column("band", Text, nullable=False, comment="safe, low, medium or high"),
    Column("action", Text, nullable=False, comment="of calls: examined, failed or blocked"),
    Column("calls", BigInteger, nullable=False),
    PrimaryKeyConstraint(
        "organization_id", "hour", "project_id", "key_id", "category", "direction", "band", "action"
    ),
    comment="of an hour: how many calls a policy held for, and what was found",
)
