"""Private offers, and who accepted them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from tradewind.core.ids import OrganizationId, PlanId, PrivateOfferId, SaleOfferId
from tradewind.features.sales.repository.rows import terms_of
from tradewind.features.sales.schemas import (
    Accepted,
    PrivateOfferRow,
)
from tradewind.features.sales.tables import (
    private_offer,
    private_offer_acceptance,
    private_offer_buyer,
    private_offer_price,
)


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


def acceptances_of(tx: Connection, offer_id: str) -> list[tuple[str, Accepted]]:
    """Return who accepted which private offer of an offer, the first one first."""
    accepted = private_offer_acceptance
    rows = tx.execute(
        select(accepted)
        .join(private_offer, private_offer.c.id == accepted.c.private_offer_id)
        .where(private_offer.c.offer_id == offer_id)
        .order_by(accepted.c.accepted_at, accepted.c.organization_id)
    )
    return [
        (
            row.private_offer_id,
            Accepted(OrganizationId(row.organization_id), row.accepted_by, row.accepted_at),
        )
        for row in rows
    ]


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
