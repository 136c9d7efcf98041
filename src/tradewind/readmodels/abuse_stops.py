"""What kill switches stop, and how long the last token took to come to an end."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, Interval, cast, func, literal, select
from sqlalchemy.sql.elements import ColumnElement

from tradewind.features.abuse.schemas import LastToken
from tradewind.features.abuse.tables import kill_switch
from tradewind.features.endpoints.tables import endpoint
from tradewind.features.metering.tables import usage_event

_LONGEST_CALL = timedelta(hours=1)


def is_stopped() -> ColumnElement[bool]:
    """Say of a row of `endpoint` whether its kill switch is thrown."""
    return (
        select(kill_switch.c.id)
        .where(kill_switch.c.endpoint_id == endpoint.c.id, kill_switch.c.lifted_at.is_(None))
        .correlate(endpoint)
        .exists()
    )


def find_endpoint(tx: Connection, name: str) -> str | None:
    """Return the id of the endpoint of this name."""
    return tx.execute(select(endpoint.c.id).where(endpoint.c.name == name)).scalar_one_or_none()


def last_token(tx: Connection, endpoint: str, stopped_at: datetime) -> LastToken:
    """Return how many calls ran when it was stopped, and when the last of them ended: by the usage
    that gateways recorded, so it is there some seconds later.
    """
    duration = usage_event.c.duration_us * cast(literal("1 microsecond"), Interval)
    ended_at = usage_event.c.at + duration
    row = tx.execute(
        select(func.count().label("calls"), func.max(ended_at).label("last_at")).where(
            usage_event.c.model == endpoint,
            usage_event.c.at > stopped_at - _LONGEST_CALL,
            usage_event.c.at <= stopped_at,
            usage_event.c.corrects.is_(None),
            ended_at >= stopped_at,
        )
    ).one()
    return LastToken(row.calls, row.last_at)
