"""SQL of prices, and the lock of the book that they are in."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Text, bindparam, func, insert, select
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on

from tradewind.core.ids import ModelId, OrganizationId, PriceId
from tradewind.features.market.rules.prices import COLUMNS, nanos_of
from tradewind.features.market.schemas import PriceRow, PriceSource, PriceTerms
from tradewind.features.market.tables import price

_BOOK_LOCK = 119182731994491


def lock_book(tx: Connection) -> None:
    """Let one at a time change the price book, until the end of `tx`."""
    tx.execute(select(func.pg_advisory_xact_lock(_BOOK_LOCK)))


def add_price(
    tx: Connection,
    model_id: ModelId,
    terms: PriceTerms,
    *,
    now: datetime,
    effective_at: datetime,
    source: PriceSource,
    subject: str,
    created_by: str,
    organization_id: OrganizationId | None,
) -> PriceId:
    price_id = PriceId.new()
    meters = terms.meters
    values: dict[str, Any] = {
        column: nanos_of(meters, meter) for meter, column in COLUMNS.items() if meter in meters
    }
    input_nanos = meters.get("input_tokens", 0)
    values = {
        "input_nanos": input_nanos,
        "output_nanos": 0,
        "cached_input_nanos": input_nanos,
        "cache_write_nanos": None,
    } | values
    tx.execute(
        insert(price).values(
            id=price_id,
            model_id=model_id,
            currency=terms.currency,
            meters={name: nanos for name, nanos in meters.items() if name not in COLUMNS},
            created_at=now,
            effective_at=effective_at,
            seller=terms.seller,
            is_charged=terms.is_charged,
            is_free=terms.is_free,
            source=source.value,
            subject=subject,
            created_by=created_by,
            organization_id=organization_id,
            **values,
        )
    )
    return price_id


def price_at(
    tx: Connection, model_id: str, at: datetime, organization_id: str | None = None
) -> PriceRow | None:
    """Return what is in force at a moment: everybody's price, or what is shown to one."""
    conditions = (price.c.effective_at <= at,)
    return _newest(tx, [model_id], *conditions, owner=organization_id).get(model_id)


def prices_at(tx: Connection, model_ids: Collection[str], at: datetime) -> dict[str, PriceRow]:
    """Return what is in force at a moment, by model."""
    return _newest(tx, model_ids, price.c.effective_at <= at)


def coming_prices(
    tx: Connection, model_ids: Collection[str], after: datetime
) -> dict[str, list[PriceRow]]:
    """Return the prices that take effect after a moment, by model, in their order."""
    newest: Any = (
        select(price)
        .ext(distinct_on(price.c.model_id, price.c.effective_at))
        .where(
            price.c.model_id == func.any(_as_array(model_ids)),
            price.c.organization_id.is_(None),
            price.c.effective_at > after,
        )
        .order_by(
            price.c.model_id, price.c.effective_at, price.c.created_at.desc(), price.c.id.desc()
        )
    )
    found: dict[str, list[PriceRow]] = {}
    for row in tx.execute(newest):
        found.setdefault(row.model_id, []).append(price_row(row))
    return found


def _newest(
    tx: Connection,
    model_ids: Collection[str],
    *conditions: ColumnElement[bool],
    owner: str | None = None,
) -> dict[str, PriceRow]:
    wanted = _as_array(model_ids)
    is_theirs = price.c.organization_id.is_not_distinct_from(owner)
    newest: Any = (
        select(price)
        .ext(distinct_on(price.c.model_id))
        .where(price.c.model_id == func.any(wanted), is_theirs, *conditions)
        .order_by(
            price.c.model_id,
            price.c.effective_at.desc(),
            price.c.created_at.desc(),
            price.c.id.desc(),
        )
    )
    return {row.model_id: price_row(row) for row in tx.execute(newest)}


def _as_array(ids: Collection[str]) -> ColumnElement[Any]:
    return bindparam("ids", list(ids), type_=ARRAY(Text), unique=True)


def has_price(tx: Connection, model_id: ModelId) -> bool:
    found = tx.execute(
        select(price.c.id)
        .where(price.c.model_id == model_id, price.c.organization_id.is_(None))
        .limit(1)
    )
    return found.first() is not None


def prices_of(tx: Connection, model_id: str, *, limit: int) -> list[PriceRow]:
    """Return all versions, the one that is in force last first."""
    rows = tx.execute(
        select(price)
        .where(price.c.model_id == model_id, price.c.organization_id.is_(None))
        .order_by(price.c.effective_at.desc(), price.c.created_at.desc(), price.c.id.desc())
        .limit(limit)
    )
    return [price_row(row) for row in rows]


def price_row(row: Row[Any]) -> PriceRow:
    return PriceRow(
        price_id=row.id,
        model_id=row.model_id,
        currency=row.currency,
        input_nanos=row.input_nanos,
        output_nanos=row.output_nanos,
        cached_input_nanos=row.cached_input_nanos,
        cache_write_nanos=row.cache_write_nanos,
        meters=row.meters,
        effective_at=row.effective_at,
        created_at=row.created_at,
        seller=row.seller,
        is_charged=row.is_charged,
        is_free=row.is_free,
        source=PriceSource(row.source),
        subject=row.subject,
        created_by=row.created_by,
    )
