"""Offers and plans."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on

from tradewind.core.ids import OrganizationId, PlanId, SaleOfferId
from tradewind.features.sales.repository.rows import terms_of
from tradewind.features.sales.schemas import (
    Licensing,
    OfferKind,
    OfferRow,
    OfferState,
    PlanRow,
)
from tradewind.features.sales.tables import (
    plan,
    sale_offer,
)


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


def sellers_of(tx: Connection, model_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """Return of each model the offer that sells it, or sold it last."""
    return tx.execute(
        select(sale_offer)
        .ext(distinct_on(sale_offer.c.model_id))
        .where(
            sale_offer.c.model_id == func.any(list(model_ids)),
            sale_offer.c.state != OfferState.DRAFT.value,
        )
        .order_by(
            sale_offer.c.model_id,
            (sale_offer.c.state == OfferState.LIVE.value).desc(),
            sale_offer.c.id.desc(),
        )
    ).all()


def set_fee(tx: Connection, offer_id: str, fee_ppm: int | None, now: datetime) -> None:
    tx.execute(
        update(sale_offer)
        .where(sale_offer.c.id == offer_id)
        .values(fee_percent_millionths=fee_ppm, updated_at=now)
    )


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


def plan_names(tx: Connection, plan_ids: Sequence[str]) -> dict[str, str]:
    rows = tx.execute(select(plan.c.id, plan.c.name).where(plan.c.id == func.any(list(plan_ids))))
    return {row.id: row.name for row in rows}


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
