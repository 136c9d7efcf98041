"""Calls in the request log, put there as the shipper puts them."""

import time
from datetime import datetime
from typing import Any

import msgspec

from tradewind.core.ids import uuid7_bytes
from tradewind.db.database import Database
from tradewind.features.metering import repository
from tradewind.features.metering.rules import event_row, log_row, log_row_of_refusal
from tradewind.features.metering.safety_rows import count_calls, examined_call
from tradewind.testing.usage_records import end_of, opened_call
from tradewind.usage.event import Attempt, Refused, Trail, UsageEvent

OWN_ATTEMPT = Attempt("dep_01890000000000000000000000", "own", "only target", 200, "", 149_000)


def ended_call(
    at: datetime | None = None, *, trail: Trail | None = None, **changes: Any
) -> UsageEvent:
    """Return the record of a call that began `at` (now, unless told) and was answered."""
    at_us = _microseconds(at)
    opened = opened_call(at_us=at_us, event_id=uuid7_bytes(at_us // 1000))
    trail = trail or Trail("openai", "small", (OWN_ATTEMPT,), overhead_us=210)
    return msgspec.structs.replace(end_of(opened, trail=trail), **changes)


def refused_call(at: datetime | None = None, **changes: Any) -> Refused:
    """Return the record of a call that was not admitted: no such model."""
    at_us = _microseconds(at)
    refused = Refused(
        event_id=uuid7_bytes(at_us // 1000),
        at_us=at_us,
        organization_id="org_01890000000000000000000000",
        project_id="proj_01890000000000000000000000",
        key_id="k0123456789a",
        operation="chat",
        surface="openai",
        requested_model="none/such",
        http_status=404,
        error_code="model_not_found",
    )
    return msgspec.structs.replace(refused, **changes)


def log_calls(database: Database, *records: UsageEvent | Refused) -> None:
    """Put records into the books and into the log."""
    with database.connect_raw() as connection:
        for table in repository.PARTITIONED:
            repository.create_default_partition(connection, table)
        events = [record for record in records if isinstance(record, UsageEvent)]
        rows = [event_row(event) for event in events]
        repository.store_events(connection, rows)
        calls = [
            examined_call(event, row.event_id, row.at)
            for event, row in zip(events, rows, strict=True)
        ]
        examined = [call for call in calls if call is not None]
        new = repository.store_safety(
            connection, [call.row for call in examined if call.row is not None]
        )
        repository.add_to_hours(connection, count_calls(examined, new))
        repository.store_log(
            connection,
            [
                log_row_of_refusal(record) if isinstance(record, Refused) else log_row(record)
                for record in records
            ],
        )


def _microseconds(at: datetime | None) -> int:
    return time.time_ns() // 1000 if at is None else round(at.timestamp() * 1_000_000)
