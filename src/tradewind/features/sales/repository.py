"""SQL of sales."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Table, and_, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql

from tradewind.core.ids import OrganizationId, PlanId, PrivateOfferId, SaleOfferId, SubscriptionId
from tradewind.core.pricing.charges import PlanTerms
from tradewind.features.sales.rules.life import Life, State
from tradewind.features.sales.schemas import (
    Confirmed,
    EventRow,
    Licensing,
    OfferKind,
    OfferRow,
    OfferState,
    PlanRow,
    PrivateOfferRow,
    SubscriptionRow,
)
from tradewind.features.sales.tables import (
    payment_confirmation,
    plan,
    private_offer,
    private_offer_acceptance,
    private_offer_buyer,
    private_offer_price,
    sale_offer,
    subscription,
    subscription_charge,
    subscription_event,
    subscription_span,
)

MICROSECOND = timedelta(microseconds=1)


def add(tx: Connection, table: Table, *rows: Mapping[str, Any]) -> None:
    if rows:
        tx.execute(insert(table), [dict(row) for row in rows])


def as_json(terms: PlanTerms) -> Any:
    return msgspec.to_builtins(terms)


def terms_of(stored: Any) -> PlanTerms:
    return msgspec.convert(stored, PlanTerms)


# --- offers and plans --------------------------------------------------------------------------


def find_offer(tx: Connection, offer_id: str, *, locks: bool = False) -> OfferRow | None:
    query = select(sale_offer).where(sale_offer.c.id == offer_id)
    row = tx.execute(query.with_for_update() if locks else query).first()
    return None if row is None else _offer_row(row)


def offers_of(tx: Connection, organization_id: str, limit: int) -> list[OfferRow]:
    rows = tx.execute(
        select(sale_offer)
        .where(sale_offer.c.organization_id == organization_id)
        .order_by(sale_offer.c.id.desc())
        .limit(limit)
    )
    return [_offer_row(row) for row in rows]


def live_offers(tx: Connection, limit: int) -> list[OfferRow]:
    rows = tx.execute(
        select(sale_offer)
        .where(sale_offer.c.state == OfferState.LIVE.value)
        .order_by(sale_offer.c.name, sale_offer.c.id)
        .limit(limit)
    )
    return [_offer_row(row) for row in rows]


def live_offer_of_model(tx: Connection, model_id: str) -> str | None:
    return tx.execute(
        select(sale_offer.c.id).where(
            sale_offer.c.model_id == model_id, sale_offer.c.state == OfferState.LIVE.value
        )
    ).scalar_one_or_none()


def set_offer_state(tx: Connection, offer_id: str, state: OfferState, now: datetime) -> None:
    tx.execute(
        update(sale_offer)
        .where(sale_offer.c.id == offer_id)
        .values(state=state.value, updated_at=now)
    )


def plans_of(tx: Connection, offer_id: str, *, only_live: bool = False) -> list[PlanRow]:
    query = select(plan).where(plan.c.offer_id == offer_id).order_by(plan.c.name, plan.c.version)
    rows = tx.execute(query.where(plan.c.state == "live") if only_live else query)
    return [plan_row(row) for row in rows]


def find_plan(tx: Connection, plan_id: str) -> PlanRow | None:
    row = tx.execute(select(plan).where(plan.c.id == plan_id)).first()
    return None if row is None else plan_row(row)


def binding_version(tx: Connection, plan_id: str, at: datetime) -> PlanRow:
    """Return the newest version of a plan that binds who has an older one."""
    held = plan.alias("held")
    row = tx.execute(
        select(plan)
        .join(held, and_(held.c.offer_id == plan.c.offer_id, held.c.name == plan.c.name))
        .where(
            held.c.id == plan_id,
            or_(plan.c.id == plan_id, plan.c.binds_from <= at),
            plan.c.version >= held.c.version,
        )
        .order_by(plan.c.version.desc())
        .limit(1)
    ).one()
    return plan_row(row)


def supersede(tx: Connection, plan_id: str, by: str) -> None:
    tx.execute(
        update(plan).where(plan.c.id == plan_id).values(state="superseded", superseded_by=by)
    )


def retire_live(tx: Connection, plan_id: str) -> None:
    """Make room for the version that takes a plan's place, which has to be there first."""
    tx.execute(update(plan).where(plan.c.id == plan_id).values(state="withdrawn"))


def _offer_row(row: Row[Any]) -> OfferRow:
    return OfferRow(
        SaleOfferId(row.id),
        row.publisher_slug,
        OrganizationId(row.organization_id),
        OfferKind(row.kind),
        row.model_id,
        row.name,
        row.description,
        tuple(row.scopes),
        Licensing(row.licensing),
        row.is_subscription_only,
        OfferState(row.state),
        row.fee_percent_millionths,
        row.created_at,
    )


