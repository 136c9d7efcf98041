"""Subscriptions, their spans and their trail."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, select, update
from sqlalchemy.dialects import postgresql

from tradewind.core.ids import OrganizationId, PrivateOfferId, SaleOfferId, SubscriptionId
from tradewind.features.sales.repository.rows import MICROSECOND, as_json, terms_of
from tradewind.features.sales.rules.life import Life, State
from tradewind.features.sales.schemas import (
    EventRow,
    OfferRow,
    SubscriptionRow,
)
from tradewind.features.sales.tables import (
    plan,
    sale_offer,
    subscription,
    subscription_event,
    subscription_span,
)


def lock_buyer(tx: Connection, organization_id: str) -> None:
    """Let one subscribe at a time for an organization, until the end of `tx`."""
    tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(organization_id, 5081))))


def has_subscription(tx: Connection, organization_id: str, offer: OfferRow) -> bool:
    """Tell whether an organization has one of this offer, or of another one of its model."""
    same = sale_offer.c.id == offer.offer_id
    if offer.model_id is not None:
        same |= sale_offer.c.model_id == offer.model_id
    found = tx.execute(
        select(subscription.c.id)
        .join(sale_offer, sale_offer.c.id == subscription.c.offer_id)
        .where(
            subscription.c.organization_id == organization_id,
            subscription.c.state != State.CANCELLED.value,
            same,
        )
        .limit(1)
    )
    return found.first() is not None


def had_subscription(tx: Connection, organization_id: str, offer_id: str) -> bool:
    found = tx.execute(
        select(subscription.c.id)
        .where(
            subscription.c.organization_id == organization_id,
            subscription.c.offer_id == offer_id,
        )
        .limit(1)
    )
    return found.first() is not None


def lock_subscription(tx: Connection, subscription_id: str) -> Row[Any] | None:
    return tx.execute(
        select(subscription).where(subscription.c.id == subscription_id).with_for_update()
    ).first()


def take_due(tx: Connection, now: datetime, limit: int) -> Sequence[Row[Any]]:
    """Return subscriptions that go on by themselves, which nobody else moves meanwhile."""
    return tx.execute(
        select(subscription)
        .where(subscription.c.next_at <= now)
        .order_by(subscription.c.next_at, subscription.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()


def life_of(row: Row[Any]) -> Life:
    return Life(
        state=State(row.state),
        plan_id=row.plan_id,
        terms=terms_of(row.terms),
        quantity=row.quantity,
        anchor=_utc(row.anchor),
        number=row.number,
        term_start=_utc(row.term_start),
        term_end=_utc(row.term_end),
        whole=row.whole_us * MICROSECOND,
        priced_until=row.priced_until,
        trial_until=row.trial_until,
        cancel_at=row.cancel_at,
        past_due_since=row.past_due_since,
        reminders=row.reminders,
        paused_at=row.paused_at,
        suspended_for=row.suspended_for,
        since=row.since,
    )


def _utc(at: datetime) -> datetime:
    # Months are counted on the calendar of UTC, whatever the connection's time zone is.
    return at.astimezone(UTC)


def life_values(life: Life) -> dict[str, Any]:
    return {
        "state": life.state.value,
        "plan_id": life.plan_id,
        "terms": as_json(life.terms),
        "quantity": life.quantity,
        "anchor": life.anchor,
        "number": life.number,
        "term_start": life.term_start,
        "term_end": life.term_end,
        "whole_us": life.whole // MICROSECOND,
        "priced_until": life.priced_until,
        "trial_until": life.trial_until,
        "cancel_at": life.cancel_at,
        "past_due_since": life.past_due_since,
        "reminders": life.reminders,
        "paused_at": life.paused_at,
        "suspended_for": life.suspended_for,
        "since": life.since,
    }


def update_subscription(tx: Connection, subscription_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(
        update(subscription).where(subscription.c.id == subscription_id).values(dict(values))
    )


def cut_span(tx: Connection, subscription_id: str, since: datetime, at: datetime) -> None:
    """End a span at a moment; one of no length was none."""
    here = (subscription_span.c.subscription_id == subscription_id) & (
        subscription_span.c.since == since
    )
    if at <= since:
        tx.execute(delete(subscription_span).where(here))
    else:
        tx.execute(
            update(subscription_span).where(here, subscription_span.c.until > at).values(until=at)
        )


def put_span(
    tx: Connection, subscription_id: str, since: datetime, values: Mapping[str, Any]
) -> None:
    tx.execute(
        postgresql.insert(subscription_span)
        .values(subscription_id=subscription_id, since=since, **values)
        .on_conflict_do_update(index_elements=["subscription_id", "since"], set_=dict(values))
    )


def subscriptions(
    tx: Connection,
    *,
    organization_id: str | None = None,
    offer_id: str | None = None,
    subscription_id: str | None = None,
    limit: int = 200,
) -> list[SubscriptionRow]:
    query = _select_rows().order_by(subscription.c.id.desc()).limit(limit)
    for column, wanted in (
        (subscription.c.organization_id, organization_id),
        (subscription.c.offer_id, offer_id),
        (subscription.c.id, subscription_id),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    return [_subscription_row(row) for row in tx.execute(query)]


def sold_by(tx: Connection, seller_id: str, after: str, limit: int) -> list[SubscriptionRow]:
    """Return subscriptions of all offers of an organization in the order of their ids."""
    query = (
        _select_rows()
        .where(sale_offer.c.organization_id == seller_id, subscription.c.id > after)
        .order_by(subscription.c.id)
        .limit(limit)
    )
    return [_subscription_row(row) for row in tx.execute(query)]


def span_at(tx: Connection, subscription_id: str, at: datetime) -> Row[Any] | None:
    """Return the span that a moment is in, with its plan's name."""
    return tx.execute(
        select(subscription_span, plan.c.name.label("plan_name"))
        .join(plan, plan.c.id == subscription_span.c.plan_id)
        .where(
            subscription_span.c.subscription_id == subscription_id,
            subscription_span.c.since <= at,
            subscription_span.c.until > at,
        )
    ).first()


