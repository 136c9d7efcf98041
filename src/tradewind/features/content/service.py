"""What others may ask of contents. Nothing here commits.

`days` says for how many days each organization keeps content; one that is not in it keeps none.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tradewind.features.content import repository
from tradewind.features.content.repository import Connection
from tradewind.features.content.schemas import ContentRow
from tradewind.features.metering import service as metering

TABLE = "request_content"
SWEPT_AT_ONCE = 500
_ONE_DAY = timedelta(days=1)


def keep(tx: Connection, rows: Sequence[ContentRow], days: Mapping[str, int], now: datetime) -> int:
    """Store what is to be kept still, and return how much that is. Idempotent."""
    kept = [row for row in rows if is_kept(row.at, days.get(row.organization_id, 0), now)]
    if kept:
        repository.add(tx, kept)
    return len(kept)


def is_kept(at: datetime, days: int, now: datetime) -> bool:
    """Say whether content of a call at this time is kept now by one that keeps it so many days."""
    return days > 0 and at > now - timedelta(days=days)


def make_partitions(tx: Connection, now: datetime) -> None:
    """Make the days around now; what is of other days finds room in the default partition."""
    today = now.date()
    metering.ensure_partitions(tx, {today - _ONE_DAY, today, today + _ONE_DAY}, (TABLE,))


def drop_days(tx: Connection, days: Mapping[str, int], now: datetime) -> None:
    """Drop the days that no organization keeps any more: whole partitions, which costs little."""
    longest = max(days.values(), default=0)
    metering.forget_days_before(tx, TABLE, now.date() - timedelta(days=longest))


def organizations(tx: Connection) -> list[str]:
    """Return whose content there is."""
    return repository.organizations(tx)


def sweep(tx: Connection, organization_id: str, days: int, now: datetime) -> bool:
    """Delete up to SWEPT_AT_ONCE of what an organization keeps no more. Says whether there may be
    more.
    """
    than = now - timedelta(days=days) if days > 0 else None
    removed = repository.remove_older(tx, organization_id, than, SWEPT_AT_ONCE)
    return removed == SWEPT_AT_ONCE