def plan_row(row: Row[Any]) -> PlanRow:
    return PlanRow(
        PlanId(row.id),
        SaleOfferId(row.offer_id),
        row.name,
        row.version,
        terms_of(row.terms),
        row.text,
        row.is_public,
        row.state,
        row.effective_from,
        None if row.superseded_by is None else PlanId(row.superseded_by),
    )


# --- private offers ----------------------------------------------------------------------------


def find_private_offer(
    tx: Connection, private_offer_id: str, *, locks: bool = False
) -> PrivateOfferRow | None:
    query = select(private_offer).where(private_offer.c.id == private_offer_id)
    row = tx.execute(query.with_for_update() if locks else query).first()
    return None if row is None else _private_row(tx, row)


def private_offers_of(tx: Connection, offer_id: str, limit: int) -> list[PrivateOfferRow]:
    rows = tx.execute(
        select(private_offer)
        .where(private_offer.c.offer_id == offer_id)
        .order_by(private_offer.c.id.desc())
        .limit(limit)
    ).all()
    return [_private_row(tx, row) for row in rows]


def private_offers_for(
    tx: Connection, organization_id: str, now: datetime, limit: int
) -> list[PrivateOfferRow]:
    """Return those that name an organization and have not ended."""
    rows = tx.execute(
        select(private_offer)
        .join(private_offer_buyer, private_offer_buyer.c.private_offer_id == private_offer.c.id)
        .where(
            private_offer_buyer.c.organization_id == organization_id,
            ~private_offer.c.is_withdrawn,
            private_offer.c.ends_at > now,
        )
        .order_by(private_offer.c.id.desc())
        .limit(limit)
    ).all()
    return [_private_row(tx, row) for row in rows]


def withdraw_private_offer(tx: Connection, private_offer_id: str) -> None:
    tx.execute(
        update(private_offer)
        .where(private_offer.c.id == private_offer_id)
        .values(is_withdrawn=True)
    )


def acceptance(tx: Connection, private_offer_id: str, organization_id: str) -> Row[Any] | None:
    return tx.execute(
        select(private_offer_acceptance).where(
            private_offer_acceptance.c.private_offer_id == private_offer_id,
            private_offer_acceptance.c.organization_id == organization_id,
        )
    ).first()


def _private_row(tx: Connection, row: Row[Any]) -> PrivateOfferRow:
    prices = tx.execute(
        select(private_offer_price)
        .where(private_offer_price.c.private_offer_id == row.id)
        .order_by(private_offer_price.c.plan_id)
    )
    buyers = tx.execute(
        select(private_offer_buyer.c.organization_id)
        .where(private_offer_buyer.c.private_offer_id == row.id)
        .order_by(private_offer_buyer.c.organization_id)
    ).scalars()
    return PrivateOfferRow(
        PrivateOfferId(row.id),
        SaleOfferId(row.offer_id),
        row.name,
        row.text,
        tuple(OrganizationId(each) for each in buyers),
        tuple((PlanId(each.plan_id), terms_of(each.terms)) for each in prices),
        row.starts_at,
        row.ends_at,
        row.accept_by,
        bytes(row.terms_hash),
        row.is_withdrawn,
        row.offered_by,
        row.offered_at,
    )


# --- subscriptions -----------------------------------------------------------------------------


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
    query = (
        select(
            subscription,
            sale_offer.c.name.label("offer_name"),
            sale_offer.c.publisher_slug,
            plan.c.name.label("plan_name"),
            plan.c.version.label("plan_version"),
        )
        .join(sale_offer, sale_offer.c.id == subscription.c.offer_id)
        .join(plan, plan.c.id == subscription.c.plan_id)
        .order_by(subscription.c.id.desc())
        .limit(limit)
    )
    for column, wanted in (
        (subscription.c.organization_id, organization_id),
        (subscription.c.offer_id, offer_id),
        (subscription.c.id, subscription_id),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    return [_subscription_row(row) for row in tx.execute(query)]


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


# --- what billing asks -------------------------------------------------------------------------


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
    """Return the spans of models' subscriptions that touch a time."""
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
            sale_offer.c.model_id.is_not(None),
            subscription_span.c.since < until,
            subscription_span.c.until > since,
        )
        .order_by(subscription_span.c.since, subscription_span.c.subscription_id)
    ).all()


# --- who pays ----------------------------------------------------------------------------------


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
