"""SQL of margins."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects import postgresql

from tradewind.core.ids import PriceMarginId
from tradewind.features.market.schemas import Margin, MarginRow, NewMargin, Scope
from tradewind.features.market.tables import price_margin


def margins(tx: Connection, *, limit: int) -> list[MarginRow]:
    rows = tx.execute(
        select(price_margin).order_by(price_margin.c.scope, price_margin.c.target).limit(limit)
    )
    return [_margin_row(row) for row in rows]


def put_margin(tx: Connection, new: NewMargin, *, by: str, now: datetime) -> MarginRow:
    """Set the margin of a scope and target; the revision counts how often."""
    values = {
        "percent": new.margin.percent,
        "least_nanos": new.margin.least_nanos,
        "step_nanos": new.margin.step_nanos,
        "is_enabled": True,
        "created_by": by,
        "updated_at": now,
    }
    row = tx.execute(
        postgresql.insert(price_margin)
        .values(
            id=PriceMarginId.new(),
            scope=new.scope.value,
            target=new.target,
            revision=1,
            created_at=now,
            **values,
        )
        .on_conflict_do_update(
            index_elements=[price_margin.c.scope, price_margin.c.target],
            set_=values | {"revision": price_margin.c.revision + 1},
        )
        .returning(price_margin)
    ).one()
    return _margin_row(row)


def stop_margin(tx: Connection, margin_id: str, *, now: datetime) -> bool:
    stopped = tx.execute(
        update(price_margin)
        .where(price_margin.c.id == margin_id)
        .values(is_enabled=False, updated_at=now, revision=price_margin.c.revision + 1)
        .returning(price_margin.c.id)
    )
    return stopped.first() is not None


def _margin_row(row: Row[Any]) -> MarginRow:
    return MarginRow(
        row.id,
        Scope(row.scope),
        row.target,
        Margin(row.percent, row.least_nanos, row.step_nanos),
        row.is_enabled,
        row.revision,
        row.created_by,
        row.updated_at,
    )
