"""Single usage events, as evidence."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, select

from tradewind.core.money import Money
from tradewind.features.metering.tables import usage_event

_ROUNDING = timedelta(milliseconds=2)


def cost_of_event(tx: Connection, event_id: UUID) -> Money | None:
    """Return what a call cost, or None while it is not shipped yet."""
    # A UUIDv7 begins with the event's millisecond, which names the one partition to look in.
    at = datetime.fromtimestamp((event_id.int >> 80) / 1000, UTC)
    row = tx.execute(
        select(usage_event.c.cost_nanos, usage_event.c.currency).where(
            usage_event.c.event_id == event_id,
            usage_event.c.at.between(at - _ROUNDING, at + _ROUNDING),
        )
    ).first()
    return None if row is None else Money(row.cost_nanos, row.currency)