def _select_rows() -> Select[Any]:
    return (
        select(
            subscription,
            sale_offer.c.name.label("offer_name"),
            sale_offer.c.publisher_slug,
            plan.c.name.label("plan_name"),
            plan.c.version.label("plan_version"),
        )
        .join(sale_offer, sale_offer.c.id == subscription.c.offer_id)
        .join(plan, plan.c.id == subscription.c.plan_id)
    )


def _subscription_row(row: Row[Any]) -> SubscriptionRow:
    return SubscriptionRow(
        SubscriptionId(row.id),
        OrganizationId(row.organization_id),
        SaleOfferId(row.offer_id),
        row.offer_name,
        row.publisher_slug,
        row.plan_id,
        row.plan_name,
        row.plan_version,
        terms_of(row.terms),
        None if row.private_offer_id is None else PrivateOfferId(row.private_offer_id),
        row.state,
        row.quantity,
        row.term_start,
        row.term_end,
        row.trial_until,
        row.priced_until,
        row.cancel_at,
        row.past_due_since,
        row.suspended_for,
        row.purchaser,
        row.beneficiary,
        row.revision,
        row.created_at,
    )


def events_of(tx: Connection, subscription_id: str, limit: int) -> list[EventRow]:
    rows = tx.execute(
        select(subscription_event)
        .where(subscription_event.c.subscription_id == subscription_id)
        .order_by(subscription_event.c.seq.desc())
        .limit(limit)
    )
    return [
        EventRow(
            row.seq,
            row.at,
            row.entered_at,
            row.move,
            row.former,
            row.state,
            row.by_name,
            row.reason,
            row.plan_id,
            row.quantity,
        )
        for row in rows
    ]
