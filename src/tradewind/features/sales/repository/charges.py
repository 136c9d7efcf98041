"""What billing asks of subscriptions, and who said that they pay."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, text

from tradewind.features.sales.schemas import (
    Confirmed,
)
from tradewind.features.sales.tables import (
    payment_confirmation,
    sale_offer,
    subscription,
    subscription_charge,
    subscription_span,
)


def charges_due(
    tx: Connection, organization_ids: Sequence[str], until: datetime
) -> Sequence[Row[Any]]:
    return tx.execute(
        select(subscription_charge)
        .where(
            subscription_charge.c.organization_id == func.any(list(organization_ids)),
            subscription_charge.c.due_at < until,
        )
        .order_by(subscription_charge.c.due_at, subscription_charge.c.key)
    ).all()


def spans(
    tx: Connection, organization_ids: Iterable[str], since: datetime, until: datetime
) -> Sequence[Row[Any]]:
    """Return the spans that touch a time, those of apps too."""
    return tx.execute(
        select(
            subscription_span,
            subscription.c.organization_id,
            subscription.c.term_start,
            subscription.c.term_end,
            sale_offer.c.model_id,
            sale_offer.c.publisher_slug,
            sale_offer.c.licensing,
            sale_offer.c.fee_percent_millionths,
        )
        .join(subscription, subscription.c.id == subscription_span.c.subscription_id)
        .join(sale_offer, sale_offer.c.id == subscription.c.offer_id)
        .where(
            subscription.c.organization_id == func.any(list(organization_ids)),
            subscription_span.c.since < until,
            subscription_span.c.until > since,
        )
        .order_by(subscription_span.c.since, subscription_span.c.subscription_id)
    ).all()


def is_organization(tx: Connection, organization_id: str) -> bool:
    found = text("SELECT EXISTS (SELECT FROM organization WHERE id = :id)")
    return bool(tx.execute(found, {"id": organization_id}).scalar())


def last_confirmation(tx: Connection, organization_id: str) -> Confirmed | None:
    row = tx.execute(
        select(payment_confirmation)
        .where(payment_confirmation.c.organization_id == organization_id)
        .order_by(payment_confirmation.c.id.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    return Confirmed(row.confirmed_by, row.confirmed_at, row.payer, row.price, row.cap)
