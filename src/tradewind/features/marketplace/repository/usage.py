"""Usage that publishers reported, and what they amended."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, text
from sqlalchemy.dialects.postgresql import insert

from tradewind.core.ids import MeteredUsageId, OrganizationId, SaleOfferId, SubscriptionId
from tradewind.features.marketplace.schemas import UsageDay, UsageQuestion, UsageRow
from tradewind.features.marketplace.tables import metered_usage

_SUMS = text("""
    SELECT dimension, date_trunc('hour', at, 'UTC') AS hour, sum(quantity_micros) AS micros
    FROM metered_usage
    WHERE subscription_id = :subscription AND at >= :since AND at < :until
    GROUP BY 1, 2
""")
_DAYS = text("""
    SELECT date_trunc('day', at, 'UTC') AS day, subscription_id, organization_id, offer_id,
        plan_name, dimension, sum(quantity_micros) FILTER (WHERE amends IS NULL) AS submitted,
        sum(quantity_micros) AS processed, count(*) FILTER (WHERE amends IS NULL) AS events
    FROM metered_usage
    WHERE seller_organization_id = :seller AND at >= :since AND at < :until
        AND (:offer = '' OR offer_id = :offer) AND (:plan = '' OR plan_name = :plan)
        AND (:dimension = '' OR dimension = :dimension)
        AND (:organization = '' OR organization_id = :organization)
    GROUP BY 1, 2, 3, 4, 5, 6
    ORDER BY 1, 2, 6, 5
    LIMIT :limit
""")


def add(tx: Connection, values: Mapping[str, Any]) -> bool:
    """Add an event; False where one of its subscription, plan, dimension and hour is there."""
    added = insert(metered_usage).values(dict(values)).on_conflict_do_nothing()
    return tx.execute(added.returning(metered_usage.c.id)).first() is not None


def of_hour(
    tx: Connection, subscription_id: str, plan_name: str, dimension: str, hour: datetime
) -> UsageRow | None:
    row = tx.execute(
        select(metered_usage).where(
            metered_usage.c.subscription_id == subscription_id,
            metered_usage.c.plan_name == plan_name,
            metered_usage.c.dimension == dimension,
            metered_usage.c.hour == hour,
            metered_usage.c.amends.is_(None),
        )
    ).first()
    return None if row is None else _usage_row(row)


def lock(tx: Connection, usage_id: str, seller: str) -> Row[Any] | None:
    """Return an event, which nobody else amends until the end of `tx`."""
    return tx.execute(
        select(metered_usage)
        .where(
            metered_usage.c.id == usage_id,
            metered_usage.c.seller_organization_id == seller,
            metered_usage.c.amends.is_(None),
        )
        .with_for_update()
    ).first()


def current_micros(tx: Connection, usage_id: str) -> int:
    """Return the quantity of an event with all its amendments."""
    found = tx.execute(
        select(func.sum(metered_usage.c.quantity_micros)).where(
            (metered_usage.c.id == usage_id) | (metered_usage.c.amends == usage_id)
        )
    ).scalar_one()
    return int(found)


def sums(
    tx: Connection, subscription_id: str, since: datetime, until: datetime
) -> dict[tuple[str, datetime], int]:
    """Return millionths of units by dimension and hour."""
    rows = tx.execute(
        _SUMS, {"subscription": subscription_id, "since": since, "until": until}
    ).all()
    return {(row.dimension, row.hour): int(row.micros) for row in rows}


def days(tx: Connection, seller: str, question: UsageQuestion) -> Sequence[UsageDay]:
    rows = tx.execute(
        _DAYS,
        {
            "seller": seller,
            "since": question.since,
            "until": question.until,
            "offer": question.offer_id,
            "plan": question.plan,
            "dimension": question.dimension,
            "organization": question.organization_id,
            "limit": question.limit,
        },
    )
    return [
        UsageDay(
            row.day.date(),
            SubscriptionId(row.subscription_id),
            OrganizationId(row.organization_id),
            SaleOfferId(row.offer_id),
            row.plan_name,
            row.dimension,
            int(row.submitted or 0),
            int(row.processed),
            row.events,
        )
        for row in rows
    ]


def _usage_row(row: Row[Any]) -> UsageRow:
    return UsageRow(
        MeteredUsageId(row.id),
        SubscriptionId(row.subscription_id),
        SaleOfferId(row.offer_id),
        row.plan_name,
        row.dimension,
        row.quantity_micros,
        row.at,
        row.at_text,
        row.reported_at,
    )
