"""What scores of abuse are made from, and who is scored."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from tradewind.features.abuse.schemas import Found
from tradewind.features.abuse.tables import abuse_case
from tradewind.features.accounts.schemas import KeyPurpose
from tradewind.features.accounts.tables import api_key, organization
from tradewind.features.metering.tables import safety_hour

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_MOST_ROWS = 100_000


def count_findings(tx: Connection, organization_id: str, now: datetime) -> Sequence[Found]:
    """Return what was found in a week, by key, without keys for red teaming, and of each key and of
    the organization only what came after its last case was closed: nothing is judged twice.
    """
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    red_team = select(api_key.c.id).where(
        api_key.c.organization_id == organization_id,
        api_key.c.purpose == KeyPurpose.RED_TEAM.value,
    )
    judged_at = (
        select(func.max(abuse_case.c.closed_at))
        .where(
            abuse_case.c.organization_id == organization_id,
            abuse_case.c.key_id.in_([safety_hour.c.key_id, ""]),
        )
        .correlate(safety_hour)
        .scalar_subquery()
    )
    kind = (
        safety_hour.c.key_id,
        safety_hour.c.category,
        safety_hour.c.direction,
        safety_hour.c.band,
    )
    # Sums of an hour do not say which part of it a decision was about: it begins with the next one.
    counted = (
        select(*kind, safety_hour.c.hour, safety_hour.c.calls)
        .where(
            safety_hour.c.organization_id == organization_id,
            safety_hour.c.hour > this_hour - _WEEK,
            safety_hour.c.key_id.not_in(red_team),
            (safety_hour.c.category != "") | (safety_hour.c.action == "examined"),
            safety_hour.c.hour > func.coalesce(judged_at, this_hour - _WEEK),
        )
        .subquery()
    )
    calls = func.sum(counted.c.calls)
    rows = tx.execute(
        select(
            counted.c.key_id,
            counted.c.category,
            counted.c.direction,
            counted.c.band,
            func.coalesce(calls.filter(counted.c.hour >= this_hour - _HOUR), 0).label("last_hour"),
            func.coalesce(calls.filter(counted.c.hour > this_hour - _DAY), 0).label("last_day"),
            calls.label("week"),
            func.count(counted.c.hour.distinct()).label("hours"),
        )
        .group_by(counted.c.key_id, counted.c.category, counted.c.direction, counted.c.band)
        # Should there ever be more, the least is left out.
        .order_by(calls.desc())
        .limit(_MOST_ROWS)
    )
    return [
        Found(
            row.key_id,
            row.category,
            row.direction,
            row.band,
            int(row.last_hour),
            int(row.last_day),
            int(row.week),
            row.hours,
        )
        for row in rows
    ]


def organizations_found(tx: Connection, now: datetime, *, after: str, limit: int) -> Sequence[str]:
    """Return who had calls examined in the last week, by id, from behind `after`."""
    has_calls = (
        select(safety_hour.c.hour)
        .where(
            safety_hour.c.organization_id == organization.c.id,
            safety_hour.c.hour > now - _WEEK - _HOUR,
        )
        .exists()
    )
    return (
        tx.execute(
            select(organization.c.id)
            .where(organization.c.id > after, has_calls)
            .order_by(organization.c.id)
            .limit(limit)
        )
        .scalars()
        .all()
    )


def organization_names(tx: Connection, organizations: Collection[str]) -> Mapping[str, str]:
    """Return what people call those of them that are there."""
    if not organizations:
        return {}
    rows = tx.execute(
        select(organization.c.id, organization.c.name).where(
            organization.c.id.in_(list(organizations))
        )
    )
    return {row.id: row.name for row in rows}


def has_key(tx: Connection, organization_id: str, key_id: str) -> bool:
    found = tx.execute(
        select(api_key.c.id).where(
            api_key.c.organization_id == organization_id, api_key.c.id == key_id
        )
    )
    return found.one_or_none() is not None
